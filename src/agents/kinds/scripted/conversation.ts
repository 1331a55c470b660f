// The agent's life between prompts: a prompt passes its hook, runs as a turn, and what ends the turn decides what comes
// next (a Stop hook's order, queued prompts, or rest). Knows no keys and draws nothing; app.ts does.
//
//   starting  not ready for prompts; ends with `start`
//   idle      nothing runs; ends with a prompt
//   busy      a prompt is being checked, a turn runs, or its Stop hook is asked; ends when nothing is left to do
//   over      the process is leaving

import { unwrapPasted } from "./box.ts";
import type { Dialog } from "./dialogs.ts";
import type { HookAnswer, HookBase, Hooks } from "./hooks.ts";
import type { Oracle } from "./oracle.ts";
import { chooseRule, type HookEvent, type Rule, type Script } from "./script.ts";
import { noteContext } from "./tool-use.ts";
import type { Transcript } from "./transcript.ts";
import { runTurn, type TurnEnd } from "./turn.ts";
import type { DialogAnswer, TurnWorld } from "./turn-world.ts";
import { STOP_HOOK_PREFIX } from "./words.ts";

export type Phase = "starting" | "idle" | "busy" | "over";

export interface ConversationUi {
  show(text: string): void;
  /** Something that is drawn or written to the registry may have changed. */
  changed(): void;
  /** A prompt was taken: a draft that was put aside for it may come back. */
  promptTaken(): void;
  /** A prompt was not taken: it belongs into the box again. */
  putBack(prompt: string): void;
  setPlaceholder(text: string | null): void;
  ask(dialog: Dialog, waitingFor: string): { answer: Promise<DialogAnswer>; close(): void };
  flood(bytes: number): Promise<void>;
  exit(code: number, why: string): void;
  crash(): void;
}

export interface Conversation {
  id(): string;
  phase(): Phase;
  activity(): string | null;
  queued(): readonly string[];
  hookBase(): HookBase;
  /** Says hello and becomes idle. */
  start(source: "startup" | "resume"): Promise<void>;
  /** A prompt: runs now, or waits for the running turn. */
  submit(prompt: string): void;
  /** Stops the running turn; false when none runs. */
  interrupt(): boolean;
  /** Begins a new conversation in the same process. Only when idle. */
  clear(): Promise<void>;
  /** Ends for good; says so if it had begun. */
  end(reason: string): Promise<void>;
}

type Via = "box" | "queue" | "stop_hook";

