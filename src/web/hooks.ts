// The endpoint that agents' hooks post to. It checks form and size, finds the bearer secret, and hands the payload on; an
// answer may take hours, because a permission question waits for a person. What a hook means is known below.

import type { IncomingMessage } from "node:http";
import { asSignalboxError, SignalboxError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";

/** A tool's input and output travel in a hook: a written file of 1 MiB, escaped to the last byte, is six times that. */
const HOOK_BYTES_MAX = 8 * 1024 * 1024;

/** What posted the hook, where that matters; absent on hooks that the agent program posts itself. */
export const SOURCE_HEADER = "x-signalbox-source";

export interface HookCall {
  /** The bearer secret, unchecked: it names the agent. */
  secret: string;
  source: string | null;
  payload: unknown;
  /** Aborts when the agent has stopped waiting for the answer. */
  signal: AbortSignal;
}

export type HookOutcome = { is: "answered"; body: unknown } | { is: "unknown_secret" };

export type HookHandler = (call: HookCall) => Promise<HookOutcome>;

/** What is answered, and with which status. */
export interface HookAnswer {
  status: number;
  body: unknown;
}

/** `gone` aborts when the agent has stopped waiting for the answer. Never rejects. */
export async function answerHook(
  request: IncomingMessage,
  gone: AbortSignal,
  { hooks, log }: { hooks: HookHandler; log: Log },
): Promise<HookAnswer> {
  const secret = /^Bearer ([\x21-\x7e]+)$/i.exec(request.headers.authorization ?? "")?.[1];
  if (secret === undefined) return refusal(401, unknownSecret);
  const mediaType = (request.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase();
  if (mediaType !== "application/json") return refusal(415, notJson);
  const body = await readBody(request, HOOK_BYTES_MAX);
  if (body === null) return refusal(413, tooLarge);
  let payload: unknown;
  try {
    payload = JSON.parse(body);
  } catch {
    return refusal(400, notJson);
  }
  try {
    const source = request.headers[SOURCE_HEADER]?.toString() ?? null;
    const outcome = await hooks({ secret, source, payload, signal: gone });
    return outcome.is === "answered" ? { status: 200, body: outcome.body } : refusal(401, unknownSecret);
  } catch (thrown) {
    const error = asSignalboxError(thrown);
    log.error("hook_failed", { code: error.code });
    return refusal(500, error);
  }
}

/** The body as text, or null when it is longer than `bytesMax` or breaks off; nothing beyond that is kept or waited for. */
function readBody(request: IncomingMessage, bytesMax: number): Promise<string | null> {
  if (Number(request.headers["content-length"] ?? 0) > bytesMax) return Promise.resolve(null);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= bytesMax) chunks.push(chunk);
      else resolve(null);
    });
    request.on("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
    request.on("close", () => resolve(null));
  });
}

function refusal(status: number, error: SignalboxError): HookAnswer {
  return { status, body: { error: error.toBody() } };
}

const unknownSecret = new SignalboxError(
  "permission_denied",
  "No agent has this secret.",
  "Only agents that signalbox started may post hooks.",
);
const notJson = new SignalboxError("invalid_input", "A hook is posted as application/json.", "Correct the hook.");
const tooLarge = new SignalboxError("invalid_input", `A hook may have ${HOOK_BYTES_MAX} bytes.`, "Send less.");
