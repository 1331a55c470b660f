// The stdio binding of MCP over any stream, with the bounds the SDK's own transport lacks: a line that is too long, junk
// or half a message is answered and read past, a client that does not read is dropped, and a client that closes its
// side at once after asking still gets its answers. What the messages mean is not known here.

import type { Duplex } from "node:stream";
import { type JSONRPCMessage, parseJSONRPCMessage, type Transport } from "@modelcontextprotocol/server";
import type { Clock } from "../kernel/clock.ts";
import { createLineSplitter, type OversizedLine } from "../kernel/lines.ts";
import type { Log } from "../kernel/log.ts";

/** A body of 1 MiB may be six times that when every byte is escaped; twice that again is nobody's honest message, yet
 *  what fits is still answered by the command itself, in its own words. */
export const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

/** Answers that the client does not read pile up in memory until here, then the connection ends. */
const UNREAD_BYTES_MAX = 64 * 1024 * 1024;

/** After the client has closed its side: time for running calls to answer, as in `printf … | signalbox mcp`. */
const LAST_ANSWERS_MS = 1_000;

const PARSE_ERROR = -32700;
const INVALID_REQUEST = -32600;

type RequestId = string | number;

export class LineTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  readonly #stream: Duplex;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #unanswered = new Set<RequestId>();
  #state: "open" | "client_ended" | "closed" = "open";

  constructor(options: { stream: Duplex; clock: Clock; log: Log }) {
    this.#stream = options.stream;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  async start(): Promise<void> {
    const splitter = createLineSplitter({
      lineBytesMax: MESSAGE_BYTES_MAX,
      onLine: (line) => this.#take(line),
      onOversized: (line) => this.#refuseOversized(line),
    });
    this.#stream.on("data", (chunk: Buffer) => splitter.push(chunk));
    this.#stream.on("error", (error) => this.onerror?.(error));
    this.#stream.on("end", () => this.#clientEnded());
    this.#stream.on("close", () => void this.close());
    this.#stream.resume();
    // A stream that ended before we came will not say so again.
    if (this.#stream.readableEnded || this.#stream.destroyed) queueMicrotask(() => this.#clientEnded());
  }

  async send(message: JSONRPCMessage): Promise<void> {
    if (this.#state === "closed") throw new Error("the MCP connection is closed");
    this.#write(message);
    if ("id" in message && !("method" in message)) this.#settle(message.id as RequestId);
  }

  async close(): Promise<void> {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#stream.end();
    // Half-open streams close only when both sides have ended; ours has nothing more to hear.
    this.#stream.once("finish", () => this.#stream.destroy());
    this.onclose?.();
  }

  #take(line: string): void {
    if (line.trim() === "" || this.#state === "closed") return;
    let sent: unknown;
    try {
      sent = JSON.parse(line);
    } catch {
      return this.#refuse(null, PARSE_ERROR, "Parse error: a message is one line of JSON.");
    }
    let message: JSONRPCMessage;
    try {
      message = parseJSONRPCMessage(sent);
    } catch {
      return this.#refuse(requestIdOf(sent), INVALID_REQUEST, "Invalid request: not a JSON-RPC 2.0 message.");
    }
    this.#track(message);
    this.onmessage?.(message);
  }

  #track(message: JSONRPCMessage): void {
    if (!("method" in message)) return;
    if ("id" in message) this.#unanswered.add(message.id);
    else if (message.method === "notifications/cancelled") this.#settle(message.params?.requestId as RequestId);
  }

  #settle(id: RequestId): void {
    this.#unanswered.delete(id);
    if (this.#state === "client_ended" && this.#unanswered.size === 0) void this.close();
  }

  #clientEnded(): void {
    if (this.#state !== "open") return;
    this.#state = "client_ended";
    if (this.#unanswered.size === 0) return void this.close();
    this.#clock.after(LAST_ANSWERS_MS, () => void this.close());
  }

  #refuseOversized(line: OversizedLine): void {
    this.#log.warn("mcp_message_too_long", { bytes: line.bytes });
    const why = `Invalid request: a message may have ${MESSAGE_BYTES_MAX} bytes, this one had ${line.bytes}.`;
    this.#refuse(idAtEitherEnd(line), INVALID_REQUEST, why);
  }

  #refuse(id: RequestId | null, code: number, message: string): void {
    this.onerror?.(new Error(message));
    this.#write({ jsonrpc: "2.0", id, error: { code, message } });
  }

  #write(message: object): void {
    if (!this.#stream.writable) return;
    this.#stream.write(`${JSON.stringify(message)}\n`);
    if (this.#stream.writableLength <= UNREAD_BYTES_MAX) return;
    this.#log.warn("mcp_client_does_not_read", { bytes: this.#stream.writableLength });
    this.#stream.destroy();
  }
}

function requestIdOf(sent: unknown): RequestId | null {
  const id = typeof sent === "object" && sent !== null ? (sent as { id?: unknown }).id : null;
  return typeof id === "string" || typeof id === "number" ? id : null;
}

/**
 * The id of a message whose middle was thrown away, so that its sender hears the refusal instead of waiting for ever.
 * Writers put it right behind the opening brace or right before the closing one; anywhere else it could be a nested id.
 */
function idAtEitherEnd({ head, tail }: OversizedLine): RequestId | null {
  const id = '"id"\\s*:\\s*(\\d{1,15}|"[^"\\\\]{1,128}")\\s*';
  const atHead = new RegExp(`^\\s*\\{\\s*(?:"jsonrpc"\\s*:\\s*"2\\.0"\\s*,\\s*)?${id},`).exec(head);
  const atTail = new RegExp(`,\\s*${id}(?:,\\s*"jsonrpc"\\s*:\\s*"2\\.0"\\s*)?\\}\\s*$`).exec(tail);
  const found = (atHead ?? atTail)?.[1];
  return found === undefined ? null : (JSON.parse(found) as RequestId);
}
