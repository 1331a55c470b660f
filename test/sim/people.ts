// The people around the agents: they answer dialogs, type drafts and finish them, interrupt, clear and leave. A person looks
// before typing, as people do, and in the end tidies up whatever they had a hand in. Also the machine's own misfortunes.

import type { AgentProgram } from "./agent-world.ts";
import { agentPrincipal, type Callers, OPERATOR } from "./callers.ts";
import type { Daemon } from "./daemon.ts";
import type { FaultKind } from "./faults.ts";
import type { Sim } from "./sim.ts";
import type { SimTerminal, Terminals } from "./terminals.ts";

export interface People {
  /** One look around: answers what is open, sometimes. */
  attend(isTidying: boolean): void;
  /** One random misfortune of the kinds that are on. */
  misfortune(): void;
  /** Puts the machine back in order. */
  heal(): void;
}

export function createPeople(options: {
  sim: Sim;
  terminals: Terminals;
  daemon: Daemon;
  callers: Callers;
  sessionId: () => string;
  agentIds: () => string[];
}): People {
  const { sim, terminals, daemon, callers } = options;
  const { random, clock } = sim;
  const later = (low: number, high: number, run: () => void) => void clock.after(random.between(low, high), run);
  const programOf = (terminal: SimTerminal) => terminal.program as AgentProgram;
  const press = (terminal: SimTerminal, keys: string, isCounted = true) => {
    sim.trace(`a person presses ${JSON.stringify(keys)} in ${terminal.spec.ref}${isCounted ? "" : " unseen"}`);
    terminals.pressKeys(terminal, keys, isCounted);
  };
  const some = (which: (program: AgentProgram) => boolean): SimTerminal | null => {
    const fitting = terminals.running().filter((terminal) => which(programOf(terminal)));
    return fitting.length === 0 ? null : random.pick(fitting);
  };
  const isResting = (program: AgentProgram) => program.phase() === "idle" && program.dialog() === null;

  const answerDialog = (terminal: SimTerminal) => {
    const dialog = programOf(terminal).dialog();
    if (dialog === null) return;
    if (dialog.kind === "trust" || dialog.kind === "startup") return press(terminal, "\x1b[B\r");
    if (random.chance(0.5)) return press(terminal, random.pick(["\r", "1", "2", "\x1b"]));
    const agentId = programOf(terminal).agentId;
    const request = daemon.ask(({ registry, supervisor }) => {
      const row = registry.agent(agentId);
      return row === undefined ? null : supervisor.view(row).request;
    });
    if (request === null) return press(terminal, "\r");
    const decision = random.pick(["allow", "deny"]);
    void callers.call("answer_agent", { agent_id: agentId, request_id: request.requestId, decision });
  };

  const finishDraft = (terminal: SimTerminal, isTidying: boolean) => {
    const program = programOf(terminal);
    // What fell into the middle of our paste is theirs as well.
    const isTheirs = program.isPersonal() || (isTidying && program.draft().includes("amid"));
    if (program.dialog() !== null || !isTheirs) return;
    if (!isTidying && random.chance(0.3)) return;
    const isOnlyTheirs = !program.draft().includes("[signalbox ");
    if (isOnlyTheirs && random.chance(0.4) && program.phase() === "idle") press(terminal, "\r");
    else press(terminal, "\x15".repeat(2 + 2 * program.draft().split("\n").length));
  };

  const killSome = (kind: FaultKind, which: (program: AgentProgram) => boolean) => {
    const terminal = some(which);
    if (terminal !== null && sim.strikes(kind, 1, terminal.spec.ref)) programOf(terminal).kill(kind);
  };

  const closed = new Set<string>();
  const deeds: Partial<Record<FaultKind, () => void>> = {
    daemon_killed_any_time() {
      if (!daemon.life().isDead && sim.strikes("daemon_killed_any_time", 0.5, "")) daemon.life().die("kill -9");
    },
    daemon_stalled() {
      const ms = Math.round(random.between(300, 8_000));
      if (sim.strikes("daemon_stalled", 0.5, `${ms} ms`)) daemon.life().stalledUntilMs = sim.time.monotonicMs() + ms;
    },
    host_killed() {
      if (sim.strikes("host_killed", 0.4, "")) terminals.killHost(options.sessionId());
    },
    host_unreachable() {
      const host = options.sessionId();
      if (!sim.strikes("host_unreachable", 0.5, "")) return;
      terminals.setReachable(host, false);
      later(300, 9_000, () => terminals.setReachable(host, true));
    },
    agent_killed_starting: () => killSome("agent_killed_starting", (program) => program.phase() === "starting"),
    agent_killed_idle: () => killSome("agent_killed_idle", isResting),
    agent_killed_mid_turn: () => killSome("agent_killed_mid_turn", (program) => program.phase() === "busy"),
    agent_killed_with_queue() {
      const terminal = some((program) => program.isWorking() && program.draft() === "");
      if (terminal !== null) press(terminal, "for later\r");
    },
    agent_leaves() {
      const terminal = some((program) => isResting(program) && program.draft() === "");
      if (terminal !== null && sim.strikes("agent_leaves", 0.3, terminal.spec.ref)) press(terminal, "/exit\r");
    },
    transcript_unreadable() {
      if (!sim.strikes("transcript_unreadable", 0.5, "")) return;
      sim.machine.areTranscriptsUnreadable = true;
      later(500, 10_000, () => {
        sim.machine.areTranscriptsUnreadable = false;
      });
    },
    dialog_idle() {
      const terminal = some(isResting);
      if (terminal !== null && sim.strikes("dialog_idle", 0.6, terminal.spec.ref)) programOf(terminal).offer();
    },
    turn_from_inside() {
      const terminal = some(isResting);
      if (terminal !== null && sim.strikes("turn_from_inside", 0.6, terminal.spec.ref)) programOf(terminal).wake();
    },
    person_drafts() {
      const terminal = some(
        (program) => isResting(program) || (program.phase() === "busy" && program.dialog() === null),
      );
      if (terminal !== null && sim.strikes("person_drafts", 0.8, terminal.spec.ref)) press(terminal, "half a thou");
    },
    person_submits() {
      const terminal = some((program) => isResting(program) && program.draft() === "");
      if (terminal === null || !sim.strikes("person_submits", 0.8, terminal.spec.ref)) return;
      press(terminal, "a person's ");
      later(5, 400, () => programOf(terminal).dialog() === null && press(terminal, "question"));
      later(400, 1_500, () => programOf(terminal).dialog() === null && press(terminal, "\r"));
    },
    person_unseen() {
      const terminal = some(isResting);
      if (terminal !== null && sim.strikes("person_unseen", 0.8, terminal.spec.ref)) press(terminal, "unseen", false);
    },
    person_interrupts() {
      const terminal = some((program) => program.isWorking());
      if (terminal !== null && sim.strikes("person_interrupts", 0.8, terminal.spec.ref)) press(terminal, "\x1b");
    },
    person_clears() {
      const terminal = some((program) => isResting(program) && program.draft() === "");
      if (terminal !== null && sim.strikes("person_clears", 0.4, terminal.spec.ref)) press(terminal, "/clear\r");
    },
    clock_forward() {
      const ms = Math.round(random.between(1_000, 86_400_000));
      if (sim.strikes("clock_forward", 0.5, `${ms} ms`)) sim.time.jumpWall(ms);
    },
    clock_back() {
      const ms = Math.round(random.between(1_000, 3_600_000));
      if (sim.strikes("clock_back", 0.5, `${ms} ms`)) sim.time.jumpWall(-ms);
    },
    suspend() {
      const ms = Math.round(random.between(10_000, 36_000_000));
      if (sim.strikes("suspend", 0.5, `${ms} ms`)) sim.time.jumpWall(ms);
    },
    disk_full() {
      if (!sim.strikes("disk_full", 0.5, "")) return;
      sim.machine.isDiskFull = true;
      later(100, 6_000, () => {
        sim.machine.isDiskFull = false;
      });
    },
    power_cut_any_time() {
      if (sim.strikes("power_cut_any_time", 0.4, "")) sim.cutPower("any time");
    },
    operator_interrupts() {
      const agentId = random.pick(options.agentIds());
      if (sim.strikes("operator_interrupts", 0.6, agentId)) void callers.call("interrupt_agent", { agent_id: agentId });
    },
    agent_closed() {
      const agentId = random.pick(options.agentIds());
      if (closed.has(agentId) || !sim.strikes("agent_closed", 0.4, agentId)) return;
      closed.add(agentId);
      const reopen = () =>
        void callers
          .call(
            "start_new_agent_conversation",
            { agent_id: agentId, resume: random.chance(0.5), wait_s: 5 },
            { tries: 3 },
          )
          .then(() => closed.delete(agentId));
      void callers
        .call("clear_agent_conversation", { agent_id: agentId, force: true }, { tries: 3 })
        .then(() => later(10, 6_000, reopen));
    },
    agent_deleted() {
      const agentId = random.pick(options.agentIds());
      if (!sim.strikes("agent_deleted", 0.35, agentId)) return;
      void callers.call("delete_agent", { agent_id: agentId, force: true }, { tries: 3 });
    },
  };
  const mine = (Object.keys(deeds) as FaultKind[]).filter((kind) => sim.faults.has(kind));

  return {
    attend(isTidying) {
      for (const terminal of terminals.running()) {
        if (programOf(terminal).dialog() !== null) {
          if (isTidying || random.chance(0.5)) answerDialog(terminal);
        } else finishDraft(terminal, isTidying);
      }
    },
    misfortune() {
      if (mine.length > 0) deeds[random.pick(mine)]?.();
    },
    heal() {
      sim.machine.isDiskFull = false;
      sim.machine.areTranscriptsUnreadable = false;
      terminals.setReachable(options.sessionId(), true);
      daemon.life().stalledUntilMs = 0;
    },
  };
}

export { agentPrincipal, OPERATOR };
