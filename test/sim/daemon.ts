// The daemon under simulation: the real compose.ts on the real database, with everything else simulated. It can be killed at
// any step; then a new life begins on the same database after a while, as the next client would start it.

import type { Principal } from "../../src/access/principal.ts";
import type { House } from "../../src/commands/house.ts";
import { takeHook } from "../../src/commands/signals.ts";
import { type Composed, compose } from "../../src/daemon/compose.ts";
import { SignalboxError } from "../../src/kernel/errors.ts";
import { createIds } from "../../src/kernel/ids.ts";
import type { Log, LogFields } from "../../src/kernel/log.ts";
import { idsIn, SIM_HOME } from "./agent-world.ts";
import { createLife, Killed, type Life } from "./life.ts";
import { createOutside, type Processes } from "./outside.ts";
import type { Sim } from "./sim.ts";
import { simulatedKind } from "./simulated-kind.ts";
import { type Disk, guard } from "./storage.ts";
import type { Terminals } from "./terminals.ts";

export type Outcome =
  | { is: "answer"; result: Record<string, any> }
  | { is: "refused"; error: SignalboxError }
  /** The connection broke: nobody knows what came of it. */
  | { is: "lost" };

export interface HookDelivery {
  secret: string;
  payload: Record<string, unknown>;
  connection: AbortController;
}

export interface Daemon {
  start(): void;
  life(): Life;
  /** Set while a daemon lives and has recovered: callers are let in. */
  isOpen(): boolean;
  call(principal: Principal, name: string, input: Record<string, unknown>): Promise<Outcome>;
  /** Null: nobody answered. */
  takeHook(delivery: HookDelivery): Promise<Record<string, unknown> | null>;
  composed(): Composed;
  /** What the daemon's own rooms say; null while none is open or its database cannot be read. */
  ask<T>(question: (house: House) => T): T | null;
}

