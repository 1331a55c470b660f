// The life of one message, as data. Nothing else moves a message; mailbox.ts refuses any step that is not listed here.
//
//   queued     accepted and on disk; ends when the line is clear, or by cancel, expiry or the agent's deletion
//   sending    leased to one process of the agent and perhaps typed; ends with the agent's own evidence, or by return
//   delivered  the prompt carrying it passed the agent's own hook, or stands in its transcript; ends with its turn
//   processed  the turn that took it has ended; `reply` or `failure` tells how
//   failed     it certainly never reached the model          expired    its time ran out while queued
//   cancelled  taken back while queued                       unknown    hook and transcript are both unreadable

export const MESSAGE_STATES = [
  "queued",
  "sending",
  "delivered",
  "processed",
  "failed",
  "expired",
  "cancelled",
  "unknown",
] as const;
export type MessageState = (typeof MESSAGE_STATES)[number];

export const MESSAGE_MOVES: Record<MessageState, readonly MessageState[]> = {
  // queued -> delivered: the evidence of an attempt that had been given up arrived late.
  queued: ["sending", "delivered", "failed", "expired", "cancelled"],
  sending: ["queued", "delivered", "failed", "unknown"],
  delivered: ["processed"],
  processed: [],
  failed: [],
  expired: [],
  cancelled: [],
  unknown: [],
};

/** Channels that are answers to the agent's own hooks. */
const HOOK_CHANNELS = ["turn_end", "mid_turn"] as const;
export type HookChannel = (typeof HOOK_CHANNELS)[number];

export function isHookChannel(channel: string | null): channel is HookChannel {
  return HOOK_CHANNELS.some((one) => one === channel);
}

/** True when no move leads out of the state: the message has its verdict. */
export function isEnd(state: MessageState): boolean {
  return MESSAGE_MOVES[state].length === 0;
}

const RANK: Partial<Record<MessageState, number>> = { queued: 0, sending: 0, delivered: 1, processed: 2 };

/** Whether a caller who waits for `goal` may stop: the goal is reached, or can no longer be. */
export function isReached(state: MessageState, goal: "accepted" | "delivered" | "processed"): boolean {
  if (goal === "accepted" || isEnd(state)) return true;
  return (RANK[state] ?? 0) >= (RANK[goal] ?? 0);
}

/** What is known about a leased message when its deadline passes without the agent's word. */
export interface Sighting {
  /** Attempts made so far, this one included. */
  attempts: number;
  /** How long ago it was handed over. */
  waitedMs: number;
  /** How often Enter was pressed for it by itself since a person last touched the box, and how long ago. */
  enters: number;
  sinceEnterMs: number;
  /** What the transcript says; null when it cannot be read although one should exist. */
  transcript: { hasMarker: boolean } | null;
  /** Whether the program noted down a prompt with it. `left`: and no transcript will tell more of it. */
  noted: "no" | "yes" | "left";
  /** The process went so soon after it was handed over, in a way that nothing notes down, that the transcript need not show it. */
  mayBeUnseen: boolean;
  /** The agent now; null when the process is gone. */
  line: {
    state: "ready" | "busy";
    promptBox: "empty" | "draft" | "absent";
    keysByPerson: boolean;
    /** False when the program has written nothing since the message was typed: it stands still, and its keys wait for it. */
    hasDrawn: boolean;
  } | null;
}

export type Step =
  | { do: "confirm" }
  | { do: "press_enter" }
  | { do: "return"; reason: string }
  | { do: "fail"; reason: string }
  | { do: "unknown"; reason: string }
  | { do: "wait" };

/** More tries than this have never helped; the person should hear of it. */
export const ATTEMPTS_MAX = 5;

/** An Enter that has done nothing so often means something else there, as in a vim mode that a person has left on: it is pressed more
 *  and more rarely. */
const ENTERS_AT_ONCE = 5;
const ENTER_PAUSE_MAX_MS = 60_000;

function enterPauseMs(enters: number): number {
  if (enters < ENTERS_AT_ONCE) return 0;
  return Math.min(ENTER_PAUSE_MAX_MS, 1_000 * 2 ** (enters - ENTERS_AT_ONCE + 2));
}

/** A message may be one that its program always changes; a person whose keys run into every try will hear of it as well. */
export const REFUSALS_MAX = 20;

/** A program that is short of time took 3.2 s from the keys to its hook, with an empty box and a clean transcript in between
 *  (measured at load 10). Sent again too early, a letter meets itself. */
const RETURN_AFTER_MS = 8_000;

/** Decides about a leased message whose confirmation is late. Retyping could submit twice, so the transcript is asked
 *  first and the box second; only an idle prompt with an empty box and a clean transcript lets a message go back. */
export function resolveLate(seen: Sighting): Step {
  if (seen.transcript?.hasMarker || seen.noted === "left") return { do: "confirm" };
  const isEarly = seen.waitedMs < RETURN_AFTER_MS;
  if (seen.line === null) {
    if (seen.transcript === null && isEarly) return { do: "wait" };
    if (seen.transcript === null) return { do: "unknown", reason: "the agent died and its transcript cannot be read" };
    return seen.mayBeUnseen
      ? {
          do: "unknown",
          reason: "the agent died in the moment it was handed over, before its transcript could show it",
        }
      : { do: "return", reason: "the agent died before taking it" };
  }
  if (seen.line.state === "busy" || seen.line.promptBox === "absent") return { do: "wait" };
  // Taken once, it came back into the box by an interrupt.
  if (seen.line.promptBox === "draft" && seen.transcript === null && seen.noted === "yes") return { do: "confirm" };
  if (seen.line.promptBox === "draft")
    return seen.line.keysByPerson || seen.sinceEnterMs < enterPauseMs(seen.enters)
      ? { do: "wait" }
      : { do: "press_enter" };
  if (!seen.line.hasDrawn) return { do: "wait" };
  if (isEarly) return { do: "wait" };
  if (seen.transcript === null)
    return { do: "unknown", reason: "the prompt is empty and the transcript cannot be read" };
  if (seen.attempts >= ATTEMPTS_MAX) return { do: "fail", reason: `not submitted after ${seen.attempts} attempts` };
  return { do: "return", reason: "the prompt is empty and the transcript does not hold it" };
}
