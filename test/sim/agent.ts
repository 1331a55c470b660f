// A simulated agent program: Claude Code's terminal behaviour as measured on 2.1.330, in memory and under the simulated
// clock. Box, dialogs, keys and picture are the scripted agent's own pure parts; order and delays of hooks, session file and
// transcript are those of the measurements. What reaches the "model" is written down: it is the oracle of the simulation.

import { createBox } from "../../src/agents/kinds/scripted/box.ts";
import {
  type Dialog,
  permissionDialog,
  pressInDialog,
  trustDialog,
  upsellDialog,
} from "../../src/agents/kinds/scripted/dialogs.ts";
import { layOut } from "../../src/agents/kinds/scripted/frame.ts";
import { transcriptFileIn } from "../../src/agents/kinds/scripted/home.ts";
import { createKeyDecoder, type Key } from "../../src/agents/kinds/scripted/keys.ts";
import { INTERRUPT_LINE, STASHED_SIGN, STOP_HOOK_PREFIX } from "../../src/agents/kinds/scripted/words.ts";
import { createAgentFiles } from "./agent-files.ts";
import {
  type AgentProgram,
  type AgentWorld,
  type By,
  hasWordsInside,
  idsIn,
  isMerged,
  MARKER,
  type ModelEntry,
  type Phase,
  SIM_HOME,
} from "./agent-world.ts";
import { createInbox } from "./inbox.ts";
import { judgeKeys } from "./key-oracle.ts";
import type { Source } from "./simulated-kind.ts";
import type { Meant, ProgramIo } from "./terminals.ts";
import type { Owner } from "./time.ts";

type Turn = { isInterrupted: boolean; interrupt: () => void; interrupted: Promise<void>; isTouched: boolean };

class Interrupted extends Error {}

const COMMAND = /^\/([a-z][a-z0-9:_-]*)(?:\s|$)/i;

