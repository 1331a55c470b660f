// One turn of the stand-in: what stands where a model would think. It walks through a rule's actions, each with the
// hooks, the transcript lines and the dialogs that Claude Code would have. What comes before and after a turn is
// conversation.ts's concern.

import type { Clock } from "../../../kernel/clock.ts";
import { sleep } from "../../../kernel/clock.ts";
import { type Dialog, dialogTitle, PERMISSION_OPTIONS, permissionDialog, questionDialog } from "./dialogs.ts";
import { waitForFile } from "./gate.ts";
import type { HookAnswer } from "./hooks.ts";
import type { McpClient, ToolResult } from "./mcp.ts";
import type { Oracle } from "./oracle.ts";
import { type Action, acknowledge, fill, type HookEvent } from "./script.ts";
import type { Transcript } from "./transcript.ts";
import { QUESTION_TOOL } from "./words.ts";

export type TurnEnd =
  | { is: "ended"; reply: string }
  | { is: "failed"; error: string; reply: string | null }
  /** `untouched`: nothing had come back from the model yet. */
  | { is: "interrupted"; inTool: boolean; untouched: boolean };

export type DialogAnswer = { is: "option"; option: number } | { is: "dismissed" };

export interface TurnWorld {
  /** Aborted when the person interrupts. */
  signal: AbortSignal;
  clock: Clock;
  uuid(): string;
  transcript: Transcript;
  mcp: McpClient;
  oracle: Oracle;
  permissionMode: string;
  tell(event: HookEvent, fields: Record<string, unknown>): Promise<HookAnswer | null>;
  show(text: string): void;
  showActivity(text: string): void;
  /** Opens a dialog; `close` takes it away when something else has answered. */
  ask(dialog: Dialog, waitingFor: string): { answer: Promise<DialogAnswer>; close(): void };
  flood(bytes: number): Promise<void>;
  exit(code: number): void;
  crash(): void;
}

export interface TurnRequest {
  /** What was typed, without the marks around long pastes. */
  prompt: string;
  turn: number;
  firstPrompt: string | null;
  agent: string;
  /** Null when no rule fits. */
  actions: readonly Action[] | null;
}

/** Runs the actions; without a reply among them the prompt is acknowledged. Never rejects. */
export async function runTurn(world: TurnWorld, request: TurnRequest): Promise<TurnEnd> {
  const turn: Progress = { world, request, reply: null, answer: null, result: null, touched: false, inTool: false };
  try {
    for (const action of request.actions ?? []) {
      const failure = await perform(turn, action);
      if (failure !== null) return { is: "failed", error: failure, reply: turn.reply };
    }
    if (turn.reply === null) reply(turn, acknowledge(request.prompt));
    return { is: "ended", reply: turn.reply ?? "" };
  } catch (error) {
    if (error instanceof Interrupted) return { is: "interrupted", inTool: turn.inTool, untouched: !turn.touched };
    return { is: "failed", error: error instanceof Error ? error.message : String(error), reply: turn.reply };
  }
}

interface Progress {
  world: TurnWorld;
  request: TurnRequest;
  reply: string | null;
  /** The option last chosen in a question. */
  answer: string | null;
  /** What the last tool brought back. */
  result: string | null;
  touched: boolean;
  inTool: boolean;
}

class Interrupted extends Error {}

/** Does one action; returns the error that ends the turn, or null. */
async function perform(turn: Progress, action: Action): Promise<string | null> {
  const { world } = turn;
  switch (action.is) {
    case "reply":
      reply(turn, fill(action.text, known(turn, new Map())));
      return null;
    case "delayMs":
      await unlessInterrupted(world, sleep(world.clock, action.ms));
      return null;
    case "waitForFile":
      await unlessInterrupted(world, waitForFile(fill(action.path, known(turn, new Map())), world.signal));
      return null;
    case "permission":
      await useTool(turn, action.tool, fill(action.input, known(turn, new Map())), async () => ({
        isError: false,
        text: fill(action.result, known(turn, new Map())),
        structured: null,
      }));
      return null;
    case "question":
      await askQuestion(turn, action);
      return null;
    case "tool": {
      const agents = await agentIds(turn, JSON.stringify(action.arguments));
      const args = fill(action.arguments, known(turn, agents));
      // The agent's own tools are allowed beforehand, as signalbox allows them to Claude Code.
      await runTool(turn, `mcp__signalbox__${action.name}`, args, () => world.mcp.call(action.name, args));
      return null;
    }
    case "apiError":
      world.transcript.apiError(action.error);
      world.show(`⎿ API Error: ${action.error}`);
      return action.error;
    case "apiRetry":
      world.transcript.apiRequest(action.status, action.attempt);
      world.showActivity(`${action.status} scripted · retrying in 9s · attempt ${action.attempt}/10`);
      return null;
    case "flood":
      turn.touched = true;
      await world.flood(action.bytes);
      return null;
    case "hang":
      await unlessInterrupted(world, new Promise(() => {}));
      return null;
    case "exit":
      world.exit(action.code);
      return await new Promise(() => {});
    case "crash":
      world.crash();
      return await new Promise(() => {});
  }
}

