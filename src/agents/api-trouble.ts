// What the model's API does to a run: what it answers while a turn tries again and again, the usage limit that holds the queue, and
// why the last turn failed.

import type { Clock } from "../kernel/clock.ts";
import type { Terminal } from "../terminals/terminal.ts";
import type { AgentKind, Signal } from "./kind.ts";
import type { RunFacts } from "./lifecycle.ts";
import { isUsageLimit, limitedUntil } from "./usage-limit.ts";

/** No hook tells of API retries: while a turn runs, its transcript and its screen are asked this often. */
const LOOK_MS = 3_000;
/** A reason is a sentence. */
const WORDS_MAX = 200;

export interface ApiTrouble {
  /** The session file says that a turn runs. */
  busy(): void;
  /** It says that none does. */
  idle(): void;
  signal(signal: Signal): void;
}

export function createApiTrouble(deps: {
  facts: RunFacts;
  kind: AgentKind;
  terminal: Terminal;
  clock: Clock;
  /** Runs it then, unless the process has gone. */
  later: (delayMs: number, run: () => void) => void;
  /** What the running turn's transcript says of it. */
  inTranscript: () => string | null;
  changed: () => void;
}): ApiTrouble {
  const { facts, kind, terminal, clock, later, changed } = deps;
  let limitsInARow = 0;
  let isWatched = false;

  const watch = () => {
    if (isWatched) return;
    isWatched = true;
    later(LOOK_MS, async () => {
      const screen = await terminal.screen().catch(() => null);
      isWatched = false;
      if (facts.file?.status !== "busy") return;
      watch();
      const trouble = deps.inTranscript() ?? (screen === null ? null : kind.readApiTrouble(screen));
      if (trouble === facts.apiTrouble) return;
      facts.apiTrouble = trouble;
      changed();
    });
  };

  /** Holds the queue after a usage limit; the message that met it has its verdict, those behind it keep their attempts. */
  const limited = (words: string, reply: string | null) => {
    const now = clock.now();
    const untilMs = limitedUntil(now, reply, limitsInARow);
    limitsInARow += 1;
    facts.limitedUntilMs = untilMs;
    facts.apiTrouble = words;
    later(untilMs - now + 1, () => {
      facts.limitedUntilMs = null;
      facts.apiTrouble = null;
      changed();
    });
  };

  return {
    busy: watch,
    idle() {
      if (facts.limitedUntilMs === null) facts.apiTrouble = null;
    },
    signal(signal) {
      if (signal.is === "prompt_submitted" || signal.is === "turn_ended") facts.lastFailure = null;
      if (signal.is === "turn_ended") limitsInARow = 0;
      if (signal.is !== "turn_failed") return;
      const words = failureWords(signal);
      if (isUsageLimit(signal.error)) limited(words, signal.reply);
      else facts.lastFailure = words;
    },
  };
}

/** The program's name of a failure and, where it said more, its words. */
export function failureWords({ error, reply }: Extract<Signal, { is: "turn_failed" }>): string {
  const words = (reply ?? "").replace(/\s+/gu, " ").trim();
  return words === "" ? error : `${error}: ${words.slice(0, WORDS_MAX)}`;
}