export function createDaemon(options: {
  sim: Sim;
  disk: Disk;
  terminals: Terminals;
  processes: Processes;
  heard: (event: string, fields: LogFields) => void;
}): Daemon {
  const { sim, disk, terminals } = options;
  let number = 0;
  let life: Life;
  let composed: Composed;
  let isRecovered = false;

  const restartSoon = () => {
    isRecovered = false;
    sim.clock.after(sim.random.between(50, 3_000), start);
  };

  function start(): void {
    number += 1;
    life = createLife(sim, number, restartSoon);
    const mine = life;
    sim.trace(`daemon ${number} starts`);
    composed = compose({
      clock: life.clock,
      ids: createIds(life.clock, sim.random.bytes),
      log: logOf(sim, mine, options.heard),
      db: guard(disk.open(life), life, sim),
      backends: new Map([["memory", terminals.backendFor(life)]]),
      kinds: new Map([["scripted", simulatedKind]]),
      limits: { maxAgents: 16, maxSessions: 8, leastLevel: "LOW" },
      version: "0.0.0-sim",
      pid: 1,
      outside: createOutside(sim, life, options.processes),
      worktreesDir: "/sim/worktrees",
      agentEnv: { SIGNALBOX_SCRIPTED_HOME: SIM_HOME, HOME: SIM_HOME },
      hookHelper: ["/sim/node", "/sim/hook-helper"],
      hooksUrl: () => "http://sim/hooks",
      mcpUrl: () => "http://sim/mcp",
      notice: () => null,
    });
    composed.recover().then(
      () => {
        if (mine.isDead) return;
        isRecovered = true;
        sim.trace(`daemon ${mine.number} is ready`);
      },
      (error) => {
        if (mine.isDead || error instanceof Killed) return;
        // A daemon that cannot start says why and ends; the next client tries again.
        sim.count("daemon did not start");
        if (!sim.machine.isDiskFull && !mine.isDiskLost) {
          sim.violate(
            "a daemon can always start again",
            String(error?.stack ?? error)
              .split("\n")
              .slice(0, 5)
              .join(" | "),
          );
        }
        mine.die(`cannot start: ${String(error?.message ?? error)}`);
      },
    );
  }

  return {
    start,
    life: () => life,
    isOpen: () => isRecovered && !life.isDead,
    composed: () => composed,
    ask(question) {
      if (!isRecovered || life.isDead) return null;
      try {
        return question(composed.house);
      } catch (error) {
        if (error instanceof SignalboxError && error.code === "storage_error") return null;
        throw error;
      }
    },
    async call(principal, name, input) {
      const mine = life;
      if (!isRecovered || mine.isDead) return { is: "lost" };
      const context = { signal: new AbortController().signal, progress() {} };
      const work: Promise<Outcome> = composed.commands.execute(principal, name, input, context).then(
        (result) => ({ is: "answer", result }),
        (error) => {
          if (error instanceof SignalboxError) return { is: "refused", error };
          mine.broke(error);
          return { is: "lost" };
        },
      );
      const outcome = await Promise.race([work, mine.died.then((): Outcome => ({ is: "lost" }))]);
      if (mine.isDead) return { is: "lost" };
      if (outcome.is === "answer" && typeof outcome.result.message_id === "string") {
        // A power cut puts what is being sent back into the queue: that it was accepted is all that is told by it.
        const state = outcome.result.state === "sending" ? "queued" : outcome.result.state;
        sim.restsOn(`${name} is answered`, [`${outcome.result.message_id} ${state}`]);
      }
      mine.fails("power_cut_after_answer", name);
      return outcome;
    },
    async takeHook({ secret, payload, connection }) {
      const mine = life;
      const name = String(payload.hook_event_name);
      if (mine.isDead || mine.fails("daemon_killed_before_hook", name)) return null;
      if (name === "UserPromptSubmit" && mine.fails("daemon_killed_before_prompt", name)) return null;
      if (mine.stalledUntilMs > sim.time.monotonicMs()) await Promise.race([mine.pause(0), mine.died]);
      if (mine.isDead) return null;
      const gone = new AbortController();
      const wasGone = connection.signal.aborted;
      if (wasGone) gone.abort("closed");
      connection.signal.addEventListener("abort", () => mine.isDead || gone.abort("closed"), { once: true });
      const work = takeHook(composed.house, { secret, payload, gone: gone.signal }).then(
        (taken) => (taken.is === "answer" ? (taken.body as Record<string, unknown>) : null),
        (error) => {
          if (!(error instanceof SignalboxError) && !(error instanceof Killed) && !mine.isDead) mine.broke(error);
          return null; // The edge answers 500 and lives on.
        },
      );
      const answer = await Promise.race([work, mine.died.then(() => null)]);
      if (mine.isDead || mine.fails("daemon_killed_before_answer", name)) return null;
      // An answer to nobody tells nothing.
      if (answer !== null && !wasGone) sim.restsOn(`the hook ${name} is answered`, toldBy(payload, answer));
      if (mine.fails("power_cut_after_answer", name)) return null;
      return answer;
    },
  };
}

/** What a hook's answer says about messages: that a prompt passes, or a letter. */
function toldBy(payload: Record<string, unknown>, answer: Record<string, unknown>): string[] {
  if (typeof payload.prompt !== "string") return idsIn(JSON.stringify(answer)).map((id) => `${id} sending`);
  // A letter that came a second time as part of somebody's words passes with them.
  return answer.decision === "block" ? [] : idsIn(payload.prompt).map((id) => `${id} delivered`);
}

function logOf(sim: Sim, life: Life, heard: (event: string, fields: LogFields) => void): Log {
  const write = (event: string, fields: LogFields = {}) => {
    if (life.isDead) return;
    const shown = Object.entries(fields).map(([name, value]) => `${name}=${value}`);
    sim.trace(`  d${life.number} ${event} ${shown.join(" ")}`);
    heard(event, fields);
  };
  return { debug: write, info: write, warn: write, error: write };
}