function reply(turn: Progress, text: string): void {
  turn.touched = true;
  turn.reply = text;
  turn.world.transcript.assistant(text);
  turn.world.oracle({ event: "reply", text });
  turn.world.show(`⏺ ${text}`);
}

/** A tool that needs permission: asked by hook and by dialog at once, and whoever answers first decides. */
async function useTool(
  turn: Progress,
  tool: string,
  input: Record<string, unknown>,
  run: () => Promise<ToolResult>,
): Promise<void> {
  const { world } = turn;
  await runTool(turn, tool, input, run, async (before) => {
    if (before?.permissionDecision === "allow" || world.permissionMode === "bypassPermissions") return { allow: true };
    const verdict = await decide(turn, permissionDialog(tool, input), "permission prompt", {
      tool_name: tool,
      tool_input: input,
      permission_suggestions: [],
    });
    if (verdict.by === "hook") return { allow: verdict.allow, why: verdict.message };
    if (verdict.option === null || PERMISSION_OPTIONS[verdict.option] === "No") throw new Interrupted();
    return { allow: true };
  });
}

interface Permission {
  allow: boolean;
  why?: string | null;
}

/** PreToolUse, permission, the tool itself, PostToolUse. */
async function runTool(
  turn: Progress,
  tool: string,
  input: Record<string, unknown>,
  run: () => Promise<ToolResult>,
  permit: (before: Record<string, unknown> | null) => Promise<Permission> = async () => ({ allow: true }),
): Promise<void> {
  const { world } = turn;
  const id = `toolu_${world.uuid()}`;
  turn.touched = true;
  turn.inTool = true;
  world.transcript.toolUse(id, tool, input);
  world.show(`⏺ ${tool}(${JSON.stringify(input)})`);
  const fields = { tool_name: tool, tool_input: input, tool_use_id: id };
  const before = specific(await unlessInterrupted(world, world.tell("PreToolUse", fields)));

  const permission: Permission =
    before?.permissionDecision === "deny"
      ? { allow: false, why: textOr(before.permissionDecisionReason, "denied by a hook") }
      : await permit(before);
  const result: ToolResult = permission.allow
    ? await unlessInterrupted(world, run())
    : { isError: true, text: permission.why ?? "The tool use was denied.", structured: null };

  turn.result = result.text;
  world.transcript.toolResult(id, result.text, result.isError);
  world.show(`  ⎿ ${result.text}`);
  world.oracle({ event: "tool", tool, input, outcome: permission.allow ? "ran" : "denied", result: result.text });
  if (permission.allow) {
    const response = result.structured ?? { text: result.text };
    const after = await unlessInterrupted(world, world.tell("PostToolUse", { ...fields, tool_response: response }));
    noteContext(world.oracle, "PostToolUse", after);
  }
  turn.inTool = false;
}

