// The endpoint that agents' hooks post to. It checks form and size, finds the bearer secret, and hands the payload on; an
// answer may take hours, because a permission question waits for a person. What a hook means is known below.

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

export async function answerHook(request: Request, handle: HookHandler, log: Log): Promise<Response> {
  const secret = /^Bearer ([\x21-\x7e]+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  if (secret === undefined) return refusal(401, unknownSecret);
  const mediaType = (request.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase();
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
    const source = request.headers.get(SOURCE_HEADER);
    const outcome = await handle({ secret, source, payload, signal: request.signal });
    return outcome.is === "answered" ? Response.json(outcome.body) : refusal(401, unknownSecret);
  } catch (thrown) {
    const error = asSignalboxError(thrown);
    log.error("hook_failed", { code: error.code });
    return refusal(500, error);
  }
}

/** The body as text, or null when it is longer than `bytesMax`; nothing beyond that is kept or waited for. */
async function readBody(request: Request, bytesMax: number): Promise<string | null> {
  const declared = request.headers.get("content-length");
  // node's parser ends a body at its declared length, so a declared length that fits needs no counting.
  if (declared !== null) return Number(declared) <= bytesMax ? await request.text() : null;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.length;
    if (bytes > bytesMax) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

export function refusal(status: number, error: SignalboxError): Response {
  const headers = status === 401 ? { "WWW-Authenticate": 'Bearer realm="signalbox"' } : {};
  return Response.json({ error: error.toBody() }, { status, headers });
}

const unknownSecret = new SignalboxError(
  "permission_denied",
  "No agent has this secret.",
  "Only agents that signalbox started may post hooks.",
);
const notJson = new SignalboxError("invalid_input", "A hook is posted as application/json.", "Correct the hook.");
const tooLarge = new SignalboxError("invalid_input", `A hook may have ${HOOK_BYTES_MAX} bytes.`, "Send less.");
