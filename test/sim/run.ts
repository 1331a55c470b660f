// One seed from its beginning to its verdict: a world is made, people and agents send messages while things go wrong, then
// everything is healed and given time, and what happened is held against the promises.

import { createHash } from "node:crypto";
import { startAgent } from "./agent.ts";
import { socketOf } from "./agent-files.ts";
import type { AgentProgram, ModelEntry } from "./agent-world.ts";
import { createCallers } from "./callers.ts";
import { checkAll, withoutVerdict } from "./checks.ts";
import { createDaemon } from "./daemon.ts";
import { createNetwork } from "./network.ts";
import type { Processes } from "./outside.ts";
import { agentPrincipal, createPeople, OPERATOR } from "./people.ts";
import { createPower } from "./power.ts";
import { createSim, type Sim, type Violation } from "./sim.ts";
import { createDisk } from "./storage.ts";
import { createTerminals } from "./terminals.ts";

export interface Verdict {
  seed: number;
  violations: Violation[];
  /** One line per event. */
  lines: string[];
  /** SHA-256 of the lines: two runs of one seed agree in it. */
  hash: string;
  counts: ReadonlyMap<string, number>;
}

/** Restart pauses reach 30 s and an API is retried for 15 s: whoever has no verdict after this has been forgotten. */
const SETTLE_MS = 240_000;
/** After the last verdict, for copies that come late. */
const AFTERMATH_MS = 8_000;

const FIRST_PID = 1_000;

let current: Sim | null = null;
let brokeNow: (error: unknown) => void = () => {};
for (const event of ["unhandledRejection", "uncaughtException"]) {
  process.on(event, (error) => {
    if (current === null) throw error;
    brokeNow(error);
  });
}

