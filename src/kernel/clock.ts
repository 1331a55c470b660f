// Time, as everything above the kernel sees it. Nobody else calls Date.now or setTimeout (a test looks), so that the
// simulator can own time. `now` may jump with the wall clock; `monotonicMs` never goes back and is what deadlines use.

import { SignalboxError } from "./errors.ts";

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall time in milliseconds since the epoch. For people and for rows, never for deadlines. */
  now(): number;
  /** Milliseconds since an arbitrary start; never goes back. */
  monotonicMs(): number;
  /** Calls `run` once, no earlier than `delayMs` from now. The timer never keeps the process alive by itself. */
  after(delayMs: number, run: () => void): Timer;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, run) {
    const handle = setTimeout(run, delayMs);
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
};

/** What a timer does is tried again after this while it fails for a reason that may pass. */
const TRY_AGAIN_MS = 1_000;

/** A clock whose timers outlive a full disk: work that fails with an error that trying again can help is tried again, and
 *  told to `failed`. Any other error is a broken invariant and stays loud. The work must bear being done twice. */
export function patientClock(clock: Clock, failed: (error: SignalboxError) => void): Clock {
  return {
    now: clock.now,
    monotonicMs: clock.monotonicMs,
    after(delayMs, run) {
      let timer = clock.after(delayMs, attempt);
      function attempt(): void {
        try {
          run();
        } catch (error) {
          if (!(error instanceof SignalboxError) || !error.retryable) throw error;
          failed(error);
          timer = clock.after(TRY_AGAIN_MS, attempt);
        }
      }
      return { cancel: () => timer.cancel() };
    },
  };
}

/** Resolves after `delayMs` of the given clock. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(delayMs, resolve);
  });
}

/** As `sleep` on the system's clock, but the process lives until it is over, even with nothing else to do. */
export function stayFor(delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, delayMs);
  });
}

/** ISO 8601 in UTC, the only form in which a time leaves the daemon. */
export function isoTime(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
