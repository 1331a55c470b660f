// A scripted agent's hook payloads in the words all kinds share, and the answers its hooks understand. Pure. Payloads come
// over a socket from a process that anybody may have replaced, so nothing in them is trusted to have a shape.

import type { ConversationId } from "../../../kernel/ids.ts";
import type { DialogSeen, HookReport, Signal } from "../../kind.ts";
import { PERMISSION_OPTIONS } from "./dialogs.ts";
import { QUESTION_TOOL } from "./words.ts";

type Fields = Record<string, unknown>;

export function translate(payload: unknown): HookReport {
  const fields = asFields(payload);
  const id = text(fields.session_id);
  return { conversationId: id === null ? null : (id as ConversationId), signal: signalIn(fields) };
}

function signalIn(fields: Fields): Signal {
  const tool = text(fields.tool_name) ?? "";
  switch (fields.hook_event_name) {
    case "UserPromptSubmit":
      return { is: "prompt_submitted", prompt: text(fields.prompt) ?? "", promptId: text(fields.prompt_id) };
    case "Stop": {
      const tasks = Array.isArray(fields.background_tasks) ? fields.background_tasks.length : 0;
      const continued = fields.stop_hook_active === true;
      return { is: "turn_ended", reply: text(fields.last_assistant_message), backgroundTasks: tasks, continued };
    }
    case "StopFailure":
      return {
        is: "turn_failed",
        error: text(fields.error) ?? "unknown",
        reply: text(fields.last_assistant_message),
      };
    case "PermissionRequest":
      return { is: "dialog_opened", dialog: dialogIn(tool, asFields(fields.tool_input)) };
    case "PreToolUse":
      return { is: "tool_started", tool };
    case "PostToolUse":
      return { is: "tool_ended", tool };
    case "SessionStart":
      return { is: "conversation_started", source: text(fields.source) ?? "startup" };
    case "SessionEnd":
      return { is: "conversation_ended", reason: text(fields.reason) ?? "other" };
    default:
      return { is: "nothing" };
  }
}

/** How much of a tool's input a person is shown to decide on. */
const SUMMARY_CHARS = 200;

function dialogIn(tool: string, input: Fields): DialogSeen {
  const question = tool === QUESTION_TOOL ? questionIn(input) : null;
  if (question !== null) {
    const { header, asks, options } = question;
    return { kind: "question", tool: null, summary: `${header}: ${asks}`, options };
  }
  const summary = `${tool}: ${JSON.stringify(input).slice(0, SUMMARY_CHARS)}`;
  return { kind: "permission", tool, summary, options: [...PERMISSION_OPTIONS] };
}

function questionIn(input: Fields): { header: string; asks: string; options: string[] } | null {
  const questions = Array.isArray(input.questions) ? input.questions : [];
  const first = asFields(questions[0]);
  const asks = text(first.question);
  if (asks === null) return null;
  const options = Array.isArray(first.options) ? first.options : [];
  return {
    header: text(first.header) ?? "Question",
    asks,
    options: options.map((option) => text(asFields(option).label) ?? ""),
  };
}

export const answers = {
  pass: (): unknown => ({}),
  blockPrompt: (reason: string): unknown => ({ decision: "block", reason }),
  handOver: (order: string): unknown => ({ decision: "block", reason: order }),
  note: (note: string): unknown => ({ hookSpecificOutput: { hookEventName: "PostToolUse", additionalContext: note } }),
  decide(payload: unknown, decision: { allow: boolean; option: string | null; reason: string | null }): unknown {
    const { allow, option, reason } = decision;
    const input = asFields(asFields(payload).tool_input);
    const question = questionIn(input);
    if (!allow) return permission({ behavior: "deny", message: reason ?? "Denied by a person through signalbox." });
    if (question === null || option === null) return permission({ behavior: "allow" });
    return permission({ behavior: "allow", updatedInput: { ...input, answers: { [question.asks]: option } } });
  },
};

function permission(decision: Fields): unknown {
  return { hookSpecificOutput: { hookEventName: "PermissionRequest", decision } };
}

function asFields(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