/** `isPlain`: on the machine of the first regressions, whatever the seed says. */
export async function runSeed(seed: number, { isPlain = false } = {}): Promise<Verdict> {
  const sim = createSim(seed, isPlain);
  current = sim;
  const disk = createDisk(sim);
  const model: ModelEntry[] = [];
  const passed = new Set<string>();
  const programs = new Map<number, AgentProgram>();
  const agentStates = new Set<string>();
  let lastPid = FIRST_PID;
  let starts = 0;
  const births = new Map<number, string>();
  const pidExists = (pid: number) => programs.get(pid)?.owner.isDead === false;
  const processes: Processes = {
    pidExists,
    processBirth: (pid) => (pidExists(pid) ? (births.get(pid) ?? null) : null),
    listener: (path) => [...programs.values()].find((one) => !one.owner.isDead && socketOf(one.pid) === path) ?? null,
  };
  const trust = { isTrusted: false };
  const terminals = createTerminals(
    sim,
    (io) => {
      const program = startAgent(
        {
          sim,
          model,
          passed,
          trust,
          postHook: (post) => network(post),
          isConversationLive: (id, exceptPid) =>
            [...programs.values()].some(
              (one) => !one.owner.isDead && one.pid !== exceptPid && one.conversationId() === id,
            ),
        },
        io,
      );
      programs.set(io.pid, program);
      births.set(io.pid, `start ${++starts}`);
      return program;
    },
    { next: () => ++lastPid },
  );
  const daemon = createDaemon({
    sim,
    disk,
    terminals,
    processes,
    heard(event, fields) {
      if (event === "agent.state") agentStates.add(String(fields.state));
      // What waits inside a program can be told from what runs by the transcript alone.
      if (event !== "message.state" || fields.state !== "processed" || sim.machine.areTranscriptsUnreadable) return;
      const busy = [...programs.values()].find((one) => !one.owner.isDead && one.isCarrying(String(fields.message)));
      if (busy !== undefined)
        sim.violate("a message is processed when its own turn has ended", `${fields.message} in ${busy.pid}`);
    },
  });
  sim.cutPower = createPower({
    sim,
    daemon,
    disk,
    terminals,
    programs,
    model,
    pids: {
      startAgain() {
        lastPid = FIRST_PID;
      },
    },
  });
  brokeNow = (error) => daemon.life().broke(error);
  const network = createNetwork(sim, daemon);
  const callers = createCallers(sim, daemon);
  let sessionId = "";
  let agentIds: string[] = [];
  const people = createPeople({
    sim,
    terminals,
    daemon,
    callers,
    sessionId: () => sessionId,
    agentIds: () => agentIds,
  });

  const runUntil = async (untilMs: number, isDone: () => boolean = () => false) => {
    while (!isDone() && sim.time.step(untilMs)) await drained();
    await drained();
  };
  const settled = <T>(work: Promise<T>) => {
    let isSettled = false;
    void work.finally(() => {
      isSettled = true;
    });
    return () => isSettled;
  };
  const until = async (work: Promise<unknown>) => {
    const isDone = settled(work);
    await runUntil(sim.time.monotonicMs() + 120_000, isDone);
    if (!isDone()) sim.violate("every call is answered", "a call made while the world was set up is still open");
  };

  try {
    sim.trace(`seed ${seed}, faults: ${[...sim.faults].join(", ") || "none"}`);
    daemon.start();
    const setUp = async () => {
      const session = await callers.call(
        "create_session",
        { root_path: "/", terminal: "auto", trust: sim.random.chance(0.5), idempotency_key: "s" },
        { tries: 30 },
      );
      sessionId = String(session?.session_id ?? "");
      const count = sim.random.whole(1, 3);
      for (let i = 0; i < count; i++) {
        await callers.call(
          "create_agent",
          { session_id: sessionId, kind: "scripted", adder_plus: false, wait_s: 2, idempotency_key: `a${i}` },
          { tries: 3 },
        );
      }
    };
    const attend = () => {
      people.attend(sim.isCalm);
      sim.clock.after(sim.isCalm ? 2_000 : sim.random.between(300, 4_000), attend);
    };
    attend();
    await until(setUp());
    agentIds = listAgents();
    const activeMs = sim.random.between(5_000, 30_000);
    const beganMs = sim.time.monotonicMs();
    if (agentIds.length > 0) planLetters();
    const misfortunes = () => {
      if (sim.isCalm) return;
      if (agentIds.length > 0) people.misfortune();
      sim.clock.after(sim.random.between(100, 3_000), misfortunes);
    };
    misfortunes();
    await runUntil(beganMs + activeMs);

    sim.calm();
    people.heal();
    const isOver = () => daemon.ask(({ db }) => withoutVerdict({ db, stateOf }).length === 0) === true;
    const deadlineMs = sim.time.monotonicMs() + SETTLE_MS;
    let overSinceMs: number | null = null;
    const isSettled = () => overSinceMs !== null && sim.time.monotonicMs() - overSinceMs >= AFTERMATH_MS;
    while (!isSettled() && sim.time.monotonicMs() < deadlineMs) {
      await runUntil(sim.time.monotonicMs() + 1_000);
      overSinceMs = isOver() ? (overSinceMs ?? sim.time.monotonicMs()) : null;
    }
    if (!daemon.isOpen()) sim.violate("a daemon can always start again", "none is open in the end");
    else
      checkAll({
        sim,
        db: daemon.composed().house.db,
        model,
        letters: callers.letters,
        answered: callers.answered,
        stateOf,
        truthOf,
      });
  } finally {
    daemon.life().isDead = true;
    current = null;
  }
  for (const state of agentStates) sim.count(`agent ${state}`);
  const hash = createHash("sha256").update(sim.lines.join("\n")).digest("hex");
  return { seed, violations: sim.violations, lines: sim.lines, hash, counts: sim.counts };

  function listAgents(): string[] {
    return daemon.ask(({ registry }) => registry.agents().map((row) => row.agent_id)) ?? [];
  }

  function stateOf(agentId: string): string | null {
    const { registry, supervisor } = daemon.composed().house;
    const row = registry.agent(agentId);
    return row === undefined ? null : supervisor.view(row).state;
  }

  function truthOf(agentId: string): string {
    const program = [...programs.values()].find((one) => one.agentId === agentId && !one.owner.isDead);
    if (program === undefined) return "without a process";
    return `${program.phase()}, dialog ${program.dialog()?.kind ?? "none"}, box ${JSON.stringify(program.draft())}`;
  }

  function planLetters(): void {
    const { random, clock } = sim;
    const count = random.whole(1, 10);
    for (let i = 0; i < count; i++) {
      clock.after(random.between(0, 12_000), async () => {
        const agentId = random.pick(agentIds);
        const peers = agentIds.filter((id) => id !== agentId);
        const from = peers.length > 0 && random.chance(0.4) ? agentPrincipal(sessionId, random.pick(peers)) : OPERATOR;
        const expiresInS = sim.strikes("expiry", 0.5, agentId) ? random.between(0.01, 8) : null;
        const letter = await callers.send({
          agentId,
          from,
          priority: random.chance(0.15) ? "urgent" : "normal",
          expiresInS,
        });
        if (letter.messageId === null || !sim.strikes("cancel_race", 0.5, letter.messageId)) return;
        clock.after(
          random.between(0, 1_500),
          () => void callers.call("cancel_message", { message_id: letter.messageId }),
        );
      });
    }
  }
}

/** Everything that can run without time passing has run. */
function drained(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
