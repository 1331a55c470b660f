// `npm run soak -- --minutes N`: chaos rounds (chaos.ts) with the real Claude Code CLI for so long, progress on stderr, and at the
// end the last section of BENCHMARKS.md. Exits 3 when a message was lost or doubled, a dialog was touched
// or a command ran out of a message's text.

import { execFileSync } from "node:child_process";
import { parseArgs } from "node:util";
import { writeSoak } from "../bench/report.ts";
import { CLAUDE_VERSION } from "../test/support/real-claude.ts";
import { brokenPromises, noTotals, runChaos, summary } from "./chaos.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
  },
});
const minutes = Number(values.minutes);
const firstSeed = Number(values.seed);
if (!(minutes > 0) || !Number.isInteger(firstSeed)) {
  console.error("usage: npm run soak -- --minutes N [--seed N]");
  process.exit(2);
}

/** A model keeps every request with its whole history; a new product now and then keeps that small. */
const ROUNDS_EACH = 3;
const MESSAGES_PER_ROUND = 120;

const totals = noTotals();
const startedMs = performance.now();
const isOver = () => performance.now() - startedMs > minutes * 60_000;
const say = (line) => console.error(`${((performance.now() - startedMs) / 60_000).toFixed(1)} min: ${line}`);
for (let seed = firstSeed; !isOver(); seed++) {
  await runChaos({ seed, rounds: ROUNDS_EACH, messagesPerRound: MESSAGES_PER_ROUND, say, isOver }, totals);
}
const took = ((performance.now() - startedMs) / 60_000).toFixed(1);
const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], {
  cwd: import.meta.dirname,
  encoding: "utf8",
}).trim();
const { sent, answered, denied, crashed, unseenByModel, failed, unknown, lost, doubled, intoDialogs, dialogs } = totals;
const { shellRan, kills } = totals;
console.error(summary(totals));
for (const line of brokenPromises(totals)) console.error(line);
const rows = [
  ["messages", sent],
  ["kill -9", `${kills.daemon} daemons, ${kills.host} terminal hosts, ${kills.agent} agents`],
  ["answered by the turn that took them", answered],
  ["ended with a permission denied by keys", denied],
  ["ended with their killed turn (of these unseen by the model)", `${crashed} (${unseenByModel})`],
  ["failed", failed],
  ["unknown", unknown],
  ["**lost**", lost.length],
  ["**doubled**", doubled.length],
  ["**permission dialogs touched**", `${intoDialogs.length} of ${dialogs}`],
  ["**commands run out of a message's text**", shellRan.length],
];
const text = `The real Claude Code CLI ${CLAUDE_VERSION}, three agents, and kill -9 at random moments for ${took} minutes (commit ${commit}, first seed
${firstSeed}). Counted from what the scripted model received, not from what signalbox says.

| what | count |
|---|---|
${rows.map(([what, count]) => `| ${what} | ${count} |`).join("\n")}
`;
console.log(text);
writeSoak(text);
process.exit(brokenPromises(totals).length === 0 ? 0 : 3);
