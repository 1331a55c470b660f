// One MCP tool call to the agent's own signalbox endpoint, in the stateless form of revision 2026-07-28: a single post,
// nothing to open or close. Lists, prompts, subscriptions and sessions are no concern of a stand-in.

import type { HttpClient } from "./http.ts";

export interface ToolResult {
  isError: boolean;
  /** What the model would read. */
  text: string;
  structured: Record<string, unknown> | null;
}

export interface McpClient {
  /** Never rejects: a call that fails is a result that says so. */
  call(name: string, args: Record<string, unknown>): Promise<ToolResult>;
}

const PROTOCOL = "2026-07-28";
/** Tools that wait say so in their own arguments and answer within a minute or so. */
const TIMEOUT_MS = 120_000;

export function createMcpClient(options: { url: string | null; token: string; http: HttpClient }): McpClient {
  const { url, token, http } = options;
  let nextId = 1;
  return {
    async call(name, args) {
      if (url === null) return failure("SIGNALBOX_MCP_URL is not set, so there is no signalbox to call");
      const id = nextId++;
      try {
        const { status, contentType, body } = await http.post({
          url,
          timeoutMs: TIMEOUT_MS,
          headers: {
            Authorization: `Bearer ${token}`,
            Accept: "application/json, text/event-stream",
            "MCP-Protocol-Version": PROTOCOL,
            "Mcp-Method": "tools/call",
            "Mcp-Name": name,
          },
          body: {
            jsonrpc: "2.0",
            id,
            method: "tools/call",
            params: {
              name,
              arguments: args,
              _meta: {
                "io.modelcontextprotocol/protocolVersion": PROTOCOL,
                "io.modelcontextprotocol/clientInfo": { name: "signalbox-scripted", version: "1" },
                "io.modelcontextprotocol/clientCapabilities": {},
              },
            },
          },
        });
        const answer = answerTo(id, contentType.startsWith("text/event-stream") ? eventsIn(body) : [body]);
        return answer === null ? failure(`HTTP ${status} without an answer to the call`) : readResult(answer);
      } catch (error) {
        return failure(error instanceof Error ? error.message : String(error));
      }
    },
  };
}

interface RpcAnswer {
  id?: unknown;
  result?: { isError?: boolean; content?: { type: string; text?: string }[]; structuredContent?: unknown };
  error?: { code: number; message: string };
}

function answerTo(id: number, texts: string[]): RpcAnswer | null {
  for (const text of texts) {
    const message = JSON.parse(text) as RpcAnswer;
    if (message.id === id || message.error !== undefined) return message;
  }
  return null;
}

function eventsIn(stream: string): string[] {
  return stream
    .split(/\r?\n\r?\n/)
    .map((event) =>
      event
        .split(/\r?\n/)
        .filter((line) => line.startsWith("data:"))
        .map((line) => line.slice("data:".length).trimStart())
        .join("\n"),
    )
    .filter((data) => data !== "");
}

function readResult({ result, error }: RpcAnswer): ToolResult {
  if (error !== undefined) return failure(`${error.code} ${error.message}`);
  const structured = result?.structuredContent;
  return {
    isError: result?.isError ?? false,
    text: (result?.content ?? []).map((part) => part.text ?? "").join("\n"),
    structured: typeof structured === "object" && structured !== null ? (structured as Record<string, unknown>) : null,
  };
}

function failure(why: string): ToolResult {
  return { isError: true, text: why, structured: null };
}
