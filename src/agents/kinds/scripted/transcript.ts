// The conversation as JSON lines, in the line types of Claude Code's transcripts that signalbox reads. Begun with the
// first prompt, so a conversation that was never prompted cannot be resumed. Only ever appended to.

import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { projectsDirIn, transcriptFileIn } from "./home.ts";
import { INTERRUPT_LINE, INTERRUPT_LINE_IN_TOOL } from "./words.ts";

export interface Past {
  /** Prompts so far. */
  turns: number;
  firstPrompt: string | null;
}

export interface Transcript {
  readonly path: string;
  past(): Past;
  user(prompt: string, promptId: string): void;
  assistant(text: string): void;
  apiError(error: string): void;
  apiRequest(status: number, attempt: number): void;
  toolUse(toolUseId: string, tool: string, input: unknown): void;
  toolResult(toolUseId: string, text: string, isError: boolean): void;
  queueOperation(operation: "enqueue" | "dequeue", content: string): void;
  /** What a hook's answer added for the model. */
  hookContext(event: string, text: string): void;
  interrupted(inTool: boolean): void;
}

/** The file of a conversation, in whichever project it was begun; null when there is none. */
export function findTranscript(home: string, conversationId: string): string | null {
  const projects = projectsDirIn(home);
  const names = existsSync(projects) ? readdirSync(projects) : [];
  const path = names.map((name) => join(projects, name, `${conversationId}.jsonl`)).find((one) => existsSync(one));
  return path ?? null;
}

export function createTranscript(options: {
  home: string;
  cwd: string;
  conversationId: string;
  version: string;
  model: string;
  now: () => number;
  uuid: () => string;
}): Transcript {
  const { home, cwd, conversationId, version, model, now, uuid } = options;
  const path = findTranscript(home, conversationId) ?? transcriptFileIn(home, cwd, conversationId);
  let parentUuid: string | null = null;
  let begun = false;

  function append(line: Record<string, unknown>): void {
    const full = { ...line, sessionId: conversationId, timestamp: new Date(now()).toISOString() };
    appendFileSync(path, `${begin()}${JSON.stringify(full)}\n`, { mode: 0o600 });
  }

  /** Before the first line of this process: makes the folder, and ends a line that a killed process left unfinished. */
  function begin(): string {
    if (begun) return "";
    begun = true;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const before = existsSync(path) ? readFileSync(path, "utf8") : "";
    return before === "" || before.endsWith("\n") ? "" : "\n";
  }

  function turnLine(type: "user" | "assistant", line: Record<string, unknown>): void {
    const id = uuid();
    append({ type, uuid: id, parentUuid, cwd, version, isSidechain: false, ...line });
    parentUuid = id;
  }

  function say(content: unknown[], more: Record<string, unknown> = {}): void {
    const message = { role: "assistant", model, content, usage: { input_tokens: 0, output_tokens: 0 } };
    turnLine("assistant", { message, ...more });
  }

  return {
    path,
    past: () => readPast(existsSync(path) ? readFileSync(path, "utf8") : ""),
    user: (prompt, promptId) => turnLine("user", { promptId, message: { role: "user", content: prompt } }),
    assistant: (text) => say([{ type: "text", text }]),
    apiError: (error) => say([{ type: "text", text: `API Error: ${error}` }], { isApiErrorMessage: true, error }),
    apiRequest: (status, attempt) => append({ type: "api-request", status, attempt }),
    toolUse: (toolUseId, tool, input) => say([{ type: "tool_use", id: toolUseId, name: tool, input }]),
    toolResult(toolUseId, text, isError) {
      const content = [{ type: "tool_result", tool_use_id: toolUseId, content: text, is_error: isError }];
      turnLine("user", { message: { role: "user", content } });
    },
    queueOperation: (operation, content) => append({ type: "queue-operation", operation, content }),
    hookContext(event, text) {
      append({
        type: "attachment",
        attachment: { type: "hook_additional_context", content: [text], hookEvent: event },
      });
    },
    interrupted(inTool) {
      const text = inTool ? INTERRUPT_LINE_IN_TOOL : INTERRUPT_LINE;
      turnLine("user", { message: { role: "user", content: [{ type: "text", text }] } });
    },
  };
}

function readPast(text: string): Past {
  const prompts = text.split("\n").flatMap((line) => {
    // Plain strings are prompts; lists are tool results and interrupts.
    if (!line.startsWith('{"type":"user"')) return [];
    try {
      const content: unknown = JSON.parse(line).message?.content;
      return typeof content === "string" ? [content] : [];
    } catch {
      return []; // The last line of a killed process.
    }
  });
  return { turns: prompts.length, firstPrompt: prompts[0] ?? null };
}
