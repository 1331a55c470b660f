// What every part of a simulated world shares: time, randomness, the faults that are on, the trace that a person reads
// afterwards, and the list of promises that were broken. The parts themselves are in the other files of this folder.

import type { Clock } from "../../src/kernel/clock.ts";
import { chooseFaults, chooseVariant, chooseVariantFaults, type FaultKind, PLAIN, type Variant } from "./faults.ts";
import { createFiles, type Files } from "./files.ts";
import { createRandom, type Random } from "./random.ts";
import { createTime, type Owner, type SimTime } from "./time.ts";

/** One promise that did not hold, with what a reader needs to see why. */
export interface Violation {
  promise: string;
  detail: string;
}

export interface Sim {
  readonly seed: number;
  readonly random: Random;
  readonly time: SimTime;
  /** The world's own clock: people, networks, operating system. */
  readonly clock: Clock;
  readonly files: Files;
  /** The state of the machine that faults change and heal. */
  readonly machine: { isDiskFull: boolean; areTranscriptsUnreadable: boolean; wasTranscriptLost: boolean };
  readonly variant: Variant;
  readonly faults: ReadonlySet<FaultKind>;
  readonly lines: string[];
  readonly violations: Violation[];
  /** How often each thing happened: faults by kind and soft findings. */
  readonly counts: Map<string, number>;
  trace(line: string): void;
  /** True when the fault is on in this seed and happens now; then it is counted and traced. */
  strikes(kind: FaultKind, chance: number, detail: string): boolean;
  count(name: string): void;
  violate(promise: string, detail: string): void;
  /** From now on nothing strikes any more. */
  calm(): void;
  readonly isCalm: boolean;
  /** The machine loses its power, here and now. */
  cutPower(why: string): void;
  /** Something is about to be told or done outside: all that it rests on must be on the disk. Each key is a message with its
   *  state or a terminal. */
  restsOn(effect: string, keys: readonly string[]): void;
}

/** Anything, so that the second stream is not the first one again. */
const OTHER_STREAM = 0x51ab0c5;

export function createSim(seed: number, isPlain: boolean): Sim {
  const random = createRandom(seed);
  const variantRandom = createRandom(seed ^ OTHER_STREAM);
  const variant = isPlain ? PLAIN : chooseVariant(variantRandom, seed);
  const time = createTime();
  const world: Owner = { isDead: false };
  const clock = time.clockOf(world);
  const lines: string[] = [];
  const violations: Violation[] = [];
  const counts = new Map<string, number>();
  const faults = chooseFaults(random);
  if (!isPlain) for (const kind of chooseVariantFaults(variantRandom, variant)) faults.add(kind);
  let isCalm = false;

  const trace = (line: string) => {
    lines.push(`${(time.monotonicMs() / 1000).toFixed(3).padStart(9)} ${line}`);
  };
  const count = (name: string) => {
    counts.set(name, (counts.get(name) ?? 0) + 1);
  };
  const sim: Sim = {
    seed,
    random,
    time,
    clock,
    variant,
    faults,
    lines,
    violations,
    counts,
    trace,
    count,
    files: createFiles(time.monotonicMs),
    machine: { isDiskFull: false, areTranscriptsUnreadable: false, wasTranscriptLost: false },
    strikes(kind, chance, detail) {
      if (isCalm || !faults.has(kind) || !random.chance(chance)) return false;
      count(kind);
      trace(`FAULT ${kind} ${detail}`);
      return true;
    },
    violate(promise, detail) {
      violations.push({ promise, detail });
      trace(`BROKEN ${promise}: ${detail}`);
    },
    calm() {
      isCalm = true;
      trace("-- faults end");
    },
    cutPower() {},
    restsOn() {},
    get isCalm() {
      return isCalm;
    },
  };
  return sim;
}
