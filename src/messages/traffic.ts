// Whether one agent may write to another once more: a rate limit for each pair and a breaker for conversations that only keep
// each other going. Pure; a person's messages are not limited here, their queue is.

import { SignalboxError } from "../kernel/errors.ts";

/** Two busy agents exchange a handful of messages a minute; Claude Code's own peer channel allows 30 at once and then one
 *  every two seconds (measured), so more could not be delivered anyway. */
const PER_MINUTE_MAX = 30;
export const RATE_WINDOW_MS = 60_000;

/** A question, its answer and a few rounds of clarification stay below; a loop does not. */
const HOPS_MAX = 8;

export interface Traffic {
  /** Accepted from this sender for this recipient within the window. */
  recent: number;
  /** The hops of the message the sender is working on; null when it works on none. */
  cause: number | null;
}

/** The hop count of the new message, or `limit_reached` with the reason. */
export function admitFromAgent(traffic: Traffic): number {
  if (traffic.recent >= PER_MINUTE_MAX) {
    throw new SignalboxError(
      "limit_reached",
      `This agent was sent ${PER_MINUTE_MAX} messages by you within a minute.`,
      "Put what you have to say into one message, or wait a minute.",
    );
  }
  const hops = traffic.cause === null ? 1 : traffic.cause + 1;
  if (hops <= HOPS_MAX) return hops;
  throw new SignalboxError(
    "limit_reached",
    `${HOPS_MAX} messages between agents in a row have led to this one; that looks like a loop.`,
    "End your turn with the result instead of writing again; a person's next message starts afresh.",
    { retryable: false },
  );
}
