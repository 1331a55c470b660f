// Identifiers. All are opaque to callers; ours begin with a word that tells a reader of a log what they name and go on
// with a time-ordered random part, so that rows sort by birth. Randomness comes in from outside for the simulator.

import { randomBytes } from "node:crypto";
import type { Clock } from "./clock.ts";

declare const brand: unique symbol;
type Id<Name extends string> = string & { readonly [brand]: Name };

export type SessionId = Id<"session">;
export type AgentId = Id<"agent">;
export type MessageId = Id<"message">;
/** The agent kind's own name for a conversation; Claude Code wants a UUID here. */
export type ConversationId = Id<"conversation">;

export interface Ids {
  session(): SessionId;
  agent(): AgentId;
  message(): MessageId;
  conversation(): ConversationId;
  /** A request that a person answers (a permission dialog, a trust question). */
  request(): string;
  /** 256 random bits, base64url: a capability. Store its hash only. */
  secret(): string;
}

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"; // Crockford base32, lower case: no i, l, o, u.

/** Bytes fetched from the system at once: a call costs the same for ten as for some thousand. */
const POOL_BYTES = 4_096;

/** Ids from the given clock and source of random bytes. */
export function createIds(clock: Clock, random: (bytes: number) => Buffer = createRandomPool()): Ids {
  const timed = (prefix: string) => `${prefix}_${base32Time(clock.now())}${base32(random(10))}`;
  return {
    session: () => timed("ses") as SessionId,
    agent: () => timed("agt") as AgentId,
    message: () => timed("msg") as MessageId,
    conversation: () => uuidV4(random(16)) as ConversationId,
    request: () => timed("req"),
    secret: () => random(32).toString("base64url"),
  };
}

/** Gives each byte out once. */
function createRandomPool(): (bytes: number) => Buffer {
  let pool = Buffer.alloc(0);
  return (bytes) => {
    if (pool.length < bytes) pool = randomBytes(POOL_BYTES);
    const taken = pool.subarray(0, bytes);
    pool = pool.subarray(bytes);
    return taken;
  };
}

function base32Time(epochMs: number): string {
  let rest = Math.max(0, Math.floor(epochMs));
  let text = "";
  for (let i = 0; i < 10; i++) {
    text = ALPHABET[rest % 32] + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

function base32(bytes: Buffer): string {
  let text = "";
  for (const byte of bytes) text += ALPHABET[byte % 32];
  return text;
}

function uuidV4(bytes: Buffer): string {
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
