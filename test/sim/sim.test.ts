// The simulator as part of the tests: some hundred seeds, and what they reach. CI runs thousands through the script. Runs in a
// process of its own, because an error that nobody catches there is a finding about the daemon and not about the test runner.

import { beforeAll, describe, expect, it } from "vitest";
import { type Simulation, simulate } from "./simulate.ts";

/** About 40 ms of work each, several times that on a busy machine. */
const RUN_MAX_MS = 300_000;
const SEEDS = 300;

describe("the whole daemon, simulated", () => {
  let run: Simulation;

  beforeAll(async () => {
    run = await simulate(["--seeds", String(SEEDS)]);
  }, RUN_MAX_MS);

  it(`keeps every promise in ${SEEDS} seeds`, () => {
    expect(run.output).toContain(`${SEEDS} seeds, 0 failed`);
    expect(run.exitCode).toBe(0);
  });

  it("brings more than forty kinds of faults", () => {
    expect(run.section("faults").length).toBeGreaterThan(40);
  });

  it.each(["queued", "sending", "delivered", "processed", "failed", "expired", "cancelled"])(
    "reaches messages that are %s",
    (state) => {
      expect(run.section("reached").some((line) => line.endsWith(`-> ${state}`))).toBe(true);
    },
  );

  it.each(["starting", "ready", "working", "waiting", "closed", "exited", "crashed", "failed"])(
    "reaches agents that are %s",
    (state) => {
      expect(run.section("reached").some((line) => line.endsWith(`agent ${state}`))).toBe(true);
    },
  );
});

it(
  "replays a seed identically, line by line",
  async () => {
    const run = await simulate(["--seeds", "20", "--from", "9000", "--twice"]);
    expect(run.output).toContain("20 seeds, 0 failed");
  },
  RUN_MAX_MS,
);
