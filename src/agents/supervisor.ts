// Keeps the wanted agents running: starts them, hears how they end, restarts them by policy, finds them again after the
// daemon itself was away. Intent is committed before each outside effect, the outcome after it. It delivers nothing.

import { asSignalboxError, SignalboxError } from "../kernel/errors.ts";
import type { Events } from "../kernel/events.ts";
import type { AgentId, ConversationId, SessionId } from "../kernel/ids.ts";
import type { Log } from "../kernel/log.ts";
import type { Serial } from "../kernel/serial.ts";
import type { BackendName, ExitStatus, Terminal, TerminalBackend } from "../terminals/terminal.ts";
import { answerRequest } from "./answering.ts";
import type { Decision } from "./dialogs.ts";
import { describeExit, endTerminal, lastWords, untilTranscriptKept } from "./ending.ts";
import { createFileWitnesses } from "./file-witnesses.ts";
import type { AgentKind, AgentKindName, HookReport, TranscriptReading } from "./kind.ts";
import { type LaunchDeps, lastProcess, launchAgent } from "./launching.ts";
import { createLeftovers } from "./leftovers.ts";
import { type AgentState, type Derived, deriveState, SEEN_ANEW } from "./lifecycle.ts";
import { createLookups } from "./lookups.ts";
import { promptsWith } from "./prompt-records.ts";
import type { AgentRow } from "./registry.ts";
import { decideRestart, EXITS_KEPT } from "./restart-policy.ts";
import { createRun, type Run, type Sighting } from "./run.ts";
import { createTranscripts } from "./transcripts.ts";

/** While a terminal host cannot be asked, ask again this often. */
const CANNOT_TELL_RETRY_MS = 5_000;
/** What could not be written down is tried again after this. */
const RECORD_AGAIN_MS = 1_000;
/** By then what was on its way to agents that are deleted has its verdict. */
const RECORDS_DROPPED_AFTER_MS = 60_000;

export interface AgentView extends Derived {
  row: AgentRow;
  sinceMs: number;
  pid: number | null;
  terminal: { backend: BackendName; ref: string; attach: string | null } | null;
}

/** What stands between a message and its agent, as the courier needs it. */
export interface Line {
  state: AgentState;
  generation: number;
  kind: AgentKind;
  terminal: Terminal;
  /** Reads the screen now. */
  look(): Promise<Sighting>;
  conversationId: ConversationId;
  /** Whether the process stands still by a signal, and reads nothing until it is told to go on. */
  isStopped(): boolean;
  /** True while a usage limit holds the queue back. */
  isLimited: boolean;
  /** Hands a text over in another agent's name without touching the prompt; null where the program cannot. */
  peer: ((text: string, from: string) => Promise<void>) | null;
}

export interface Supervisor {
  /** The agent must exist. */
  view(row: AgentRow): AgentView;
  /** The running process's line, or null while none runs. */
  line(agentId: AgentId): Line | null;
  /** Starts a process for a wanted agent that has none; rejects with the reason after recording it as `failed`. */
  start(agentId: AgentId): Promise<void>;
  /** Ends the agent's process and waits until it is gone. */
  stop(agentId: AgentId): Promise<void>;
  /** Takes in what a hook told; resolves to an answer for the hook, or null for "pass". */
  hook(agentId: AgentId, report: HookReport, payload: unknown, gone: AbortSignal): Promise<unknown | null>;
  answer(agentId: AgentId, requestId: string, decision: Decision): Promise<void>;
  interrupt(agentId: AgentId): Promise<void>;
  /** True while a process may run that was to end. */
  isLeftBehind(agentId: AgentId): boolean;
  /** True when the agent said that its last turn has ended and no other has begun; its session file lags by some 60 ms. */
  isTurnOver(agentId: AgentId): boolean;
  /** What the agent's transcript says about one message; null when there is no transcript to read. */
  transcriptAbout(agentId: AgentId, marker: string, leasedTo: ConversationId | null): TranscriptReading | null;
  /** The program's names of the prompts with this header that this process of the agent noted down (prompt-records.ts). */
  promptsNoted(agentId: AgentId, generation: number, header: string): readonly string[];
  transcriptText(agentId: AgentId, lines: number): string | null;
  /** Ends the session's terminal host; its agents must be stopped before. */
  closeHost(row: { session_id: SessionId; terminal: BackendName }): Promise<void>;
  /** After the daemon was away: finds what still runs, restarts what does not and should. */
  recover(): Promise<void>;
  /** Lets go of everything; the agents keep running. */
  detach(): void;
}

