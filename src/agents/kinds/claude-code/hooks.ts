// The hooks we ask Claude Code for, what their payloads mean in the words all kinds share, and the answers they take.
// Pure. A payload comes over a socket from a process that anybody may have replaced: nothing in it is trusted to have a shape.

import type { ConversationId } from "../../../kernel/ids.ts";
import type { DialogSeen, HookReport, Signal } from "../../kind.ts";

type Fields = Record<string, unknown>;

/**
 * Sent by the program itself over HTTP. Every version we drive knows all of these (an event it does not know stops it at
 * start with a dialog, so a newer event may be added only with a version check). SessionStart is not among them: the
 * program does not send that one over HTTP. Nor is PostToolUseFailure, whose answer would need another event's name.
 */
const HTTP_EVENTS = ["UserPromptSubmit", "PreToolUse", "PostToolUse", "Stop", "StopFailure", "SessionEnd"] as const;

/** The daemon answers in milliseconds; when it hangs, the agent goes on after this. */
const HOOK_TIMEOUT_S = 10;
/** Held open until a person answers from outside: a day, after which only the dialog itself can be answered. */
const PERMISSION_TIMEOUT_S = 86_400;
/** Node's own start takes most of it; the helper gives up on the daemon after one second. */
const HELPER_TIMEOUT_S = 5;
/** A few milliseconds' work. The program asks the model only when all hooks of a prompt have ended (measured, oldest and newest
 *  version), so what reached the model has been noted. */
const NOTE_TIMEOUT_S = 5;

export function hookSettings(
  url: string,
  helper: readonly [string, string],
  headerPattern: string,
): Record<string, unknown> {
  const http = (timeout: number) => ({
    type: "http",
    url,
    headers: { Authorization: "Bearer $SIGNALBOX_HOOK_SECRET" },
    allowedEnvVars: ["SIGNALBOX_HOOK_SECRET"],
    timeout,
  });
  const on = (hook: object) => [{ hooks: [hook] }];
  return {
    ...Object.fromEntries(HTTP_EVENTS.map((event) => [event, on(http(HOOK_TIMEOUT_S))])),
    UserPromptSubmit: [
      {
        hooks: [
          http(HOOK_TIMEOUT_S),
          { type: "command", command: noteCommand(headerPattern), timeout: NOTE_TIMEOUT_S },
        ],
      },
    ],
    PermissionRequest: on(http(PERMISSION_TIMEOUT_S)),
    SessionStart: on({ type: "command", command: shellCommand(helper), timeout: HELPER_TIMEOUT_S }),
  };
}

export function statusLine(helper: readonly [string, string]): Record<string, unknown> {
  return { type: "command", command: shellCommand([...helper, "status-line"]) };
}

/** Notes the prompt's id and the letters in it (prompt-records.ts), and prints nothing, because the model would read it. A header
 *  behind a backslash is a quotation. One write of its own for each prompt, so that two at once do not mix. */
function noteCommand(headerPattern: string): string {
  const words = `"(session|prompt)_id":"[^"]*"|[^\\]${headerPattern}`;
  const quoted = words.replaceAll('"', '\\"');
  const note = `LC_ALL=C grep -oE "${quoted}" >> "$SIGNALBOX_PROMPT_RECORD"`;
  return shellCommand(["sh", "-c", `exec 2> /dev/null; ${note}; exit 0`]);
}

function shellCommand(words: readonly string[]): string {
  return words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
}

export function translate(payload: unknown): HookReport {
  const fields = asFields(payload);
  const id = asText(fields.session_id);
  return { conversationId: id === null ? null : (id as ConversationId), signal: signalIn(fields) };
}

function signalIn(fields: Fields): Signal {
  const tool = asText(fields.tool_name) ?? "";
  switch (fields.hook_event_name) {
    case "UserPromptSubmit":
      return { is: "prompt_submitted", prompt: asText(fields.prompt) ?? "", promptId: asText(fields.prompt_id) };
    case "Stop": {
      const tasks = Array.isArray(fields.background_tasks) ? fields.background_tasks.length : 0;
      const continued = fields.stop_hook_active === true;
      return { is: "turn_ended", reply: asText(fields.last_assistant_message), backgroundTasks: tasks, continued };
    }
    case "StopFailure":
      return {
        is: "turn_failed",
        error: asText(fields.error) ?? "unknown",
        reply: asText(fields.last_assistant_message),
      };
    case "PermissionRequest":
      return { is: "dialog_opened", dialog: dialogIn(tool, asFields(fields.tool_input)) };
    case "PreToolUse":
      return isOfSubagent(fields) ? { is: "nothing" } : { is: "tool_started", tool };
    case "PostToolUse":
      return isOfSubagent(fields) ? { is: "nothing" } : { is: "tool_ended", tool };
    case "SessionStart":
      return { is: "conversation_started", source: asText(fields.source) ?? "startup" };
    case "SessionEnd":
      return { is: "conversation_ended", reason: asText(fields.reason) ?? "other" };
    case undefined:
      return telemetryIn(fields);
    default:
      return { is: "nothing" };
  }
}

