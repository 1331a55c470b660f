// Time, as everything above the kernel sees it. Nobody else calls Date.now or setTimeout (a test looks), so that the
// simulator can own time. `now` may jump with the wall clock; `monotonicMs` never goes back and is what deadlines use.

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

/** Resolves after `delayMs` of the given clock. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(delayMs, resolve);
  });
}

/** ISO 8601 in UTC, the only form in which a time leaves the daemon. */
export function isoTime(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
