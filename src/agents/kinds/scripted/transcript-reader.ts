// What a scripted agent's transcript says about turns, and to a person. Pure. A line that cannot be read (the last
// one of a killed process) says nothing.

import type { TurnLine } from "../../kind.ts";
import { transcriptLines } from "../transcript-lines.ts";
import { INTERRUPT_LINE, INTERRUPT_LINE_IN_TOOL } from "./words.ts";

type Line =
  | { is: "prompt" | "queued" | "joined" | "reply"; text: string }
  | { is: "tool"; text: string }
  | { is: "tool_result"; text: string }
  | { is: "api_error"; text: string; isFinal: boolean }
  | { is: "interrupt" };

/** In the order of the file, which is theirs. */
export function turnLines(text: string): TurnLine[] {
  return transcriptLines(text)
    .flatMap(readLine)
    .flatMap((line): TurnLine[] => (line.is === "tool" || line.is === "tool_result" ? [] : [{ ...line, at: "" }]));
}

/** The last `count` lines of the conversation as plain text. */
export function renderTranscript(text: string, count: number): string {
  const rendered = transcriptLines(text).flatMap(readLine).map(renderLine).join("\n");
  return rendered.split("\n").slice(-count).join("\n");
}

function renderLine(line: Line): string {
  switch (line.is) {
    case "prompt":
    case "joined":
      return `> ${line.text}`;
    case "queued":
      return `(queued) ${line.text}`;
    case "reply":
      return line.text;
    case "tool":
      return `[tool] ${line.text}`;
    case "tool_result":
      return `[result] ${line.text}`;
    case "api_error":
      return `[API error] ${line.text}`;
    case "interrupt":
      return "[interrupted]";
  }
}

interface RawLine {
  type?: string;
  operation?: string;
  attachment?: { type?: string; content?: unknown };
  content?: unknown;
  status?: number;
  attempt?: number;
  isApiErrorMessage?: boolean;
  message?: { content?: string | RawPart[] };
}

interface RawPart {
  type?: string;
  text?: string;
  name?: string;
  input?: unknown;
  content?: unknown;
}

function readLine(raw: RawLine): Line[] {
  if (raw.type === "queue-operation") {
    return raw.operation === "enqueue" ? [{ is: "queued", text: String(raw.content) }] : [];
  }
  if (raw.type === "attachment") {
    const { type, content } = raw.attachment ?? {};
    return type === "hook_additional_context" ? [{ is: "joined", text: String(content) }] : [];
  }
  if (raw.type === "api-request") {
    return [{ is: "api_error", text: `${raw.status}, attempt ${raw.attempt}`, isFinal: false }];
  }
  const content = raw.message?.content;
  if (raw.type === "user" && typeof content === "string") return [{ is: "prompt", text: content }];
  if (!Array.isArray(content)) return [];
  if (raw.type === "user") return content.flatMap(readUserPart);
  if (raw.type === "assistant")
    return content.flatMap((part) => readAssistantPart(part, raw.isApiErrorMessage === true));
  return [];
}

function readUserPart({ type, text, content }: RawPart): Line[] {
  if (type === "tool_result") return [{ is: "tool_result", text: String(content) }];
  return text === INTERRUPT_LINE || text === INTERRUPT_LINE_IN_TOOL ? [{ is: "interrupt" }] : [];
}

function readAssistantPart({ type, text, name, input }: RawPart, isApiError: boolean): Line[] {
  if (type === "tool_use") return [{ is: "tool", text: `${name}(${JSON.stringify(input)})` }];
  if (type !== "text" || text === undefined) return [];
  if (!isApiError) return [{ is: "reply", text }];
  return [{ is: "api_error", text: text.replace(/^API Error: /, ""), isFinal: true }];
}
