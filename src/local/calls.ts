// Commands over a local socket, one JSON object a line: `{id, command, input}` or `{id, cancel: true}` comes in,
// `{id, progress}`s and then one `{id, result}` or `{id, error}` go out. What a command does is never known here.

import type { Duplex } from "node:stream";
import type { Principal } from "../access/principal.ts";
import type { Commands } from "../commands/command.ts";
import { asSignalboxError, type ErrorBody, SignalboxError } from "../kernel/errors.ts";
import { createLineSplitter } from "../kernel/lines.ts";
import type { Log } from "../kernel/log.ts";
import { parseObject } from "./preface.ts";

/** The largest body is 1 MiB of text; escaped to the last byte (\u0000) it is six times that. */
export const CALL_BYTES_MAX = 8 * 1024 * 1024;

/** A CLI makes one call at a time; a script with this many at once has lost count. */
const CALLS_AT_ONCE_MAX = 64;

/** Answers that a client does not read pile up in memory until here, then the connection ends. */
const UNREAD_BYTES_MAX = 64 * 1024 * 1024;

export type CallReply =
  | { id: number; progress: string }
  | { id: number; result: Record<string, unknown> }
  | { id: number | null; error: ErrorBody };

/** Serves the stream until it closes; a client that is gone aborts its running calls. Never throws. */
export function serveCalls(options: { stream: Duplex; principal: Principal; commands: Commands; log: Log }): void {
  const { stream, principal, commands, log } = options;
  const running = new Map<number, AbortController>();
  let hasEnded = false;

  function reply(body: CallReply): void {
    if (!stream.writable) return;
    stream.write(`${JSON.stringify(body)}\n`);
    if (stream.writableLength <= UNREAD_BYTES_MAX) return;
    log.warn("local_client_does_not_read", { bytes: stream.writableLength });
    stream.destroy();
  }

  async function run(id: number, command: string, input: unknown): Promise<void> {
    const abort = new AbortController();
    running.set(id, abort);
    const progress = (message: string) => reply({ id, progress: message });
    try {
      reply({ id, result: await commands.execute(principal, command, input, { signal: abort.signal, progress }) });
    } catch (thrown) {
      reply({ id, error: asSignalboxError(thrown).toBody() });
    } finally {
      running.delete(id);
      if (hasEnded && running.size === 0) stream.end();
    }
  }

  function take(line: string): void {
    if (line === "") return;
    const request = parseObject(line);
    const id = Number.isSafeInteger(request?.id) ? (request?.id as number) : null;
    if (request === null || id === null) return reply({ id: null, error: malformed.toBody() });
    if (request.cancel === true) return running.get(id)?.abort();
    if (typeof request.command !== "string" || running.has(id)) return reply({ id, error: malformed.toBody() });
    if (running.size >= CALLS_AT_ONCE_MAX) return reply({ id, error: tooMany.toBody() });
    void run(id, request.command, request.input ?? {});
  }

  const splitter = createLineSplitter({
    lineBytesMax: CALL_BYTES_MAX,
    onLine: take,
    onOversized: ({ head }) => reply({ id: idAtHead(head), error: tooLong.toBody() }),
  });
  stream.on("data", (chunk: Buffer) => splitter.push(chunk));
  // A client ends its side when it is done or dead, and the two look the same from here: nobody waits for these calls.
  const leave = () => {
    hasEnded = true;
    for (const abort of running.values()) abort.abort();
    if (running.size === 0) stream.end();
  };
  stream.on("end", leave);
  stream.on("close", leave);
  stream.resume(); // it was paused behind the preface
}

/** Our client writes the id first, so a call that is too long still gets its answer. */
function idAtHead(head: string): number | null {
  const found = /^\{"id":(\d{1,15}),/.exec(head);
  return found ? Number(found[1]) : null;
}

const malformed = new SignalboxError(
  "invalid_input",
  'A call is one line of JSON: {"id": a number not in use, "command": a name, "input": an object}.',
  "Correct the call.",
);
const tooMany = new SignalboxError("limit_reached", `More than ${CALLS_AT_ONCE_MAX} calls at once.`, "Wait for some.");
const tooLong = new SignalboxError("invalid_input", `A call may have ${CALL_BYTES_MAX} bytes.`, "Send less at once.");