async function askQuestion(turn: Progress, action: Extract<Action, { is: "question" }>): Promise<void> {
  const { question, header, options } = fill(action, known(turn, new Map()));
  const labelled = options.map((label) => ({ label, description: "" }));
  const input = { questions: [{ question, header, options: labelled, multiSelect: false }] };
  await runTool(
    turn,
    QUESTION_TOOL,
    input,
    async () => ({ isError: false, text: `${question} ${turn.answer}`, structured: null }),
    async () => {
      const verdict = await decide(turn, questionDialog(header, question, options), "input needed", {
        tool_name: QUESTION_TOOL,
        tool_input: input,
        permission_suggestions: [],
      });
      if (verdict.by === "keys" && verdict.option === null) throw new Interrupted();
      if (verdict.by === "hook" && !verdict.allow) return { allow: false, why: verdict.message };
      turn.answer =
        verdict.by === "keys" ? (options[verdict.option ?? 0] ?? "") : answerIn(verdict.updatedInput, question);
      return { allow: true };
    },
  );
}

type Verdict =
  | { by: "keys"; option: number | null }
  | { by: "hook"; allow: boolean; message: string | null; updatedInput: unknown };

/** Shows the dialog and holds the permission hook open beside it. The later answer is ignored. */
async function decide(
  turn: Progress,
  dialog: Dialog,
  waitingFor: string,
  fields: Record<string, unknown>,
): Promise<Verdict> {
  const { world } = turn;
  const asked = world.ask(dialog, waitingFor);
  const byKeys = asked.answer.then(
    (answer): Verdict => ({ by: "keys", option: answer.is === "option" ? answer.option : null }),
  );
  const byHook = world.tell("PermissionRequest", fields).then((answer) => {
    const decision = specific(answer)?.decision as Record<string, unknown> | undefined;
    if (decision?.behavior !== "allow" && decision?.behavior !== "deny") return byKeys; // No answer: the person's counts.
    const verdict: Verdict = {
      by: "hook",
      allow: decision.behavior === "allow",
      message: textOr(decision.message, null),
      updatedInput: decision.updatedInput,
    };
    return verdict;
  });
  try {
    const verdict = await unlessInterrupted(world, Promise.race([byKeys, byHook]));
    if (verdict.by === "hook") {
      const option = verdict.allow ? "allow" : "deny";
      world.oracle({ event: "dialog_answered", title: dialogTitle(dialog), option, by: "hook" });
    }
    return verdict;
  } finally {
    asked.close();
  }
}

/** What `${…}` may name. `agents` are ids by name, fetched beforehand. */
function known(turn: Progress, agents: ReadonlyMap<string, string>): (name: string) => string | null {
  const { prompt, turn: number, firstPrompt, agent } = turn.request;
  const values: Record<string, string | null> = {
    prompt,
    turn: String(number),
    first: firstPrompt ?? prompt,
    agent,
    answer: turn.answer,
    result: turn.result,
  };
  return (name) => {
    if (name.startsWith(AGENT_PREFIX)) return agents.get(name.slice(AGENT_PREFIX.length)) ?? null;
    return values[name] ?? null;
  };
}

const AGENT_PREFIX = "agent:";

/** The ids of the agents that `${agent:NAME}` mentions, as the session's status tells them. */
async function agentIds({ world }: Progress, template: string): Promise<Map<string, string>> {
  const ids = new Map<string, string>();
  if (!template.includes(`\${${AGENT_PREFIX}`)) return ids;
  const { structured } = await unlessInterrupted(world, world.mcp.call("get_session_status", {}));
  const sessions = (structured?.sessions ?? []) as { agents?: { name: string; agent_id: string }[] }[];
  for (const { name, agent_id } of sessions.flatMap((session) => session.agents ?? [])) ids.set(name, agent_id);
  return ids;
}

/** Text that a hook's answer wants the model to read. */
export function noteContext(oracle: Oracle, via: string, answer: HookAnswer | null): void {
  const context = specific(answer)?.additionalContext;
  if (typeof context === "string") oracle({ event: "context", via, text: context });
}

function specific(answer: HookAnswer | null): Record<string, unknown> | null {
  const output = answer?.hookSpecificOutput;
  return typeof output === "object" && output !== null ? (output as Record<string, unknown>) : null;
}

function answerIn(updatedInput: unknown, question: string): string {
  const answers = (updatedInput as { answers?: Record<string, unknown> } | undefined)?.answers;
  return String(answers?.[question] ?? "");
}

function textOr<T>(value: unknown, otherwise: T): string | T {
  return typeof value === "string" ? value : otherwise;
}

/** The promise's value, unless the person interrupts first. */
function unlessInterrupted<T>({ signal }: TurnWorld, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(new Interrupted());
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
