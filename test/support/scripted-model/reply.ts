// What the scripted model may answer, as data, and how such an answer is written in the Messages API's two forms
// (streamed and whole). What it answers to which request is decided in index.ts, never here.

import type { ServerResponse } from "node:http";

/** Streamed piece by piece; a promise among the pieces holds the stream open until it settles. */
export type Pieces = string | readonly (string | Promise<unknown>)[];

export interface ToolUse {
  name: string;
  input: Record<string, unknown>;
}

export type Reply = (
  | { is: "message"; text: Pieces; tools: readonly ToolUse[] }
  | { is: "error"; status: number; message: string }
  | { is: "cut"; text: string | null }
  | { is: "hang" }
) & {
  /** Nothing is answered before this settles. */
  after?: Promise<unknown>;
  /** Nothing is answered for so long. */
  delayMs?: number;
};

export interface ReplyTiming {
  after?: Promise<unknown>;
  delayMs?: number;
}

/** A turn's end with this text. */
export function say(text: Pieces, timing: ReplyTiming = {}): Reply {
  return { is: "message", text, tools: [], ...timing };
}

/** Asks the agent to run a tool; the agent comes back with its result in a further request. */
export function useTool(
  name: string,
  input: Record<string, unknown>,
  options: ReplyTiming & { text?: string } = {},
): Reply {
  const { text = "", ...timing } = options;
  return { is: "message", text, tools: [{ name, input }], ...timing };
}

/** An HTTP error in the API's own shape: 400, 401, 429, 500, 529. */
export function fail(status: number, message = `scripted ${status}`, timing: ReplyTiming = {}): Reply {
  return { is: "error", status, message, ...timing };
}

/** Breaks the connection: before the first byte, or after having streamed `text`. */
export function cut(text: string | null = null, timing: ReplyTiming = {}): Reply {
  return { is: "cut", text, ...timing };
}

/** Something a test opens by hand. */
export interface Gate {
  readonly opened: Promise<void>;
  open(): void;
}

export function gate(): Gate {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

const ERROR_TYPES: Record<number, string> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  429: "rate_limit_error",
  500: "api_error",
  529: "overloaded_error",
};

export interface MessageFrame {
  id: string;
  model: string;
  inputTokens: number;
  stream: boolean;
}

/** Writes the reply to `response` and ends it (but for `hang`). Returns early when the client goes away. */
export async function writeReply(response: ServerResponse, reply: Reply, frame: MessageFrame): Promise<void> {
  const gone = new Promise<void>((resolve) => response.once("close", resolve));
  const orGone = (promise: Promise<unknown>) => Promise.race([promise, gone]);
  if (reply.delayMs !== undefined) await orGone(new Promise((resolve) => setTimeout(resolve, reply.delayMs).unref()));
  if (reply.after !== undefined) await orGone(reply.after);
  if (response.destroyed) return;

  switch (reply.is) {
    case "hang":
      return;
    case "error": {
      const type = ERROR_TYPES[reply.status] ?? "api_error";
      return sendJson(response, reply.status, { type: "error", error: { type, message: reply.message } });
    }
    case "cut": {
      if (reply.text !== null && frame.stream) {
        const events = openStream(response, frame);
        events.text(reply.text);
        await new Promise((resolve) => response.write("", resolve));
      }
      response.destroy();
      return;
    }
    case "message":
      if (!frame.stream) return sendJson(response, 200, await wholeMessage(reply, frame));
      return streamMessage(response, reply, frame, orGone);
  }
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json", "request-id": "req_scripted" });
  response.end(JSON.stringify(body));
}

type MessageReply = Extract<Reply, { is: "message" }>;

async function streamMessage(
  response: ServerResponse,
  reply: MessageReply,
  frame: MessageFrame,
  orGone: (promise: Promise<unknown>) => Promise<unknown>,
): Promise<void> {
  const events = openStream(response, frame);
  for (const piece of typeof reply.text === "string" ? [reply.text] : reply.text) {
    if (typeof piece === "string") events.text(piece);
    else await orGone(piece);
    if (response.destroyed) return;
  }
  for (const [i, tool] of reply.tools.entries()) events.tool(tool, toolUseId(frame, i));
  events.end(stopReason(reply));
}

async function wholeMessage(reply: MessageReply, frame: MessageFrame): Promise<unknown> {
  const texts: string[] = [];
  for (const piece of typeof reply.text === "string" ? [reply.text] : reply.text) {
    if (typeof piece === "string") texts.push(piece);
    else await piece;
  }
  const text = texts.join("");
  const content = [
    ...(text === "" ? [] : [{ type: "text", text }]),
    ...reply.tools.map((tool, i) => ({
      type: "tool_use",
      id: toolUseId(frame, i),
      name: tool.name,
      input: tool.input,
    })),
  ];
  return { ...emptyMessage(frame), content, stop_reason: stopReason(reply) };
}

const stopReason = (reply: MessageReply) => (reply.tools.length > 0 ? "tool_use" : "end_turn");
const toolUseId = (frame: MessageFrame, index: number) => `toolu_${frame.id.slice("msg_".length)}_${index}`;

function emptyMessage(frame: MessageFrame) {
  const usage = { input_tokens: frame.inputTokens, output_tokens: 1 };
  const { id, model } = frame;
  return { id, type: "message", role: "assistant", model, content: [], stop_reason: null, stop_sequence: null, usage };
}

function openStream(response: ServerResponse, frame: MessageFrame) {
  response.writeHead(200, {
    "content-type": "text/event-stream",
    "cache-control": "no-cache",
    "request-id": "req_scripted",
  });
  const send = (type: string, fields: object) =>
    response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`);
  let index = -1;
  let isTextOpen = false;
  let outputChars = 0;

  function closeText(): void {
    if (isTextOpen) send("content_block_stop", { index });
    isTextOpen = false;
  }

  send("message_start", { message: emptyMessage(frame) });
  send("ping", {});
  return {
    text(text: string): void {
      if (text === "") return;
      if (!isTextOpen) send("content_block_start", { index: ++index, content_block: { type: "text", text: "" } });
      isTextOpen = true;
      outputChars += text.length;
      send("content_block_delta", { index, delta: { type: "text_delta", text } });
    },
    tool(tool: ToolUse, id: string): void {
      closeText();
      send("content_block_start", {
        index: ++index,
        content_block: { type: "tool_use", id, name: tool.name, input: {} },
      });
      send("content_block_delta", {
        index,
        delta: { type: "input_json_delta", partial_json: JSON.stringify(tool.input) },
      });
      send("content_block_stop", { index });
    },
    end(reason: string): void {
      closeText();
      const usage = { output_tokens: 1 + Math.ceil(outputChars / 4) };
      send("message_delta", { delta: { stop_reason: reason, stop_sequence: null }, usage });
      send("message_stop", {});
      response.end();
    },
  };
}
