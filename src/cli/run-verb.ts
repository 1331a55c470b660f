// Runs one verb of the table: words and flags into the command's input, one call, and its answer on paper. What the
// verbs are is verbs.ts's; the daemon checks every value.

import { resolve } from "node:path";
import { SignalboxError } from "../kernel/errors.ts";
import { newestRows } from "./audit.ts";
import type { Link } from "./daemon-link.ts";
import { findAgent, findSession } from "./lookup.ts";
import type { ValueKind, Verb } from "./verbs.ts";
import type { Io } from "./world.ts";

export interface Given {
  /** The words in the verb's order; undefined where an optional one is missing. */
  words: readonly (string | undefined)[];
  /** By the input field each flag fills; absent where the flag was not given. */
  flags: Readonly<Record<string, unknown>>;
  /** --session beside an agent's name. */
  session: string | undefined;
}

export interface VerbCall {
  command: string;
  verb: Verb;
  given: Given;
  link: Link;
  io: Pick<Io, "stdin" | "stderr">;
  cwd: string;
}

/** Runs the verb. Resolves to the command's result, whatever it says; rejects with the command's SignalboxError. */
export async function callVerb(call: VerbCall): Promise<Record<string, unknown>> {
  const input = await inputOf(call);
  const isWatched = call.io.stderr.isTTY === true;
  const onProgress = (message: string) => void (isWatched && call.io.stderr.write(`${message}\n`));
  const ask = (fields: Record<string, unknown>) =>
    call.link.call(call.command, fields, { onProgress }).catch((error) => {
      throw inWordsOfTheCli(error, call.verb);
    });
  if (call.command !== "get_audit_log" || input.cursor !== undefined) return await ask(input);
  return await newestRows((fields) => ask({ ...input, ...fields }));
}

const REACHED: Record<string, readonly string[]> = {
  accepted: ["queued", "sending", "delivered", "processed"],
  delivered: ["delivered", "processed"],
  processed: ["processed"],
};

/** Whether what the caller waited for came about; a script wants to know without reading. Null when it did. */
export function whyNotReached(given: Given, result: Record<string, unknown>): SignalboxError | null {
  const { message_id, agent_id, state, timed_out } = result;
  if (typeof message_id === "string") {
    const goal = String(given.flags.wait_for ?? "accepted");
    if (given.flags.wait_for === undefined || REACHED[goal]?.includes(String(state))) return null;
    const isOver = ["failed", "expired", "cancelled", "unknown"].includes(String(state));
    const nextStep = isOver
      ? `See why with \`signalbox message get ${message_id}\`.`
      : `Do not send it again; follow it with \`signalbox message get ${message_id} --wait ${goal}\`.`;
    return new SignalboxError("timeout", `The message is ${state}, not ${goal}.`, nextStep, { retryable: false });
  }
  if (timed_out !== true) return null;
  const nextStep = `Wait longer with --wait-s, or look with \`signalbox agent read ${agent_id}\`.`;
  return new SignalboxError("timeout", `The agent is ${state}; the time ran out.`, nextStep);
}

async function inputOf({ verb, given, link, io, cwd }: VerbCall): Promise<Record<string, unknown>> {
  const input: Record<string, unknown> = {};
  const within = given.session ?? given.flags.session_id;
  const session = typeof within === "string" ? within : undefined;
  const read = (kind: ValueKind, value: string) => readValue(kind, value, { link, io, cwd, session });
  for (const [index, word] of verb.words.entries()) {
    const value = given.words[index];
    if (value !== undefined) input[word.field] = await read(word.kind, value);
  }
  for (const flag of verb.flags) {
    const value = given.flags[flag.field];
    if (value !== undefined)
      input[flag.field] = typeof value === "string" ? await read(flag.kind ?? "text", value) : value;
  }
  return input;
}

async function readValue(
  kind: ValueKind,
  value: string,
  { link, io, cwd, session }: { link: Link; io: Pick<Io, "stdin">; cwd: string; session: string | undefined },
): Promise<string> {
  switch (kind) {
    case "agent":
      return await findAgent(link, value, session);
    case "session":
      return await findSession(link, value);
    case "path":
      return resolve(cwd, value);
    case "body":
      return value === "-" ? await readAll(io.stdin) : value;
    case "text":
    case "number":
    case "duration":
    case "moment":
    case "cursor":
      return value;
  }
}

/** A message holds 1 MiB; twice that is read so that the daemon, and not this line, says that it is too long. */
const STDIN_BYTES_MAX = 2 * 1024 * 1024;

export async function readAll(stdin: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stdin) {
    chunks.push(Buffer.from(chunk as Buffer | string));
    bytes += chunks.at(-1)?.length ?? 0;
    if (bytes > STDIN_BYTES_MAX) break;
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** The daemon speaks of fields; at this door they are flags. */
function inWordsOfTheCli(error: unknown, verb: Verb): unknown {
  const isForceable = verb.flags.some((flag) => flag.field === "force");
  if (!(error instanceof SignalboxError) || error.code !== "confirmation_required" || !isForceable) return error;
  return new SignalboxError(error.code, error.message, "Wait for it, or give up that work with --force.", {
    cause: error,
  });
}
