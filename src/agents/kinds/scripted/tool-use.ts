// How the stand-in uses a tool: the hooks before and after, the transcript lines, and the question to the person that
// dialog and hook ask at once. Which tool, and what it does, turn.ts says.

import { type Dialog, dialogTitle, PERMISSION_OPTIONS, permissionDialog, questionDialog } from "./dialogs.ts";
import type { HookAnswer } from "./hooks.ts";
import type { ToolResult } from "./mcp.ts";
import type { Oracle } from "./oracle.ts";
import { Interrupted, type Progress, unlessInterrupted } from "./turn-world.ts";
import { QUESTION_TOOL } from "./words.ts";

/** A tool that needs permission: asked by hook and by dialog at once, and whoever answers first decides. */
export async function useTool(
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
export async function runTool(
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
    const note = noteContext(world.oracle, "PostToolUse", after);
    if (note !== null) world.transcript.hookContext("PostToolUse", note);
  }
  turn.inTool = false;
}

/** Asks the person; the chosen label becomes the turn's `answer`. */
export async function askQuestion(
  turn: Progress,
  { question, header, options }: { question: string; header: string; options: string[] },
): Promise<void> {
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

/** Text that a hook's answer wants the model to read; null when there is none. */
export function noteContext(oracle: Oracle, via: string, answer: HookAnswer | null): string | null {
  const context = specific(answer)?.additionalContext;
  if (typeof context !== "string") return null;
  oracle({ event: "context", via, text: context });
  return context;
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
