// A clock that stands still until a test moves it.

import type { Clock } from "../../src/kernel/clock.ts";

export interface ManualClock extends Clock {
  /** Moves time and runs what became due, in order; also what those runs scheduled within the span. */
  advance(spanMs: number): void;
}

export function createManualClock(startMs = 0): ManualClock {
  let nowMs = startMs;
  let lastNumber = 0;
  const due = new Map<number, { atMs: number; run: () => void }>();
  return {
    now: () => nowMs,
    monotonicMs: () => nowMs,
    after(delayMs, run) {
      lastNumber += 1;
      const number = lastNumber;
      due.set(number, { atMs: nowMs + delayMs, run });
      return { cancel: () => due.delete(number) };
    },
    advance(spanMs) {
      const endMs = nowMs + spanMs;
      for (;;) {
        const next = [...due].filter(([, timer]) => timer.atMs <= endMs).sort((a, b) => a[1].atMs - b[1].atMs)[0];
        if (next === undefined) break;
        due.delete(next[0]);
        nowMs = next[1].atMs;
        next[1].run();
      }
      nowMs = endMs;
    },
  };
}
