// What a Claude Code transcript says about turns, and to a person. Pure. Lines of kinds we do not know, sub-agents'
// lines, and the torn last line of a killed process say nothing.

import type { TurnLine } from "../../kind.ts";
import { transcriptLines } from "../transcript-lines.ts";

type Entry =
  | { is: "prompt" | "queued" | "taken_back" | "joined" | "reply"; text: string }
  | { is: "tool"; text: string }
  | { is: "tool_result"; text: string }
  | { is: "api_error"; text: string }
  | { is: "interrupt" };

/** In order of their timestamps: the program writes its lines side by side, and a reply may stand before its prompt. */
export function turnLines(text: string): TurnLine[] {
  return inOrder(text).flatMap((line) =>
    readLine(line).flatMap((entry): TurnLine[] => {
      if (entry.is === "tool" || entry.is === "tool_result") return [];
      const at = line.timestamp ?? "";
      // Attempts that are followed by another one leave no message.
      return entry.is === "api_error" ? [{ ...entry, at, isFinal: true }] : [{ ...entry, at }];
    }),
  );
}

/** A process that dies within some 100 ms of its first prompt leaves a transcript in which nothing was said; the program
 *  answers --resume with "No conversation found" then (measured, oldest and newest version). */
export function isResumable(text: string): boolean {
  return readEntries(text).some((entry) => entry.is === "prompt" || entry.is === "reply");
}

/** The last `lines` lines of the conversation as plain text. */
export function renderTranscript(text: string, lines: number): string {
  if (lines <= 0) return "";
  return readEntries(text).map(render).join("\n").split("\n").slice(-lines).join("\n");
}

function render(entry: Entry): string {
  switch (entry.is) {
    case "prompt":
    case "joined":
      return `> ${entry.text}`;
    case "queued":
      return `(queued) ${entry.text}`;
    case "taken_back":
      return `(taken back) ${entry.text}`;
    case "reply":
      return entry.text;
    case "tool":
      return `[tool] ${entry.text}`;
    case "tool_result":
      return `[result] ${entry.text}`;
    case "api_error":
      return `[API error] ${entry.text}`;
    case "interrupt":
      return "[interrupted]";
  }
}

interface Line {
  type?: string;
  /** ISO 8601 in UTC, so that the order of the words is the order of the times. */
  timestamp?: string;
  isSidechain?: boolean;
  isMeta?: boolean;
  origin?: { kind?: string };
  isApiErrorMessage?: boolean;
  operation?: string;
  content?: unknown;
  attachment?: Attachment;
  message?: { content?: unknown };
}

interface Attachment {
  type?: string;
  prompt?: unknown;
  content?: unknown;
  hookEvent?: string;
}

interface Part {
  type?: string;
  text?: string;
  name?: string;
  input?: unknown;
  content?: unknown;
}

function readEntries(text: string): Entry[] {
  return inOrder(text).flatMap(readLine);
}

function inOrder(text: string): Line[] {
  const lines: Line[] = transcriptLines(text);
  return lines
    .filter((line) => line.isSidechain !== true)
    .sort((a, b) => (a.timestamp ?? "").localeCompare(b.timestamp ?? ""));
}

function readLine(line: Line): Entry[] {
  const parts = partsOf(line.message?.content);
  switch (line.type) {
    case "user":
      // What another agent sent is marked as the program's own words, yet it begins a turn like any prompt.
      return line.isMeta === true && line.origin?.kind !== "peer" ? [] : readUserParts(parts);
    case "assistant":
      return parts.flatMap((part) => readAssistantPart(part, line.isApiErrorMessage === true));
    case "queue-operation": {
      const text = plainText(line.content);
      if (line.operation === "enqueue") return [{ is: "queued", text }];
      // `dequeue` and `remove` hand it over; only `popAll` puts it back into the box.
      return line.operation === "popAll" ? [{ is: "taken_back", text }] : [];
    }
    case "attachment":
      return readAttachment(line.attachment ?? {});
    default:
      return [];
  }
}

/** What came in beside the prompts: a queued prompt that joined the running turn between two tool calls, and what our
 *  answers to hooks added. The one to a turn's end begins the next turn. */
function readAttachment({ type, prompt, content, hookEvent }: Attachment): Entry[] {
  if (type === "queued_command") return [{ is: "joined", text: plainText(prompt) }];
  if (type !== "hook_additional_context" || !Array.isArray(content)) return [];
  return [{ is: hookEvent === "Stop" ? "prompt" : "joined", text: content.map(String).join("\n") }];
}

/** The texts of a prompt belong together; tool results and the interruption note come as user lines too. */
function readUserParts(parts: Part[]): Entry[] {
  const results = parts.filter((part) => part.type === "tool_result");
  const text = plainText(parts);
  const entries: Entry[] = results.map((part) => ({ is: "tool_result", text: plainText(part.content) }));
  if (/^\[Request interrupted by user( for tool use)?\]$/.test(text)) return [...entries, { is: "interrupt" }];
  return text === "" ? entries : [...entries, { is: "prompt", text }];
}

function readAssistantPart({ type, text, name, input }: Part, isApiError: boolean): Entry[] {
  if (type === "tool_use") return [{ is: "tool", text: `${name} ${JSON.stringify(input)}` }];
  if (type !== "text" || text === undefined) return [];
  return isApiError ? [{ is: "api_error", text: text.replace(/^API Error: /, "") }] : [{ is: "reply", text }];
}

function partsOf(content: unknown): Part[] {
  if (typeof content === "string") return [{ type: "text", text: content }];
  return Array.isArray(content) ? (content as Part[]) : [];
}

function plainText(content: unknown): string {
  return partsOf(content)
    .flatMap((part) => (part?.type === "text" && typeof part.text === "string" ? [part.text] : []))
    .join("\n");
}
