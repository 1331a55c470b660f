// The simulator's command line: `npm run sim -- --seeds N [--seed S]`. Runs seeds on every processor, prints what was reached, and
// for a failing seed its trace and the promise that was broken. Exit code 1 when one failed.

import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { FAULT_KINDS } from "./faults.ts";
import { type Report, runInWorkers } from "./workers.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    seed: { type: "string" },
    /** Exactly these, separated by commas. */
    list: { type: "string" },
    from: { type: "string", default: "1" },
    /** Prints the trace also when nothing failed. */
    trace: { type: "boolean", default: false },
    /** On the machine of the first regressions. */
    plain: { type: "boolean", default: false },
    /** Runs every seed twice and compares. */
    twice: { type: "boolean", default: false },
    /** Processes; what a seed does is the same for every number of them. */
    workers: { type: "string", default: String(availableParallelism()) },
    /** Shows the traces of this many failing seeds. */
    failures: { type: "string", default: "5" },
  },
});

const seeds =
  (values.list ?? values.seed)?.split(",").map(Number) ??
  Array.from({ length: Number(values.seeds) }, (_, index) => Number(values.from) + index);
const totals = new Map<string, number>();
const broken = new Map<string, number[]>();
const startedMs = performance.now();
let failed = 0;

const list = seeds.map((seed) => ({
  seed,
  isPlain: values.plain,
  isTwice: values.twice || values.seed !== undefined,
  isTraced: values.trace,
}));
await runInWorkers(list, Number(values.workers), (verdict) => {
  for (const [name, times] of verdict.counts) totals.set(name, (totals.get(name) ?? 0) + times);
  if (values.trace) console.log(verdict.lines.join("\n"));
  if (verdict.violations.length === 0) return;
  failed += 1;
  for (const { promise } of verdict.violations) broken.set(promise, [...(broken.get(promise) ?? []), verdict.seed]);
  if (failed <= Number(values.failures) && !values.trace) report(verdict);
});

function report({ seed, violations, lines }: Report): void {
  console.log(`\nseed ${seed} failed`);
  console.log(lines.join("\n"));
  for (const { promise, detail } of violations) console.log(`BROKEN ${promise}\n       ${detail}`);
  console.log(`again: npm run sim -- --seed ${seed}\n`);
}

const seconds = (performance.now() - startedMs) / 1_000;
const show = (title: string, names: [string, number][]) => {
  console.log(`\n${title}`);
  for (const [name, times] of names.sort((a, b) => (a[0] < b[0] ? -1 : 1)))
    console.log(`  ${String(times).padStart(7)} ${name}`);
};
const kinds = new Set<string>(FAULT_KINDS);
show(
  "faults",
  [...totals].filter(([name]) => kinds.has(name)),
);
show(
  "reached",
  [...totals].filter(([name]) => /^(move|agent) /.test(name)),
);
show(
  "also seen",
  [...totals].filter(([name]) => !kinds.has(name) && !/^(move|agent) /.test(name)),
);
const never = FAULT_KINDS.filter((kind) => !totals.has(kind));
if (never.length > 0) console.log(`\nfaults that never struck: ${never.join(", ")}`);
if (broken.size > 0) {
  console.log("\nbroken promises");
  for (const [promise, seeds] of broken)
    console.log(
      `  ${promise}: ${[...new Set(seeds)].slice(0, 12).join(" ")}${seeds.length > 12 ? " …" : ""} (${new Set(seeds).size} seeds)`,
    );
}
console.log(`\n${seeds.length} seeds, ${failed} failed, ${(seeds.length / seconds).toFixed(0)} seeds/s`);
process.exitCode = failed > 0 ? 1 : 0;
