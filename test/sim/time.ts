// Simulated time. It stands still while code runs and jumps to the next timer when nothing is left to do, so an hour takes
// as long as what happens in it. Every timer has an owner; when the owner dies its timers are never heard of again.

import type { Clock } from "../../src/kernel/clock.ts";

/** Whose timers these are: one life of the daemon, one program, or the world itself. */
export interface Owner {
  isDead: boolean;
  /** Its timers run no earlier than this: a process that gets no CPU. */
  stalledUntilMs?: number;
  /** Told when one of its timers throws. */
  broke?(error: unknown): void;
}

export interface SimTime {
  monotonicMs(): number;
  clockOf(owner: Owner): Clock;
  /** Runs the next timer due within `untilMs`; false when there is none. */
  step(untilMs: number): boolean;
  /** Moves the wall clock alone, as a person or NTP does. */
  jumpWall(byMs: number): void;
}

/** 2026-11-22T00:00:00Z: some day, the same in every run. */
const WALL_START_MS = Date.UTC(2026, 10, 22);

interface Entry {
  atMs: number;
  number: number;
  owner: Owner;
  run: (() => void) | null;
}

export function createTime(): SimTime {
  let nowMs = 0;
  let wallOffsetMs = WALL_START_MS;
  let lastNumber = 0;
  const heap: Entry[] = [];

  const isBefore = (a: Entry, b: Entry) => a.atMs < b.atMs || (a.atMs === b.atMs && a.number < b.number);

  function push(entry: Entry): void {
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Entry;
      if (!isBefore(entry, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = entry;
  }

  function pop(): Entry {
    const top = heap[0] as Entry;
    const last = heap.pop() as Entry;
    if (heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Entry, heap[child] as Entry)) child += 1;
      if (!isBefore(heap[child] as Entry, last)) break;
      heap[at] = heap[child] as Entry;
      at = child;
    }
    heap[at] = last;
    return top;
  }

  return {
    monotonicMs: () => nowMs,
    clockOf: (owner) => ({
      now: () => Math.floor(nowMs + wallOffsetMs),
      monotonicMs: () => nowMs,
      after(delayMs, run) {
        lastNumber += 1;
        const entry: Entry = { atMs: nowMs + Math.max(0, delayMs), number: lastNumber, owner, run };
        if (!owner.isDead) push(entry);
        return {
          cancel() {
            entry.run = null;
          },
        };
      },
    }),
    step(untilMs) {
      for (;;) {
        const top = heap[0];
        if (top === undefined || top.atMs > untilMs) {
          nowMs = Math.max(nowMs, untilMs);
          return false;
        }
        const entry = pop();
        if (entry.run === null || entry.owner.isDead) continue;
        const stalledUntilMs = entry.owner.stalledUntilMs ?? 0;
        if (stalledUntilMs > entry.atMs) {
          entry.atMs = stalledUntilMs;
          entry.number = ++lastNumber;
          push(entry);
          continue;
        }
        nowMs = Math.max(nowMs, entry.atMs);
        try {
          entry.run();
        } catch (error) {
          if (entry.owner.broke === undefined) throw error;
          entry.owner.broke(error);
        }
        return true;
      }
    },
    jumpWall(byMs) {
      wallOffsetMs += byMs;
    },
  };
}
