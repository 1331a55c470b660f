// Whether a process that ended is started again, and when: a pure function of its exits and of time. The verdict always
// carries its reason in words, because a person reads it at night.

export interface PastExit {
  /** Wall milliseconds. */
  atMs: number;
  /** How long the process had run. */
  ranMs: number;
}

export type RestartVerdict = { is: "restart"; afterMs: number; reason: string } | { is: "give_up"; reason: string };

/** A crash is forgotten after this long: a process that ran five minutes was not in a crash loop. */
const WINDOW_MS = 5 * 60_000;
/** Crashes within the window before we stop trying; systemd's default burst is 5 as well. */
const CRASHES_MAX = 5;
/** First pause: long enough for a person to see `crashed`, short enough not to be waited for. */
const FIRST_PAUSE_MS = 500;
const PAUSE_MAX_MS = 30_000;
/** More exits than can ever count are not worth keeping. */
export const EXITS_KEPT = 10;

/** Decides after a crash. `exits` holds this crash as its last entry. */
export function decideRestart(exits: readonly PastExit[], nowMs: number): RestartVerdict {
  const recent = exits.filter((exit) => nowMs - exit.atMs < WINDOW_MS);
  const lastStable = recent.findLastIndex((exit) => exit.ranMs >= WINDOW_MS);
  const inLoop = recent.slice(lastStable + 1).length;
  if (inLoop > CRASHES_MAX) {
    return { is: "give_up", reason: `crashed ${inLoop} times within ${WINDOW_MS / 60_000} minutes` };
  }
  const afterMs = Math.min(FIRST_PAUSE_MS * 2 ** Math.max(0, inLoop - 1), PAUSE_MAX_MS);
  return { is: "restart", afterMs, reason: `restart ${Math.max(1, inLoop)} of ${CRASHES_MAX} in ${afterMs} ms` };
}