export function createConversation(options: {
  firstId: string;
  agent: string;
  cwd: string;
  permissionMode: string;
  script: Script;
  openTranscript: (conversationId: string) => Transcript;
  hooks: () => Hooks;
  oracle: Oracle;
  ui: ConversationUi;
  world: Pick<TurnWorld, "clock" | "uuid" | "mcp">;
}): Conversation {
  const { agent, cwd, permissionMode, script, openTranscript, hooks, oracle, ui, world } = options;
  let id = options.firstId;
  let transcript = openTranscript(id);
  let { turns, firstPrompt } = transcript.past();
  let phase: Phase = "starting";
  let activity: string | null = null;
  let promptId = "";
  let running = new AbortController();
  let queue: string[] = [];
  let enqueued: Promise<void> = Promise.resolve();
  const uses = new Map<Rule, number>();

  const tell = (event: HookEvent, fields: Record<string, unknown>) =>
    hooks().tell(event, promptId === "" ? fields : { prompt_id: promptId, ...fields });

  function enter(next: Phase, doing: string | null): void {
    if (phase === "over") return;
    phase = next;
    activity = doing;
    ui.changed();
  }

  async function begin(prompt: string): Promise<void> {
    promptId = world.uuid();
    running = new AbortController();
    ui.setPlaceholder(null);
    enter("busy", "Working… (esc to interrupt)");
    const answer = await Promise.race([askPromptHook(prompt), interruption()]);
    if (answer === "interrupted") ui.putBack(prompt);
    else if (isTaken(prompt, answer)) return await runTurns(prompt, "box");
    await rest();
  }

  function askPromptHook(prompt: string): Promise<HookAnswer | null> {
    return tell("UserPromptSubmit", { prompt, session_title: agent });
  }

  /** Heeds the hook's answer; a prompt that is blocked is back in the box then. */
  function isTaken(prompt: string, answer: HookAnswer | null): boolean {
    if (phase === "over") return false;
    if (answer?.decision === "block") {
      const reason = String(answer.reason ?? "");
      oracle({ event: "blocked", text: prompt, reason });
      ui.show(`⎿ UserPromptSubmit operation blocked by hook: ${reason}`);
      ui.putBack(prompt);
      return false;
    }
    noteContext(oracle, "UserPromptSubmit", answer);
    ui.promptTaken();
    return true;
  }

  function interruption(): Promise<"interrupted"> {
    const { signal } = running;
    return new Promise((resolve) => {
      signal.addEventListener("abort", () => resolve("interrupted"), { once: true });
    });
  }

  async function rest(): Promise<void> {
    const next = takeQueue();
    if (next !== null) return await runTurns(next, "queue");
    enter("idle", null);
  }

  async function runTurns(first: string, firstVia: Via): Promise<void> {
    let next: { prompt: string; via: Via } | null = { prompt: first, via: firstVia };
    while (next !== null && phase === "busy") {
      if (next.via !== "box") running = new AbortController();
      if (next.via === "queue") promptId = world.uuid();
      const end = await runOne(next.prompt, next.via);
      next = await afterTurn(end, next);
    }
    if (phase === "busy") await rest(); // A prompt may have been queued in the moment the turn ended.
  }

  async function runOne(prompt: string, via: Via): Promise<TurnEnd> {
    turns += 1;
    firstPrompt ??= unwrapPasted(prompt);
    transcript.user(prompt, promptId);
    oracle({ event: "prompt", text: prompt, via, turn: turns, promptId });
    ui.show(`❯ ${unwrapPasted(prompt)}`);
    enter("busy", "Working… (esc to interrupt)");
    const typed = unwrapPasted(prompt);
    const rule = chooseRule(script, { prompt: typed, turn: turns, agent, uses: (one) => uses.get(one) ?? 0 });
    if (rule !== null) uses.set(rule, (uses.get(rule) ?? 0) + 1);
    const request = { prompt: typed, turn: turns, firstPrompt, agent, actions: rule?.actions ?? null };
    return await runTurn(turnWorld(), request);
  }

  function turnWorld(): TurnWorld {
    return {
      ...world,
      signal: running.signal,
      transcript,
      oracle,
      permissionMode,
      tell,
      show: ui.show,
      showActivity: (text) => enter("busy", text),
      ask: ui.ask,
      flood: ui.flood,
      exit: (code) => ui.exit(code, "script"),
      crash: ui.crash,
    };
  }

  /** What runs next, or null when the agent may rest. */
  async function afterTurn(
    end: TurnEnd,
    was: { prompt: string; via: Via },
  ): Promise<{ prompt: string; via: Via } | null> {
    if (phase === "over") return null;
    if (end.is === "interrupted") {
      transcript.interrupted(end.inTool);
      oracle({ event: "interrupted", inTool: end.inTool });
      ui.show("⎿ Interrupted · What should Claude do instead?");
      // Nothing came back yet, so the person gets the words again; the transcript keeps them all the same.
      if (end.untouched && was.via === "box" && queue.length === 0) ui.putBack(was.prompt);
    } else if (end.is === "failed") {
      oracle({ event: "turn_failed", error: end.error });
      await tell("StopFailure", { error: end.error, last_assistant_message: end.reply });
      ui.setPlaceholder("Resend your message to try again");
    } else {
      const order = await askStopHook(end.reply, was.via === "stop_hook");
      if (order !== null) return { prompt: `${STOP_HOOK_PREFIX}${order}`, via: "stop_hook" };
    }
    const queued = takeQueue();
    return queued === null ? null : { prompt: queued, via: "queue" };
  }

  async function askStopHook(reply: string, again: boolean): Promise<string | null> {
    enter("busy", "Working… (running Stop hook)");
    const told = tell("Stop", {
      last_assistant_message: reply,
      stop_hook_active: again,
      background_tasks: [],
      session_crons: [],
    });
    const answer = await Promise.race([told, interruption()]);
    if (answer === "interrupted") return null;
    return answer?.decision === "block" && typeof answer.reason === "string" ? answer.reason : null;
  }

  /** All that is queued, as one prompt. */
  function takeQueue(): string | null {
    if (queue.length === 0) return null;
    const texts = queue;
    queue = [];
    for (const text of texts) transcript.queueOperation("dequeue", text);
    return texts.join("\n");
  }

  /** The hook hears of a queued prompt now, under the running turn's prompt id, and not again when it runs. */
  async function enqueue(prompt: string): Promise<void> {
    if (!isTaken(prompt, await askPromptHook(prompt))) return;
    transcript.queueOperation("enqueue", prompt);
    oracle({ event: "queued", text: prompt });
    queue.push(prompt);
    if (phase === "idle") {
      // The turn ended while the hook was asked.
      enter("busy", "Working… (esc to interrupt)");
      await rest();
    } else {
      ui.changed();
    }
  }

  function hookBase(): HookBase {
    // Claude Code's hooks still call the manual mode by its old name.
    const permission_mode = permissionMode === "manual" ? "default" : permissionMode;
    return { session_id: id, transcript_path: transcript.path, cwd, permission_mode };
  }

  return {
    id: () => id,
    phase: () => phase,
    activity: () => activity,
    queued: () => queue,
    hookBase,
    async start(source) {
      noteContext(oracle, "SessionStart", await tell("SessionStart", { source, session_title: agent }));
      enter("idle", null);
    },
    submit(prompt) {
      if (phase === "busy") enqueued = enqueued.then(() => enqueue(prompt));
      else if (phase === "idle") void begin(prompt);
    },
    interrupt() {
      if (phase !== "busy") return false;
      running.abort();
      return true;
    },
    async clear() {
      const from = id;
      const ended = tell("SessionEnd", { reason: "clear" });
      id = world.uuid();
      transcript = openTranscript(id);
      turns = 0;
      firstPrompt = null;
      promptId = "";
      oracle({ event: "cleared", from, to: id });
      ui.changed();
      await ended;
      await tell("SessionStart", { source: "clear", session_title: agent });
    },
    async end(reason) {
      if (phase === "over") return;
      const hadBegun = phase !== "starting";
      phase = "over";
      running.abort();
      if (hadBegun) await tell("SessionEnd", { reason });
    },
  };
}
