// Seeds spread over processes of their own. What a seed does depends on nothing but the seed, so who runs it and beside whom does
// not matter; the verdicts are handed over in the order of the seeds, however they come in.

import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Verdict } from "./run.ts";

export interface Work {
  seed: number;
  isPlain: boolean;
  /** Runs it a second time and compares. */
  isTwice: boolean;
  /** Hands over the trace also when nothing failed. */
  isTraced: boolean;
}

/** A verdict as it travels between processes. */
export type Report = Omit<Verdict, "counts"> & { counts: [string, number][] };

const WORKER = fileURLToPath(new URL("./worker.main.ts", import.meta.url));

/** Each worker has one more than the one it runs, so that it never waits for the next. */
const AHEAD = 2;

/** Calls `take` once per seed, in their order. Rejects when a worker dies, naming the seeds it had. */
export async function runInWorkers(
  list: readonly Work[],
  workers: number,
  take: (report: Report) => void,
): Promise<void> {
  const done = new Map<number, Report>();
  let next = 0;
  let taken = 0;
  const one = () =>
    new Promise<void>((resolve, reject) => {
      const child = fork(WORKER, { stdio: "inherit" });
      const mine = new Set<number>();
      const give = () => {
        while (mine.size < AHEAD && next < list.length) {
          mine.add(next);
          child.send({ at: next, work: list[next] });
          next += 1;
        }
        if (mine.size === 0) child.disconnect();
      };
      child.on("message", ({ at, report }: { at: number; report: Report }) => {
        mine.delete(at);
        done.set(at, report);
        for (let ready = done.get(taken); ready !== undefined; ready = done.get(taken)) {
          done.delete(taken);
          taken += 1;
          take(ready);
        }
        give();
      });
      child.on("exit", (code) => {
        const seeds = [...mine].map((at) => list[at]?.seed).join(", ");
        if (mine.size === 0) resolve();
        else reject(new Error(`a worker died with ${code}; it had seed ${seeds}`));
      });
      give();
    });
  await Promise.all(Array.from({ length: Math.min(workers, list.length) }, one));
}
