// What becomes of messages while processes are shot under them, with the real Claude Code CLI. Longer runs of the same:
// `npm run soak -- --minutes N`.

import { expect, it } from "vitest";
import { noTotals, runChaos, summary } from "../../scripts/chaos.ts";
import { skipsRealClaude } from "../support/real-claude.ts";

/** Two minutes on a quiet machine with two cores; a loaded one has taken twice as long. */
const WITHIN_MS = 900_000;
/** Set it to see a run again. What the processes make of their moments differs from run to run all the same. */
const SEED = Number(process.env.SIGNALBOX_CHAOS_SEED ?? Date.now() % 1_000_000);
const ROUNDS = 5;
/** Accepted within a second or two, so that nearly all are open when the first shot falls. */
const MESSAGES_PER_ROUND = 60;

it.skipIf(skipsRealClaude())(
  "kill -9 of daemons, terminal hosts and agents at random moments loses no message, doubles none, touches no dialog and runs no command from a text",
  { timeout: WITHIN_MS },
  async () => {
    const totals = noTotals();
    const say = (line: string) => console.log(line);
    await runChaos({ seed: SEED, rounds: ROUNDS, messagesPerRound: MESSAGES_PER_ROUND, say }, totals);
    expect(totals, summary(totals)).toMatchObject({ lost: [], doubled: [], intoDialogs: [], shellRan: [] });
    expect(totals.sent).toBe(ROUNDS * MESSAGES_PER_ROUND);
    expect(totals.answered + totals.denied + totals.crashed + totals.failed + totals.unknown).toBe(totals.sent);
    // One in a thousand, and with so few messages that means none.
    expect(totals.unknown).toBeLessThanOrEqual(totals.sent / 1_000);
    // A killed process costs at most the turn it was in.
    const { daemon, host, agent } = totals.kills;
    expect(daemon + host + agent).toBeGreaterThanOrEqual(2 * ROUNDS);
    expect(totals.crashed).toBeLessThanOrEqual(3 * host + agent);
  },
);
