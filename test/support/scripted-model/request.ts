// One request as the scripted model saw it, and what a test wants to know about it: was it a turn of a main
// conversation or some errand of the program's own, and which words stood in it. Pure; the server is in index.ts.

import type { IncomingHttpHeaders } from "node:http";

/**
 * main: a turn of the conversation itself (every model call of it, tool results included).
 * subagent: a turn of an agent started by the agent.  side: titles, quota probes, summaries, classifiers.
 * count: token counting.  other: anything that is not the Messages API.
 */
export type RequestKind = "main" | "subagent" | "side" | "count" | "other";

export interface TextBlock {
  role: "user" | "assistant" | "system";
  text: string;
}

export interface ModelRequest {
  /** 1 for the first request of this server. */
  readonly number: number;
  readonly atMs: number;
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
  readonly kind: RequestKind;
  readonly conversationId: string | null;
  readonly model: string;
  /** All text blocks of the history in order; tool results are not text. */
  readonly texts: readonly TextBlock[];
  /** What came since the model last spoke: the user's words alone, without the program's own reminders. */
  readonly newUserText: string;
  /** Tool results that came since the model last spoke, as text. */
  readonly toolResults: readonly string[];
  /** How it ended: null while it is being answered; aborted = the client went away first. */
  outcome: "answered" | "failed" | "cut" | "aborted" | null;
}

type Block = { type?: string; text?: string; content?: unknown };

export function readRequest(raw: {
  number: number;
  atMs: number;
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: Record<string, unknown>;
}): ModelRequest {
  const messages = Array.isArray(raw.body.messages) ? (raw.body.messages as { role: string; content: unknown }[]) : [];
  const fresh = messages.slice(messages.findLastIndex((message) => message.role === "assistant") + 1);
  return {
    ...raw,
    kind: kindOf(raw),
    conversationId: conversationOf(raw.headers, raw.body),
    model: typeof raw.body.model === "string" ? raw.body.model : "",
    texts: messages.flatMap(({ role, content }) =>
      textsOf(content).map((text) => ({ role: role as TextBlock["role"], text })),
    ),
    newUserText: fresh
      .filter(({ role }) => role === "user")
      .flatMap(({ content }) => textsOf(content))
      .filter((text) => !isReminder(text))
      .join("\n"),
    toolResults: fresh
      .flatMap(({ content }) => blocksOf(content))
      .filter((block) => block.type === "tool_result")
      .map((block) => textsOf(block.content).join("\n")),
    outcome: null,
  };
}

/** The program's own notes. What a hook has added travels in the same wrapping, but its words are somebody's. */
function isReminder(text: string): boolean {
  return text.trimStart().startsWith("<system-reminder>") && !text.includes("hook additional context: ");
}

function kindOf({
  method,
  path,
  headers,
  body,
}: Pick<ModelRequest, "method" | "path" | "headers" | "body">): RequestKind {
  const pathname = path.split("?")[0];
  if (method !== "POST") return "other";
  if (pathname === "/v1/messages/count_tokens") return "count";
  if (pathname !== "/v1/messages") return "other";
  // The program's errands run without tools or ask for exactly one answer format; a conversation always brings several.
  const tools = Array.isArray(body.tools) ? body.tools : [];
  if (tools.length < 2 || body.tool_choice !== undefined) return "side";
  return headers["x-claude-code-agent-id"] === undefined ? "main" : "subagent";
}

function conversationOf(headers: IncomingHttpHeaders, body: Record<string, unknown>): string | null {
  const header = headers["x-claude-code-session-id"];
  if (typeof header === "string") return header;
  const userId = (body.metadata as { user_id?: unknown } | undefined)?.user_id;
  if (typeof userId !== "string") return null;
  // Either JSON with a session_id or, in older versions, "user_…_session_<uuid>".
  return /"session_id":"([^"]+)"/.exec(userId)?.[1] ?? /_session_([0-9a-f-]{36})$/.exec(userId)?.[1] ?? null;
}

function blocksOf(content: unknown): Block[] {
  if (typeof content === "string") return [{ type: "text", text: content }];
  return Array.isArray(content) ? (content as Block[]) : [];
}

function textsOf(content: unknown): string[] {
  return blocksOf(content).flatMap((block) =>
    block.type === "text" && typeof block.text === "string" ? [block.text] : [],
  );
}