export interface SupervisorDeps extends LaunchDeps {
  backends: ReadonlyMap<BackendName, TerminalBackend>;
  kinds: ReadonlyMap<AgentKindName, AgentKind>;
  log: Log;
  events: Events;
  serial: Serial;
}

export function createSupervisor(deps: SupervisorDeps): Supervisor {
  const { registry, clock, log, events, serial, outside } = deps;
  const runs = new Map<AgentId, Run>();
  const lastState = new Map<AgentId, { state: AgentState; sinceMs: number }>();
  const turnEndedMs = new Map<AgentId, number>();
  const transcripts = createTranscripts(deps);
  const witnesses = createFileWitnesses(deps, () => runs.values());
  let isDetached = false;

  const { kindOf, backendOf, sessionOf } = createLookups(deps);

  const changed = (agentId: AgentId) => {
    if (isDetached) return;
    const row = registry.agent(agentId);
    const state = row && deriveState(row, runs.get(agentId)?.facts ?? null).state;
    if (state !== undefined && lastState.get(agentId)?.state !== state) {
      const sinceMs = clock.now();
      lastState.set(agentId, { state, sinceMs });
      log.info("agent.state", { agent: agentId, state });
      if (!SEEN_ANEW.has(state)) record(agentId, () => registry.patchAgent(agentId, { state_since: sinceMs }));
    }
    events.ring("agent", agentId); // A deleted one too: what it had taken waits for the end of its process.
  };

  /** Writes down what the world did, which no refusal undoes: while the disk is full it is tried again. */
  const record = (agentId: AgentId, write: () => void) => {
    try {
      write();
    } catch (error) {
      log.warn("agent.not_recorded", { agent: agentId, code: asSignalboxError(error).code });
      clock.after(RECORD_AGAIN_MS, () => isDetached || record(agentId, write));
    }
  };

  const attachRun = (row: AgentRow, terminal: Terminal, adopted: boolean): Run => {
    const kind = kindOf(row);
    const agentId = row.agent_id;
    const run = createRun({
      row,
      kind,
      terminal,
      adopted,
      trust: sessionOf(row).trust === 1,
      clock,
      ids: deps.ids,
      log,
      apiTrouble: () => transcripts.apiTrouble(agentId),
      readFile: () => witnesses.refresh(run),
      changed: () => changed(agentId),
      conversationChanged: (id) => record(agentId, () => registry.patchAgent(agentId, { conversation_id: id })),
      exited: (exit) => ended(run, exit),
    });
    runs.set(agentId, run);
    record(agentId, () => {
      const { pid } = terminal; // The next start waits for it to go. The daemon before may have died before it wrote that down.
      if (runs.get(agentId) !== run || (adopted && row.pid === pid)) return;
      registry.patchAgent(agentId, { pid, pid_birth: outside.processBirth(pid) });
    });
    witnesses.tell(run, { isNew: !adopted });
    changed(agentId);
    return run;
  };

  const ended = (run: Run, exit: ExitStatus | null) => {
    const agentId = run.row.agent_id;
    if (runs.get(agentId) === run) runs.delete(agentId);
    if (run.stopping) return changed(agentId);
    const ranMs = clock.now() - run.startedAtMs;
    record(agentId, () => {
      if (runs.has(agentId)) return;
      recordEnd(agentId, { exit, ranMs, wasSettled: run.facts.settled });
      changed(agentId);
    });
    if (!run.facts.settled)
      quoteLastWords(run).catch((error) => log.debug("agent.no_last_words", { message: String(error) }));
  };

  /** A program that cannot start says why on its screen; a person should not have to attach to a dead tab to read it. */
  const quoteLastWords = async (run: Run) => {
    const words = await lastWords(run.terminal);
    const row = registry.agent(run.row.agent_id);
    if (words === "" || row === undefined || row.rest === "none") return;
    registry.patchAgent(row.agent_id, { rest_reason: `${row.rest_reason}; its last words: ${words}` });
    changed(row.agent_id);
  };

  const recordEnd = (
    agentId: AgentId,
    { exit, ranMs, wasSettled }: { exit: ExitStatus | null; ranMs: number; wasSettled: boolean },
  ) => {
    const row = registry.agent(agentId);
    if (row === undefined) return;
    const how = describeExit(exit);
    if (wasSettled && exit?.exitCode === 0 && exit.signal === null) {
      registry.patchAgent(agentId, { rest: "exited", rest_reason: how, pid: null });
      return;
    }
    const now = clock.now();
    const exits = [...registry.exitsOf(row), { atMs: now, ranMs }].slice(-EXITS_KEPT);
    const verdict = decideRestart(exits, now);
    registry.patchAgent(agentId, {
      exits: JSON.stringify(exits),
      rest: verdict.is === "restart" ? "crashed" : "failed",
      rest_reason: `${how}; ${verdict.reason}`,
    });
    log.warn("agent.crashed", { agent: agentId, verdict: verdict.is });
    if (verdict.is === "restart") {
      clock.after(verdict.afterMs, () => {
        if (!isDetached) restart(agentId);
      });
    }
  };

  const restart = (agentId: AgentId) => {
    start(agentId).catch((error) => {
      const { code } = asSignalboxError(error);
      log.warn("agent.restart_failed", { agent: agentId, code });
      // Not even the failure could be written down, so nobody has been told to do something about it.
      if (code === "storage_error") clock.after(RECORD_AGAIN_MS, () => isDetached || restart(agentId));
    });
  };

  const start = (agentId: AgentId): Promise<void> =>
    serial.run(agentId, async () => {
      const row = registry.agent(agentId);
      if (row === undefined || row.desired !== "running" || runs.has(agentId) || isDetached) return;
      try {
        const [kind, backend] = [kindOf(row), backendOf(sessionOf(row).terminal)];
        witnesses.watch(kind);
        const terminal = await launchAgent(deps, { row, kind, backend, intended: () => changed(agentId) });
        attachRun(registry.anyAgent(agentId) ?? row, terminal, false); // It may have been deleted meanwhile.
      } catch (thrown) {
        const error = asSignalboxError(thrown);
        record(agentId, () => {
          if (runs.has(agentId)) return;
          registry.patchAgent(agentId, {
            rest: "failed",
            rest_reason: `${error.message} ${error.nextStep}`,
            pid: lastProcess(outside, row),
          });
          changed(agentId);
        });
        throw error;
      }
    });

  const stop = (agentId: AgentId): Promise<void> =>
    serial.run(agentId, async () => {
      const run = runs.get(agentId);
      if (run === undefined) return await leftovers.end(agentId);
      run.stopping = true;
      await untilTranscriptKept(clock, turnEndedMs.get(agentId));
      await endTerminal(run.terminal, clock);
      if (runs.get(agentId) === run) runs.delete(agentId);
      record(agentId, () => {
        registry.processEnded(run.row, lastProcess(outside, registry.anyAgent(agentId) ?? run.row));
        changed(agentId);
      });
    });

  const adopt = async (row: AgentRow): Promise<void> => {
    witnesses.watch(kindOf(row));
    if (row.terminal_ref === null) return restart(row.agent_id);
    const found = await backendOf(sessionOf(row).terminal).adopt(row.session_id, row.terminal_ref);
    if (found.is === "found") return void attachRun(row, found.terminal, true);
    if (found.is === "gone") {
      recordEnd(row.agent_id, { exit: found.exit, ranMs: clock.now() - row.state_since, wasSettled: true });
      changed(row.agent_id);
      return;
    }
    log.warn("agent.cannot_tell", { agent: row.agent_id });
    registry.patchAgent(row.agent_id, { rest_reason: `its terminal cannot be asked: ${found.why}` });
    clock.after(CANNOT_TELL_RETRY_MS, () => {
      const now = registry.agent(row.agent_id);
      if (!isDetached && now?.desired === "running") void readopt(now);
    });
  };

  /** Never rejects: one agent that cannot be found again must not keep the others from being found. */
  const readopt = (row: AgentRow): Promise<void> =>
    serial
      .run(row.agent_id, () => adopt(row))
      .catch((error) => {
        log.warn("agent.adopt_failed", { agent: row.agent_id, code: asSignalboxError(error).code });
        clock.after(CANNOT_TELL_RETRY_MS, () => void (isDetached || readopt(row)));
      });

  const leftovers = createLeftovers({
    ...deps,
    backendOf: (row) => backendOf(sessionOf(row).terminal),
    isDetached: () => isDetached,
    ended: (agentId) => events.ring("agent", agentId),
  });

  const runOf = (agentId: AgentId): Run => {
    const run = runs.get(agentId);
    if (run !== undefined) return run;
    throw new SignalboxError(
      "agent_not_running",
      "This agent has no running process.",
      "Start it with start_new_agent_conversation (resume: true continues where it was).",
    );
  };

  return {
    start,
    stop,
    view(row) {
      const run = runs.get(row.agent_id) ?? null;
      const derived = deriveState(row, run?.facts ?? null);
      const backend = sessionOf(row).terminal;
      const attach =
        run === null ? null : (deps.backends.get(backend)?.attachCommand(row.session_id, run.terminal.ref) ?? null);
      return {
        ...derived,
        row,
        sinceMs: lastState.get(row.agent_id)?.sinceMs ?? row.state_since,
        pid: run === null ? null : (run.facts.file?.pid ?? run.terminal.pid),
        terminal: run === null ? null : { backend, ref: run.terminal.ref, attach },
      };
    },
    line(agentId) {
      const run = runs.get(agentId);
      const row = registry.agent(agentId);
      if (run === undefined || row === undefined || run.stopping) return null;
      const { state } = deriveState(row, run.facts);
      const { kind, terminal, conversationId } = run;
      const look = () => {
        // File events can be lost; whoever is about to type wants the file as it is.
        witnesses.refresh(run);
        return run.look();
      };
      const isLimited = run.facts.limitedUntilMs !== null;
      const socket = run.facts.file?.peerSocket ?? null;
      const peer =
        socket === null || !run.facts.settled
          ? null
          : (text: string, from: string) => outside.writeToPeerSocket(socket, kind.peerLine(text, from));
      const isStopped = () => outside.isStopped(run.facts.file?.pid ?? terminal.pid);
      return { state, generation: row.generation, kind, terminal, look, conversationId, isLimited, isStopped, peer };
    },
    async hook(agentId, report, payload, gone) {
      const run = runs.get(agentId);
      if (run === undefined) return null;
      const { signal } = report;
      if (signal.is === "telemetry") {
        registry.patchAgent(agentId, {
          ...(signal.model === null ? {} : { model_seen: signal.model }),
          ...(signal.contextUsedPct === null ? {} : { context_used_pct: signal.contextUsedPct }),
          ...(signal.costUsd === null ? {} : { cost_usd: signal.costUsd }),
        });
        return null;
      }
      if (signal.is === "turn_ended" && signal.reply !== null)
        registry.patchAgent(agentId, { last_reply: signal.reply });
      if (signal.is === "turn_ended") turnEndedMs.set(agentId, clock.monotonicMs());
      if (signal.is === "prompt_submitted" || signal.is === "tool_started") turnEndedMs.delete(agentId);
      run.signal(signal);
      // Not one that was answered at the terminal before we heard of it.
      return signal.is === "dialog_opened" && !gone.aborted ? run.hold(signal.dialog, payload, gone) : null;
    },
    async answer(agentId, requestId, decision) {
      const run = runOf(agentId);
      const keys = answerRequest(run, requestId, decision);
      // Only keys are left: nothing else may type into this agent until they have worked.
      if (keys !== null) await serial.run(agentId, keys);
    },
    isLeftBehind: leftovers.has,
    isTurnOver: (agentId) => turnEndedMs.has(agentId),
    async interrupt(agentId) {
      const run = runOf(agentId);
      const { state } = deriveState(run.row, run.facts);
      // Esc in an idle prompt would open the rewind dialog on a second press: only a turn or its dialog is interrupted.
      if (state === "working" || state === "waiting") await run.terminal.write(run.kind.keys.interrupt);
    },
    transcriptAbout: transcripts.about,
    promptsNoted: (agentId, generation, header) => promptsWith(outside.promptRecords.read(agentId, generation), header),
    transcriptText: transcripts.render,
    async closeHost(session) {
      await deps.backends.get(session.terminal)?.closeHost(session.session_id);
    },
    async recover() {
      clock.after(RECORDS_DROPPED_AFTER_MS, () => {
        if (!isDetached) outside.promptRecords.keepOnly(new Set(registry.agents().map((row) => row.agent_id)));
      });
      await leftovers.endAll();
      const wanted = registry.agents().filter((row) => row.desired === "running");
      await Promise.all(wanted.filter((row) => row.rest === "none" || row.rest === "crashed").map(readopt));
      for (const row of registry.agents().filter(({ agent_id }) => !runs.has(agent_id)))
        lastState.set(row.agent_id, { state: deriveState(row, null).state, sinceMs: row.state_since });
    },
    detach() {
      isDetached = true;
      for (const run of runs.values()) run.detach();
      witnesses.close();
    },
  };
}
