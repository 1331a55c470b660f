// A model for the real agent program to talk to: the part of the Messages API it needs, on loopback, answering by a
// script. It keeps every request, because what reached the model is the only honest oracle for "delivered".
// Nothing here knows signalbox, and no test framework is imported: the demo runs on it too.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Reply, say, sendJson, writeReply } from "./reply.ts";
import { type ModelRequest, readRequest, type TextBlock } from "./request.ts";

export { cut, fail, gate, type Reply, say, useTool } from "./reply.ts";
export type { ModelRequest, TextBlock } from "./request.ts";

export type Answer = Reply | ((request: ModelRequest) => Reply | Promise<Reply>);

export interface Rule {
  /** Which requests it answers; none given: every turn of a main conversation. Errands are matched only by naming them. */
  when?: (request: ModelRequest) => boolean;
  /** How many requests it answers before it is spent; none given: no end. */
  times?: number;
  reply: Answer;
}

export interface ScriptedModelOptions {
  /** Answers what no rule answers. Default: `ACK: <the last 200 characters of the user's words>`. */
  reply?: Answer;
  /** 0 (default) = any free port. */
  port?: number;
}

export interface Delivery extends TextBlock {
  conversationId: string | null;
}

export interface ScriptedModel {
  /** For ANTHROPIC_BASE_URL. */
  readonly url: string;
  /** Every request in order of arrival, errands and retries included. */
  readonly requests: readonly ModelRequest[];
  /** Adds a rule; later rules are asked first. Returns how to take it back. */
  script(rule: Rule): () => void;
  /** Resolves with the first request, past or coming, that fits. `after` skips requests up to and including that one.
   *  Rejects after `timeoutMs` (default 30 000) with the list of what came instead. */
  waitForRequest(
    fits: (request: ModelRequest) => boolean,
    options?: { after?: ModelRequest | undefined; timeoutMs?: number },
  ): Promise<ModelRequest>;
  /** Turns of main conversations that brought new words or tool results holding `marker`, retries included. */
  turnsWith(marker: string): ModelRequest[];
  /** Each time the marker stands in what a main conversation told the model (user or system words, never the model's own
   *  or a tool's). A history is sent again with every turn, so each conversation is counted once, at its fullest. */
  deliveries(marker: string): Delivery[];
  /** Ends every open connection and the server. */
  stop(): Promise<void>;
}

/** Starts the model on 127.0.0.1. */
export async function startScriptedModel(options: ScriptedModelOptions = {}): Promise<ScriptedModel> {
  const requests: ModelRequest[] = [];
  const rules: { rule: Rule; left: number }[] = [];
  const listeners = new Set<(request: ModelRequest) => void>();

  async function answerFor(request: ModelRequest): Promise<Reply> {
    for (const entry of rules) {
      const fits = entry.rule.when ?? ((asked: ModelRequest) => asked.kind === "main");
      if (entry.left <= 0 || !fits(request)) continue;
      entry.left -= 1;
      return typeof entry.rule.reply === "function" ? entry.rule.reply(request) : entry.rule.reply;
    }
    if (request.kind === "side") return say("ok");
    const reply = options.reply ?? acknowledge;
    return typeof reply === "function" ? reply(request) : reply;
  }

  async function handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(incoming);
    const request = readRequest({
      number: requests.length + 1,
      atMs: Date.now(),
      method: incoming.method ?? "",
      path: incoming.url ?? "",
      headers: incoming.headers,
      body,
    });
    requests.push(request);
    response.once("close", () => {
      request.outcome ??= response.writableFinished ? "answered" : "aborted";
    });
    for (const hear of [...listeners]) hear(request);

    if (request.kind === "count") return sendJson(response, 200, { input_tokens: tokensOf(body) });
    if (request.kind === "other") {
      // A HEAD or GET of the root is a mere "are you there".
      return request.path === "/" ? sendJson(response, 200, {}) : sendJson(response, 404, notFound);
    }
    const reply = await answerFor(request);
    if (reply.is === "error") response.once("finish", () => (request.outcome = "failed"));
    if (reply.is === "cut") response.once("close", () => (request.outcome = "cut"));
    await writeReply(response, reply, {
      id: `msg_scripted${String(request.number).padStart(6, "0")}`,
      model: request.model,
      inputTokens: tokensOf(body),
      stream: body.stream === true,
    });
  }

  const server = createServer((incoming, response) => {
    handle(incoming, response).catch((error: unknown) => {
      // A script that throws must be seen by the test that wrote it, not turn into a retry of the agent's.
      console.error("scripted model:", error);
      response.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    script(rule) {
      const entry = { rule, left: rule.times ?? Number.POSITIVE_INFINITY };
      rules.unshift(entry);
      return () => {
        entry.left = 0;
      };
    },
    waitForRequest(fits, { after, timeoutMs = 30_000 } = {}) {
      const seen = requests.find((request) => request.number > (after?.number ?? 0) && fits(request));
      if (seen) return Promise.resolve(seen);
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          listeners.delete(hear);
          const came = requests
            .map((r) => `${r.number} ${r.kind} ${JSON.stringify(r.newUserText.slice(-80))}`)
            .join("\n");
          reject(new Error(`no such request within ${timeoutMs} ms; what came:\n${came || "nothing"}`));
        }, timeoutMs);
        function hear(request: ModelRequest): void {
          if (!fits(request)) return;
          clearTimeout(timer);
          listeners.delete(hear);
          resolve(request);
        }
        listeners.add(hear);
      });
    },
    turnsWith: (marker) =>
      requests.filter(
        (request) =>
          request.kind === "main" &&
          [request.newUserText, ...request.toolResults].some((text) => text.includes(marker)),
      ),
    deliveries: (marker) => countDeliveries(requests, marker),
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const notFound = { type: "error", error: { type: "not_found_error", message: "the scripted model has no such path" } };

function acknowledge(request: ModelRequest): Reply {
  if (request.newUserText.trim() === "" && request.toolResults.length > 0) return say("Done.");
  return say(`ACK: ${request.newUserText.trim().slice(-200)}`);
}

function countDeliveries(requests: readonly ModelRequest[], marker: string): Delivery[] {
  const fullest = new Map<string | null, Delivery[]>();
  for (const { kind, texts, conversationId } of requests) {
    if (kind !== "main") continue;
    const found = texts
      .filter((block) => block.role !== "assistant")
      .flatMap((block) =>
        block.text
          .split(marker)
          .slice(1)
          .map(() => ({ ...block, conversationId })),
      );
    if (found.length > (fullest.get(conversationId)?.length ?? 0)) fullest.set(conversationId, found);
  }
  return [...fullest.values()].flat();
}

/** Four characters to a token is the usual rule of thumb; only the magnitude matters here. */
function tokensOf(body: unknown): number {
  return Math.ceil(JSON.stringify(body).length / 4);
}

async function readBody(incoming: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  try {
    const parsed: unknown = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    return parsed !== null && typeof parsed === "object" ? (parsed as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