/** A sub-agent's tools are not the conversation's: what an answer adds there, the agent itself never reads. */
function isOfSubagent(fields: Fields): boolean {
  return typeof fields.agent_id === "string";
}

/** The status line's input is the only payload without an event name. */
function telemetryIn(fields: Fields): Signal {
  const model = asFields(fields.model);
  const contextUsedPct = asNumber(asFields(fields.context_window).used_percentage);
  const costUsd = asNumber(asFields(fields.cost).total_cost_usd);
  const name = asText(model.display_name) ?? asText(model.id);
  if (name === null && contextUsedPct === null && costUsd === null) return { is: "nothing" };
  return { is: "telemetry", model: name, contextUsedPct, costUsd };
}

const QUESTION_TOOL = "AskUserQuestion";
/** What a person is shown of a tool's input; the rest is counted, never silently dropped. */
const SUMMARY_CHARS = 400;

function dialogIn(tool: string, input: Fields): DialogSeen {
  const questions = tool === QUESTION_TOOL ? questionsIn(input) : [];
  const [first, ...others] = questions;
  if (first === undefined) {
    return { kind: "permission", tool, summary: `${tool}: ${clip(subjectOf(input))}`, options: ["Yes", "No"] };
  }
  const summary = clip(questions.map(({ header, asks }) => (header === null ? asks : `${header}: ${asks}`)).join("\n"));
  // One label cannot answer several questions: those are answered in the terminal.
  return { kind: "question", tool, summary, options: others.length === 0 ? first.options : [] };
}

/** What the tool would act on, in the field where the well-known tools keep it; else all of its input. */
function subjectOf(input: Fields): string {
  const subject = asText(input.command) ?? asText(input.file_path) ?? asText(input.url);
  const description = asText(input.description);
  if (subject === null) return JSON.stringify(input);
  return description === null ? subject : `${subject}\n${description}`;
}

function clip(text: string): string {
  const more = text.length - SUMMARY_CHARS;
  return more <= 0 ? text : `${text.slice(0, SUMMARY_CHARS)}… (${more} more characters)`;
}

interface Question {
  header: string | null;
  asks: string;
  options: string[];
}

function questionsIn(input: Fields): Question[] {
  const questions = Array.isArray(input.questions) ? input.questions : [];
  return questions.map(asFields).flatMap((question) => {
    const asks = asText(question.question);
    const options = Array.isArray(question.options) ? question.options : [];
    const labels = options.map((option) => asText(asFields(option).label)).filter((label) => label !== null);
    return asks === null ? [] : [{ header: asText(question.header), asks, options: labels }];
  });
}

export const answers = {
  pass: (): unknown => ({}),
  // Newer versions put the blocked prompt back into the box as a draft. `continue: false` would leave the box empty, but
  // keeps the prompt in the conversation: the model reads it with its next turn (measured).
  blockPrompt: (reason: string): unknown => ({ decision: "block", reason }),
  // Not `decision: "block"`: 2.1.330 then shows its reason to the model twice, and calls it an error on the screen.
  handOver: (text: string): unknown => ({ hookSpecificOutput: { hookEventName: "Stop", additionalContext: text } }),
  note: (text: string): unknown => ({
    hookSpecificOutput: { hookEventName: "PostToolUse", additionalContext: text },
  }),
  decide(payload: unknown, decision: { allow: boolean; option: string | null; reason: string | null }): unknown {
    const { allow, option, reason } = decision;
    if (!allow) return permission({ behavior: "deny", message: reason ?? "Denied by a person through signalbox." });
    const fields = asFields(payload);
    const input = asFields(fields.tool_input);
    const [question] = fields.tool_name === QUESTION_TOOL ? questionsIn(input) : [];
    if (question === undefined || option === null) return permission({ behavior: "allow" });
    return permission({ behavior: "allow", updatedInput: { ...input, answers: { [question.asks]: option } } });
  },
};

function permission(decision: Fields): unknown {
  return { hookSpecificOutput: { hookEventName: "PermissionRequest", decision } };
}

function asFields(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

function asText(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function asNumber(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