export function startAgent(world: AgentWorld, io: ProgramIo): AgentProgram {
  const { sim, model } = world;
  const { random, files } = sim;
  const { spec, pid } = io;
  const owner: Owner = { isDead: false };
  const clock = sim.time.clockOf(owner);
  const agentId = spec.ref.slice(0, spec.ref.lastIndexOf("-g"));
  const secret = spec.env.SIGNALBOX_HOOK_SECRET ?? "";
  const isResumed = spec.argv.includes("--resume");
  let conversationId = spec.argv[spec.argv.indexOf(isResumed ? "--resume" : "--session-id") + 1] ?? "";
  const box = createBox("5ff6");
  const decoder = createKeyDecoder();
  let phase: Phase = "starting";
  let isBoxShown = false;
  let dialog: { shown: Dialog; settle: (option: number | null) => void } | null = null;
  /** When the dialog that is open opened, or the last one closed. */
  let dialogSinceMs = 0;
  let turn: Turn | null = null;
  let queue: { prompt: string; by: By }[] = [];
  let personal = false;
  let phaseSinceMs = 0;
  let draftSinceMs = 0;
  let draftFrom: Source | null = null;
  let turnFrom: Source | null = null;
  let lastEscapeMs = Number.NEGATIVE_INFINITY;
  let promptCount = 0;
  let prompts = 0;
  /** What an interrupt put back into the box before the gate's word was heard; the gate may have let it pass. */
  const cameBack = new Set<string>();
  let promptId = "";
  let isUnasked = false;
  let carried: string[] = [];
  let keyPause: { cancel(): void } | null = null;
  const connections = new Set<AbortController>();

  const me = `${agentId.slice(-4)}/${pid}`;
  const now = () => sim.time.monotonicMs();
  const sleep = (ms: number) => new Promise<void>((resolve) => void clock.after(ms, resolve));
  const guarded = (work: Promise<unknown>) => {
    work.catch((error) => {
      if (!(error instanceof Interrupted)) throw error;
    });
  };

  const inbox = createInbox(sim, me, {
    taken: (text) => write({ type: "queue-operation", operation: "enqueue", content: text }, random.between(20, 120)),
    changed: () => attend(),
  });

  /** Is there a question to ask, or, while it is idle, something to take? */
  const attend = () => {
    if (dialog !== null || (phase !== "idle" && phase !== "busy")) return;
    const asked = inbox.question();
    if (asked !== null) {
      const answer = ask(asked.dialog, "permission prompt");
      return guarded(
        answer.then((option) => {
          asked.answered(option === 0);
          if (phase === "idle" || phase === "busy") report(phase);
          attend();
        }),
      );
    }
    const prompt = phase === "idle" ? inbox.take() : null;
    if (prompt === null) return;
    turn = newTurn();
    enterPhase("busy");
    guarded(sleep(random.between(28, 77)).then(() => runTurns({ prompt, via: "peer", by: "daemon" })));
  };

  // ---- what others can see

  const promptRecord = spec.env.SIGNALBOX_PROMPT_RECORD ?? "";
  const witness = createAgentFiles(sim, { pid, cwd: spec.cwd, name: me, clock, promptRecord });
  const report = (
    status: "idle" | "busy" | "waiting",
    waitingFor: string | null = null,
    delayMs = random.between(0, 4),
  ) => {
    if (phase !== "over") witness.report({ conversationId, status, waitingFor }, delayMs);
  };
  const write = (line: Record<string, unknown>, delayMs: number, entries: ModelEntry[] = []) =>
    witness.write(conversationId, line, delayMs, entries);

  /** Posts a hook. Its connection breaks when the program dies or gives up waiting. */
  const tell = async (
    event: string,
    fields: Record<string, unknown>,
    timeoutMs: number | null,
    connection = new AbortController(),
  ) => {
    if (phase === "over" && event !== "SessionEnd") return await new Promise<null>(() => {}); // It is leaving.
    connections.add(connection);
    const payload = { session_id: conversationId, cwd: spec.cwd, hook_event_name: event, ...fields };
    const answer = await world.postHook({ secret, payload, timeoutMs, connection });
    connections.delete(connection);
    return answer;
  };

  /** The two hooks of a prompt run side by side, one asks signalbox and one notes it down; both are waited for. */
  const askPromptHooks = async (prompt: string, id: string) => {
    const fields = { prompt_id: id, prompt };
    const noted = witness.note({ session_id: conversationId, ...fields });
    const answer = await tell("UserPromptSubmit", fields, 5_000);
    isUnasked = answer === null;
    if (answer !== null && answer.decision !== "block") for (const one of idsIn(prompt)) world.passed.add(one);
    if (sim.variant.notesLate) await noted;
    return answer;
  };

  const newPromptId = () => {
    prompts += 1;
    promptId = `${pid}-${prompts}`;
    return promptId;
  };

  const enterPhase = (next: "starting" | "idle" | "busy") => {
    if (phase === "over") return;
    if (phase !== next) phaseSinceMs = now();
    phase = next;
    io.painted();
  };

  // ---- the model's side

  const fallSoon = (entries: readonly ModelEntry[]) => {
    if (entries.length === 0 || !sim.strikes("agent_killed_unwritten", 0.3, me)) return;
    clock.after(random.between(0, 60), () => kill("before its transcript says what it took"));
  };

  const giveToModel = (prompt: string, via: ModelEntry["via"], by: By): ModelEntry[] => {
    const entries: ModelEntry[] = [];
    for (const [, messageId = ""] of prompt.matchAll(MARKER)) {
      const isAnswer = via === "stop_hook" || via === "context";
      const about = { messageId, agentId, pid, conversationId, promptId: isAnswer ? null : promptId };
      const isCopy = isUnasked && !isAnswer && world.passed.has(messageId);
      const kept = { isForgotten: false, isTraceless: false, isUnasked: isCopy };
      const entry: ModelEntry = { ...about, atMs: now(), via, by, ...kept };
      model.push(entry);
      entries.push(entry);
      sim.trace(`MODEL of ${me} gets ${messageId} via ${via}`);
    }
    return entries;
  };

  const unlessInterrupted = async <T>(work: Promise<T>): Promise<T> => {
    const current = turn as Turn;
    const result = await Promise.race([work, current.interrupted]);
    if (current.isInterrupted) throw new Interrupted();
    return result as T;
  };

  const newTurn = (): Turn => {
    let interrupt: () => void = () => {};
    const interrupted = new Promise<void>((resolve) => {
      interrupt = resolve;
    });
    const made: Turn = {
      isInterrupted: false,
      isTouched: false,
      interrupted,
      interrupt() {
        made.isInterrupted = true;
        for (const connection of connections) connection.abort("interrupted");
        interrupt();
      },
    };
    return made;
  };

  /** Whatever the person or signalbox submitted while nothing ran. */
  const begin = async (prompt: string, by: By) => {
    turn = newTurn();
    enterPhase("busy");
    try {
      await sleep(random.between(14, 100));
      report("busy");
      const isNew = !idsIn(prompt).some((id) => world.passed.has(id) || cameBack.has(id));
      const answer = await unlessInterrupted(askPromptHooks(prompt, newPromptId()));
      if (phase === "over") return; // The answer came to nobody.
      if (answer?.decision === "block") {
        sim.trace(`${me} prompt blocked: ${String(answer.reason)}`);
        box.putBack(prompt);
        draftFrom = null;
        draftSinceMs = now();
        // Nobody but a person can have submitted what the gate had let through before.
        if (by === "person") personal = true;
        return await rest();
      }
      if (answer !== null && hasWordsInside(prompt)) sim.count("race: a person's key fell inside a letter");
      // What was let through before and came back by an interrupt is the person's to submit again, with or without more words.
      if (answer !== null && isMerged(prompt) && (isNew || by === "daemon")) {
        sim.violate(
          "the gate lets no message pass that a person's words ran into",
          `${me}: ${JSON.stringify(prompt.slice(0, 80))}`,
        );
      }
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      for (const id of idsIn(prompt)) cameBack.add(id);
      box.putBack(prompt);
      draftFrom = null;
      draftSinceMs = now();
      personal = isMerged(prompt) || !prompt.includes("[signalbox ");
      return await rest();
    }
    const before = box.draft();
    box.restoreStash();
    if (box.draft() !== before) {
      personal = true;
      draftFrom = null;
      draftSinceMs = now();
    }
    await runTurns({ prompt, via: "box", by });
  };

  const rest = async () => {
    const next = takeQueue();
    if (next !== null) return await runTurns(next);
    becomeIdle(random.between(5, 30));
  };

  const becomeIdle = (fileDelayMs: number) => {
    turn = null;
    turnFrom = null;
    enterPhase("idle");
    report("idle", null, fileDelayMs);
    if (sim.strikes("frame_torn", 0.2, me)) drawBoxLater();
    attend();
  };

  /** Half a frame stands on the screen for a while. */
  const drawBoxLater = () => {
    isBoxShown = false;
    clock.after(random.between(5, 200), () => {
      isBoxShown = true;
      io.painted();
    });
  };

  const takeQueue = (): { prompt: string; via: "queue" | "peer"; by: By } | null => {
    const [first] = queue;
    if (first === undefined) {
      const prompt = inbox.take();
      return prompt === null ? null : { prompt, via: "peer", by: "daemon" };
    }
    const prompt = queue.map((one) => one.prompt).join("\n");
    for (const one of queue) write({ type: "queue-operation", operation: "dequeue", content: one.prompt }, 5);
    queue = [];
    return { prompt, via: "queue", by: first.by };
  };

  const runTurns = async (first: { prompt: string; via: ModelEntry["via"]; by: By }) => {
    let next: typeof first | null = first;
    while (next !== null && phase === "busy") {
      if (next.via !== "box") {
        turn = newTurn();
        report("busy");
        if (next.via === "queue") await sleep(random.between(100, 180));
        if (next.via === "peer" && !(await passesGate(next.prompt))) {
          next = takeQueue();
          continue;
        }
      }
      next = await runOne(next);
    }
    if (phase !== "busy") return;
    const late = takeQueue(); // Queued in the moment the turn ended.
    if (late !== null) return await runTurns(late);
    becomeIdle(random.between(45, 66));
  };

  /** What came over the socket is told of when it is taken. Refused, it is gone: it never stood in the box. */
  const passesGate = async (prompt: string): Promise<boolean> => {
    const answer = await askPromptHooks(prompt, newPromptId());
    if (answer?.decision === "block") sim.trace(`${me} message blocked: ${String(answer.reason)}`);
    return answer?.decision !== "block" && phase === "busy";
  };

  /** One turn; gives back what runs next. */
  const runOne = async (was: { prompt: string; via: ModelEntry["via"]; by: By }) => {
    const { prompt, via } = was;
    promptCount += 1;
    const entries = giveToModel(prompt, via, was.by);
    carried = entries.map((entry) => entry.messageId);
    fallSoon(entries);
    write({ type: "user", message: { role: "user", content: prompt } }, random.between(60, 100), entries);
    try {
      const reply = await think(prompt);
      carried = [];
      if (reply === null) {
        write(
          {
            type: "assistant",
            isApiErrorMessage: true,
            message: { content: [{ type: "text", text: "API Error: server_error" }] },
          },
          20,
        );
        await tell("StopFailure", { error: "server_error", last_assistant_message: null }, 5_000);
        return takeQueue();
      }
      write({ type: "assistant", message: { content: [{ type: "text", text: reply }] } }, random.between(110, 150));
      await sleep(random.between(10, 30));
      const answer = await unlessInterrupted(
        tell(
          "Stop",
          { last_assistant_message: reply, stop_hook_active: via === "stop_hook", background_tasks: [] },
          30_000,
        ),
      );
      if (answer?.decision === "block" && typeof answer.reason === "string") {
        return { prompt: `${STOP_HOOK_PREFIX}${answer.reason}`, via: "stop_hook" as const, by: "daemon" as const };
      }
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      carried = [];
      sim.trace(`${me} interrupted`);
      write({ type: "user", message: { content: [{ type: "text", text: INTERRUPT_LINE }] } }, random.between(5, 50));
      if (turn?.isTouched === false && via === "box" && queue.length === 0) {
        box.putBack(prompt);
        draftFrom = null;
        draftSinceMs = now();
        personal = isMerged(prompt) || !prompt.includes("[signalbox ");
      }
    }
    return takeQueue();
  };

  /** The model works; null when its API failed for good. */
  const think = async (prompt: string): Promise<string | null> => {
    const current = turn as Turn;
    await unlessInterrupted(sleep(random.between(30, 400)));
    if (sim.strikes("api_error", 0.4, me)) return null;
    if (sim.strikes("api_retry", 0.4, me)) {
      write({ type: "api-request", status: 529, attempt: 1 }, 5);
      await unlessInterrupted(sleep(random.between(1_000, 15_000)));
    }
    current.isTouched = true;
    const tools = random.pick([0, 0, 0, 1, 1, 2]);
    for (let i = 0; i < tools; i++) await useTool();
    await unlessInterrupted(sleep(random.between(20, 1_500)));
    return `ACK ${prompt.slice(-60)}`;
  };

  const useTool = async () => {
    await unlessInterrupted(tell("PreToolUse", { tool_name: "Bash", tool_input: {} }, 5_000));
    if (sim.strikes("dialog_permission", 0.5, me)) {
      await sleep(random.between(30, 110));
      if (!(await askPermission())) throw new Interrupted();
    }
    await unlessInterrupted(sleep(random.between(10, 1_000)));
    const answer = await unlessInterrupted(tell("PostToolUse", { tool_name: "Bash" }, 5_000));
    const context = (answer?.hookSpecificOutput as { additionalContext?: unknown } | undefined)?.additionalContext;
    if (typeof context === "string") {
      const attachment = { type: "hook_additional_context", content: [context], hookEvent: "PostToolUse" };
      const entries = giveToModel(context, "context", "daemon");
      fallSoon(entries);
      write({ type: "attachment", attachment }, random.between(60, 100), entries);
    }
    for (let prompt = inbox.take(); prompt !== null; prompt = inbox.take()) {
      if (!(await passesGate(prompt)) || phase !== "busy") continue;
      const attachment = { type: "hook_additional_context", content: [prompt] };
      const entries = giveToModel(prompt, "peer", "daemon");
      carried.push(...entries.map((entry) => entry.messageId));
      write({ type: "attachment", attachment }, random.between(60, 100), entries);
    }
  };

  /** The dialog on the screen and the hook that asks signalbox run at the same time; the first answer counts. */
  const askPermission = async (): Promise<boolean> => {
    const connection = new AbortController();
    const shown = ask(permissionDialog("Bash", { command: "ls" }), "permission prompt");
    const hook = tell("PermissionRequest", { tool_name: "Bash", tool_input: { command: "ls" } }, null, connection).then(
      (answer) => {
        const decision = (answer?.hookSpecificOutput as { decision?: { behavior?: string } } | undefined)?.decision;
        return decision === undefined ? new Promise<never>(() => {}) : decision.behavior === "allow" ? 0 : 1;
      },
    );
    const option = await Promise.race([shown, hook]);
    connection.abort("closed");
    closeDialog();
    if (phase !== "over") report("busy");
    attend();
    if (option === null) (turn as Turn).interrupt();
    return option === 0;
  };

  const ask = (shown: Dialog, waitingFor: string | null): Promise<number | null> =>
    new Promise((resolve) => {
      dialog = { shown, settle: resolve };
      dialogSinceMs = now();
      if (waitingFor !== null) report("waiting", waitingFor);
      sim.trace(`${me} dialog opens: ${shown.kind}`);
      io.painted();
    });

  const closeDialog = () => {
    if (dialog === null) return;
    dialog = null;
    dialogSinceMs = now();
    sim.trace(`${me} dialog closes`);
    io.painted();
  };

  // ---- keys

  const isHanging = () => (owner.stalledUntilMs ?? 0) > now();

  const input = (bytes: string, from: Source, meant: Meant) => {
    if (phase === "over") return;
    if (isHanging()) return void clock.after(0, () => input(bytes, from, { ...meant, areHeldUp: true }));
    if (sim.strikes("agent_killed_mid_paste", from.is === "person" ? 0.05 : 0.3, me)) return kill("mid-paste");
    judgeKeys(sim, from, meant, {
      name: me,
      phase,
      phaseSinceMs,
      busyShownMs: witness.busyShownMs(),
      dialog: dialog?.shown ?? null,
      dialogSinceMs,
      draft: box.draft(),
      draftSinceMs,
      draftFrom,
      turnFrom,
      isPersonal: personal,
    });
    keyPause?.cancel();
    press(decoder.feed(Buffer.from(bytes, "utf8")), from);
    const pauseMs = decoder.pauseMs();
    if (pauseMs !== null) keyPause = clock.after(pauseMs, () => press(decoder.flush(), from));
  };

  const press = (keys: Key[], from: Source) => {
    const isPasted = keys.some((key) => key.is === "paste");
    const before = box.draft();
    for (const key of keys) {
      if (phase === "over") return;
      const isEnter = key.is === "key" && key.name === "enter";
      if (isEnter && isPasted && sim.strikes("enter_swallowed", 0.5, me)) continue;
      if (dialog !== null) pressDialog(key, keys.length === 1);
      else pressBox(key, from);
    }
    if (box.draft() !== before) {
      draftSinceMs = now();
      draftFrom = from;
    }
    if (box.draft() === "") personal = false;
    else if (from.is === "person" && box.draft() !== before) personal = true;
    io.painted();
  };

  const pressDialog = (key: Key, isAlone: boolean) => {
    const open = dialog;
    if (open === null) return;
    const move = pressInDialog(open.shown, key, isAlone);
    if (move.is === "highlighted") open.shown.selected = move.option;
    if (move.is === "chosen" || move.is === "dismissed") {
      const settle = open.settle;
      closeDialog();
      settle(move.is === "chosen" ? move.option : null);
    }
  };

  const pressBox = (key: Key, from: Source) => {
    if (key.is === "text") return box.type(key.text);
    if (key.is === "paste") return box.paste(key.text);
    if (key.name === "enter") return enter(from);
    if (key.name === "newline") box.newline();
    if (key.name === "backspace") box.backspace();
    if (key.name === "ctrl-u") box.clearLine();
    if (key.name === "ctrl-s") {
      if (box.isStashed() && box.draft() !== "") sim.violate("nobody overwrites a draft that is put aside", me);
      box.stash();
    }
    if (key.name === "escape") pressEscape();
  };

  const pressEscape = () => {
    if (turn !== null) return turn.interrupt();
    if (now() - lastEscapeMs < 1_000) box.clear();
    lastEscapeMs = now();
  };

  const enter = (from: Source) => {
    if (phase === "starting") return sim.trace(`${me} loses an Enter while starting`);
    const prompt = box.enter();
    if (prompt === null) return;
    const command = COMMAND.exec(prompt.trimStart())?.[1];
    const ids = [...prompt.matchAll(MARKER)].map(([, id]) => id);
    const by = from.is === "person" ? "person" : "daemon";
    if (new Set(ids).size > 1 && by === "daemon")
      sim.violate("every message has a prompt of its own", `${me}: ${ids.join(" and ")}`);
    if (isMerged(prompt)) sim.count("race: a person's words ran into a message");
    if (command === "clear" && phase === "idle") return guarded(clear());
    if (command === "exit") return void leave(0, "prompt_input_exit");
    if (prompt.startsWith("!") || command !== undefined) return;
    sim.trace(`${me} ${phase === "busy" ? "queues" : "submits"} ${ids[0] ?? "a person's prompt"}`);
    if (phase === "busy") return guarded(enqueue(prompt, by));
    guarded(begin(prompt, by));
    turnFrom = from;
  };

  /** A prompt submitted in a turn: its hook fires now and not again when it runs. */
  const enqueue = async (prompt: string, by: By) => {
    await sleep(random.between(14, 60));
    const answer = await askPromptHooks(prompt, promptId);
    if (phase === "over") return;
    if (answer?.decision === "block") {
      box.putBack(prompt);
      draftFrom = null;
      draftSinceMs = now();
      if (by === "person") personal = true;
      return io.painted();
    }
    write({ type: "queue-operation", operation: "enqueue", content: prompt }, random.between(20, 120));
    queue.push({ prompt, by });
    if (sim.strikes("agent_killed_with_queue", 0.5, me)) {
      clock.after(random.between(0, 300), () => kill("with a queued prompt"));
    }
    io.painted();
    if (phase !== "idle") return;
    enterPhase("busy");
    await rest();
  };

  const clear = async () => {
    guarded(tell("SessionEnd", { reason: "clear" }, 500));
    conversationId = uuid();
    sim.trace(`${me} is cleared, now ${conversationId.slice(0, 8)}`);
    report("idle");
    await tell("SessionStart", { source: "clear" }, 2_000);
  };

  const uuid = () => {
    const hex = random.bytes(16).toString("hex");
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
  };

  // ---- life and death

  const die = () => {
    owner.isDead = true;
    phase = "over";
    dialog = null;
    for (const connection of connections) connection.abort("closed");
  };

  const kill = (why: string) => {
    if (phase === "over") return;
    sim.trace(`${me} killed ${why}`);
    witness.forget();
    die();
    io.exited({ exitCode: null, signal: "SIGKILL" });
  };

  /** Leaves tidily: tells so, flushes, takes its session file away. */
  const leave = async (code: number, why: string) => {
    if (phase === "over") return;
    const hadBegun = phase !== "starting";
    phase = "over";
    dialog = null;
    sim.trace(`${me} leaves: ${why}`);
    if (hadBegun) guarded(tell("SessionEnd", { reason: why === "prompt_input_exit" ? why : "other" }, 500));
    await sleep(turn === null ? random.between(60, 300) : random.between(250, 1_800));
    witness.close();
    die();
    io.exited({ exitCode: code, signal: null });
  };

  const start = async () => {
    const hasTranscript = files.exists(transcriptFileIn(SIM_HOME, spec.cwd, conversationId));
    await sleep(random.between(280, 350));
    if (isResumed !== hasTranscript && (isResumed || hasTranscript)) {
      sim.violate(
        "an agent is started with flags its program accepts",
        `${me} ${isResumed ? "resume" : "session-id"}, transcript ${hasTranscript}`,
      );
      return await leave(1, "wrong flags");
    }
    if (world.isConversationLive(conversationId, pid)) {
      sim.violate("two processes never share one conversation", `${me} ${conversationId}`);
    }
    if (!world.trust.isTrusted && sim.faults.has("dialog_trust")) {
      sim.count("dialog_trust");
      const option = await ask(trustDialog(spec.cwd), null);
      if (option !== 1) return await leave(1, "not trusted");
      world.trust.isTrusted = true;
    }
    await tell("SessionStart", { source: isResumed ? "resume" : "startup" }, 2_000);
    await sleep(random.between(130, 220));
    if (phase === "over") return;
    isBoxShown = true;
    enterPhase("idle");
    report("idle", null, random.between(0, 30));
    attend();
    if (sim.strikes("dialog_upsell", 0.6, me)) {
      await sleep(random.between(20, 25));
      offer();
    }
  };

  const offer = () => {
    if (phase !== "idle" || dialog !== null) return;
    guarded(
      ask(upsellDialog(), "dialog open").then(() => {
        if (phase === "idle") report("idle");
        attend();
      }),
    );
  };

  guarded(start());

  return {
    pid,
    agentId,
    owner,
    input,
    screenRows() {
      const frame = layOut({
        ...spec.size,
        history: [`turns so far: ${promptCount}`],
        activity: phase === "busy" ? "Working…" : null,
        queued: queue.map((one) => one.prompt),
        dialog: dialog?.shown ?? null,
        box: isBoxShown ? { draft: box.draft(), placeholder: 'Try "hello"' } : null,
        footer: (box.notice() ?? "manual mode") + (box.isStashed() ? STASHED_SIGN : ""),
      });
      const trimmed = frame.rows.map(({ text }) => text.trimEnd());
      const bright = frame.rows.map(({ text, dimFrom }) =>
        (dimFrom === undefined ? text : text.slice(0, dimFrom)).trimEnd(),
      );
      return { lines: trimmed, brightLines: bright };
    },
    signal(name) {
      if (name === "SIGKILL") kill("by SIGKILL");
      else void leave(name === "SIGHUP" ? 129 : 143, name);
    },
    phase: () => phase,
    conversationId: () => conversationId,
    dialog: () => dialog?.shown ?? null,
    draft: () => box.draft(),
    isPersonal: () => personal && box.draft() !== "",
    kill,
    receive(text) {
      if (phase === "over") return;
      if (isHanging()) clock.after(0, () => inbox.receive(text));
      else inbox.receive(text);
    },
    hang(ms) {
      owner.stalledUntilMs = now() + ms;
    },
    wake() {
      if (phase !== "idle" || dialog !== null) return;
      guarded(begin("<task-notification>done</task-notification>", "person"));
    },
    offer,
    isCarrying: (messageId) =>
      phase !== "over" &&
      (carried.includes(messageId) ||
        inbox.holds(messageId) ||
        queue.some(({ prompt }) => prompt.includes(`[signalbox ${messageId} from `))),
    isWorking: () => phase === "busy" && dialog === null,
  };
}
