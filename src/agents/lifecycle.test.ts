import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ConversationId } from "../kernel/ids.ts";
import { AGENT_STATES, type AgentState, deriveState, MOVES, type RunFacts } from "./lifecycle.ts";
import { decideRestart } from "./restart-policy.ts";

const file = (status: "idle" | "busy" | "waiting") => ({
  pid: 1,
  conversationId: "c" as ConversationId,
  status,
  waitingFor: status === "waiting" ? "permission prompt" : null,
  statusUpdatedAtMs: null,
  peerSocket: null,
});
const living: RunFacts = {
  alive: true,
  settled: true,
  file: file("idle"),
  hookSays: null,
  request: null,
  screen: null,
  apiTrouble: null,
  limitedUntilMs: null,
  lastFailure: null,
};
const wanted = { desired: "running", rest: "none", rest_reason: null } as const;
const dialog = { kind: "permission", tool: "Bash", summary: "Bash: ls", options: ["Yes", "No"] } as const;

describe("an agent's state", () => {
  it.each<[string, RunFacts | null, AgentState]>([
    ["no process yet", null, "starting"],
    ["a process without a session file", { ...living, settled: false, file: null }, "starting"],
    ["idle, but not settled", { ...living, settled: false }, "starting"],
    ["idle and settled", living, "ready"],
    ["busy", { ...living, file: file("busy") }, "working"],
    ["idle, but a prompt was just submitted", { ...living, hookSays: "working" }, "working"],
    ["a dialog that nobody has named yet", { ...living, file: file("waiting") }, "working"],
    [
      "idle, but a dialog hook is open",
      { ...living, request: { requestId: "r", dialog: { ...dialog, options: [] }, via: "hook" } },
      "waiting",
    ],
  ])("is read from its witnesses: %s", (_what, facts, expected) => {
    expect(deriveState(wanted, facts).state).toBe(expected);
  });

  it.each<[Parameters<typeof deriveState>[0], AgentState]>([
    [{ desired: "closed", rest: "none", rest_reason: null }, "closed"],
    [{ desired: "running", rest: "exited", rest_reason: null }, "exited"],
    [{ desired: "running", rest: "crashed", rest_reason: null }, "crashed"],
    [{ desired: "running", rest: "failed", rest_reason: null }, "failed"],
  ])("without a process is what its row says: %j", (row, expected) => {
    expect(deriveState(row, null).state).toBe(expected);
    expect(deriveState(row, { ...living, alive: false }).state).toBe(expected);
  });

  it("says why the last turn failed while nothing else is in the way", () => {
    const failed = { ...living, lastFailure: "server_error: overloaded" };
    expect(deriveState(wanted, failed)).toMatchObject({
      state: "ready",
      reason: "the last turn failed: server_error: overloaded",
    });
    const drafted = { ...failed, screen: { promptBox: "draft", draft: "x", isStashed: false, dialog: null } } as const;
    expect(deriveState(wanted, drafted).reason).toBe("a draft stands in the prompt");
    expect(deriveState(wanted, { ...failed, file: file("busy") }).reason).toBeNull();
    const hidden = { ...living, screen: { ...drafted.screen, promptBox: "absent", draft: "" } } as const;
    expect(deriveState(wanted, hidden).reason).toMatch(/not in sight/);
  });

  it("can reach every state from starting", () => {
    const seen = new Set<AgentState>(["starting"]);
    for (const state of seen) for (const next of MOVES[state]) seen.add(next);
    expect([...seen].sort()).toEqual([...AGENT_STATES].sort());
  });
});

describe("the restart policy", () => {
  const exit = (atMs: number, ranMs = 1_000) => ({ atMs, ranMs });

  it("restarts a first crash at once and pauses longer after each further one", () => {
    const first = decideRestart([exit(1_000)], 1_000);
    const second = decideRestart([exit(1_000), exit(3_000)], 3_000);
    expect(first).toMatchObject({ is: "restart", afterMs: 500 });
    expect(second).toMatchObject({ is: "restart", afterMs: 1_000 });
  });

  it("gives up a crash loop and says so in words", () => {
    const exits = [1, 2, 3, 4, 5, 6].map((second) => exit(second * 1_000));
    expect(decideRestart(exits, 6_000)).toEqual({ is: "give_up", reason: "crashed 6 times within 5 minutes" });
  });

  it("forgets crashes before a long healthy run", () => {
    const exits = [1, 2, 3, 4, 5].map((second) => exit(second * 1_000));
    expect(decideRestart([...exits, exit(250_000, 300_000), exit(260_000)], 260_000).is).toBe("restart");
  });

  it("never gives up without more than five recent crashes", () => {
    const times = fc.array(fc.nat(1_000_000), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(times, (list) => {
        const sorted = list.sort((a, b) => a - b).map((at) => exit(at));
        const now = sorted.at(-1)?.atMs ?? 0;
        const recent = sorted.filter((one) => now - one.atMs < 300_000).length;
        expect(decideRestart(sorted, now).is === "give_up").toBe(recent > 5);
      }),
    );
  });
});
