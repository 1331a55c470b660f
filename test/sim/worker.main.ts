// One worker of the simulator: takes seeds from its parent, one after the other, and hands back what came of each.

import { runSeed } from "./run.ts";
import type { Report, Work } from "./workers.ts";

let turn: Promise<unknown> = Promise.resolve();

process.on("message", ({ at, work }: { at: number; work: Work }) => {
  turn = turn.then(async () => process.send?.({ at, report: await judge(work) }));
});

async function judge({ seed, isPlain, isTwice, isTraced }: Work): Promise<Report> {
  const verdict = await runSeed(seed, { isPlain });
  const violations = [...verdict.violations];
  if (isTwice) {
    const again = await runSeed(seed, { isPlain });
    const at = verdict.lines.findIndex((line, index) => line !== again.lines[index]);
    if (again.hash !== verdict.hash)
      violations.push({
        promise: "a seed replays identically",
        detail: `first difference: ${verdict.lines[at]} / ${again.lines[at]}`,
      });
  }
  const lines = isTraced || violations.length > 0 ? verdict.lines : [];
  return { ...verdict, violations, lines, counts: [...verdict.counts] };
}
