// One life of the daemon: from compose to kill -9. When it ends, nothing the dead code still does reaches the world: its
// timers never fire, what it waits for never comes, and its next touch of the database throws.

import type { Clock } from "../../src/kernel/clock.ts";
import { SignalboxError } from "../../src/kernel/errors.ts";
import type { Sim } from "./sim.ts";
import type { Owner } from "./time.ts";

/** Thrown through the daemon's code at the very step at which it is killed. Nobody in the daemon may act on it. */
export class Killed extends Error {
  constructor() {
    super("the daemon was killed here");
  }
}

/** The failpoint kinds, as one seed may choose them. */
export type Failpoint =
  | "daemon_killed_before_commit"
  | "daemon_killed_after_commit"
  | "daemon_killed_before_write"
  | "daemon_killed_after_write"
  | "daemon_killed_before_hook"
  | "daemon_killed_before_prompt"
  | "daemon_killed_before_answer"
  | "daemon_killed_at_open"
  | "daemon_killed_at_look"
  | "power_cut_after_commit"
  | "power_cut_in_sync"
  | "power_cut_after_sync"
  | "power_cut_after_answer";

/** How often each point is passed in a life of average length, so that every kind gets a fair chance to strike. */
const CHANCE: Record<Failpoint, number> = {
  daemon_killed_before_commit: 0.02,
  daemon_killed_after_commit: 0.02,
  daemon_killed_before_write: 0.12,
  daemon_killed_after_write: 0.12,
  daemon_killed_before_hook: 0.04,
  daemon_killed_before_prompt: 0.15,
  daemon_killed_before_answer: 0.04,
  daemon_killed_at_open: 0.15,
  daemon_killed_at_look: 0.02,
  power_cut_after_commit: 0.01,
  power_cut_in_sync: 0.02,
  power_cut_after_sync: 0.02,
  power_cut_after_answer: 0.03,
};

export interface Life extends Owner {
  readonly number: number;
  readonly clock: Clock;
  readonly died: Promise<void>;
  stalledUntilMs: number;
  /** A sync was refused. */
  isDiskLost: boolean;
  die(why: string): void;
  /** Kills the daemon here if the seed says so; true when it is dead. */
  fails(point: Failpoint, detail: string): boolean;
  /** Resolves after the time if the daemon still lives, else never. */
  pause(ms: number): Promise<void>;
  broke(error: unknown): void;
}

/** For what a dead daemon waits for. */
export function never<T>(): Promise<T> {
  return new Promise<T>(() => {});
}

export function createLife(sim: Sim, number: number, onDeath: () => void): Life {
  let dead: () => void = () => {};
  const life: Life = {
    number,
    isDead: false,
    stalledUntilMs: 0,
    isDiskLost: false,
    clock: undefined as unknown as Clock,
    died: new Promise((resolve) => {
      dead = resolve;
    }),
    die(why) {
      if (life.isDead) return;
      life.isDead = true;
      sim.trace(`daemon ${number} dies: ${why}`);
      dead();
      onDeath();
    },
    fails(point, detail) {
      if (life.isDead) return true;
      if (!sim.strikes(point, CHANCE[point], detail)) return false;
      if (point.startsWith("power_cut")) sim.cutPower(point);
      else life.die(point);
      return true;
    },
    pause: (ms) =>
      new Promise((resolve) => {
        life.clock.after(ms, resolve);
      }),
    broke(error) {
      if (error instanceof Killed || life.isDead) return;
      // On a disk that refused a sync nothing is written any more; each try is told to the log, until a person looks.
      if (error instanceof SignalboxError && error.code === "storage_error" && life.isDiskLost) {
        return sim.count("sync_refused.tries_logged");
      }
      const cause = error instanceof Error ? (error.stack ?? error.message) : String(error);
      sim.violate("the daemon never dies of its own errors", cause.split("\n").slice(0, 6).join(" | "));
      life.die("an error that nobody caught");
    },
  };
  (life as { clock: Clock }).clock = sim.time.clockOf(life);
  return life;
}
