// A command's answer for a person. Some answers have a form of their own; all others are their fields, one a line.

import { levelWords, renderStatus, type Status } from "./status.ts";
import { type Cell, clean, cleanLine, type Looks, paint, table } from "./text.ts";

/** Ends with a newline. */
export function renderAnswer(command: string, result: Record<string, unknown>, looks: Looks, nowMs: number): string {
  switch (command) {
    case "get_session_status":
      return renderStatus(result as unknown as Status, looks, nowMs);
    case "read_agent":
      return `${clean(String(result.text ?? "")).trimEnd()}\n`;
    case "get_audit_log":
      return renderAuditLog(result, looks);
    case "list_messages":
      return renderMessages(result, looks, {
        columns: ["message_id", "agent_name", "sender", "state", "accepted_at", "failure", "text"],
        ifNone: "No message. (Without --state, only those are listed that never arrived and were not sent again.)",
      });
    case "broadcast_message":
      return renderMessages(result, looks, {
        columns: ["message_id", "agent_id", "state", "accepted_at"],
        ifNone: "No agent is there to be sent to.",
      });
    default:
      return renderFields(result, looks);
  }
}

/** Name and value, with what has several lines at the end, where it can be read and copied. */
function renderFields(result: Record<string, unknown>, looks: Looks): string {
  const rows: Cell[][] = [];
  const blocks: string[] = [];
  for (const [name, value] of Object.entries(result)) {
    if (value === null) continue;
    if (typeof value === "string" && value.includes("\n"))
      blocks.push("", paint(looks, "dim", name), clean(value).trimEnd());
    else rows.push([{ text: cleanLine(name), colour: "dim" }, { text: inWords(name, value) }]);
  }
  // Nothing is cut here: an id or a token must be whole.
  return `${[...table({ ...looks, width: Number.POSITIVE_INFINITY }, rows), ...blocks].join("\n")}\n`;
}

function inWords(name: string, value: unknown): string {
  if (name === "security_level") return levelWords(String(value));
  if (typeof value !== "object" || value === null) return cleanLine(String(value));
  const parts = Object.entries(value).filter(([, part]) => part !== null && part !== "");
  return cleanLine(
    parts.map(([part, of]) => `${part}: ${typeof of === "object" ? JSON.stringify(of) : of}`).join(", "),
  );
}

function renderMessages(
  { messages, next_cursor }: Record<string, unknown>,
  looks: Looks,
  { columns, ifNone }: { columns: readonly string[]; ifNone: string },
): string {
  if (Array.isArray(messages) && messages.length === 0) return `${ifNone}\n`;
  const isTrouble = (column: string, value: unknown) =>
    column === "state" && ["failed", "expired", "unknown"].includes(String(value));
  return renderPage({ columns, rows: messages, nextCursor: next_cursor, isTrouble }, looks);
}

function renderAuditLog({ entries, next_cursor }: Record<string, unknown>, looks: Looks): string {
  const columns = ["seq", "at", "actor", "role", "tool", "target", "outcome", "detail"];
  const isTrouble = (column: string, value: unknown) => column === "outcome" && value !== "ok";
  return renderPage({ columns, rows: entries, nextCursor: next_cursor, isTrouble }, looks);
}

interface Page {
  /** The roomiest last. */
  columns: readonly string[];
  rows: unknown;
  nextCursor: unknown;
  isTrouble: (column: string, value: unknown) => boolean;
}

function renderPage({ columns, rows, nextCursor, isTrouble }: Page, looks: Looks): string {
  const heads = columns.map((text): Cell => ({ text: text.toUpperCase().replaceAll("_", " "), colour: "dim" }));
  const cellOf = (column: string, value: unknown): Cell => ({
    text: inWords(column, value ?? "-"),
    colour: isTrouble(column, value) ? "yellow" : null,
  });
  const list = Array.isArray(rows) ? (rows as Record<string, unknown>[]) : [];
  const body = list.map((row) => columns.map((column) => cellOf(column, row[column])));
  const more = typeof nextCursor === "string" ? [`more: --cursor ${cleanLine(nextCursor)}`] : [];
  return `${[...table(looks, [heads, ...body]), ...more].join("\n")}\n`;
}
