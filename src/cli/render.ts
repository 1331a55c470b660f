// A command's answer for a person. Three answers have a form of their own; all others are their fields, one a line.

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

function renderAuditLog({ entries, next_cursor }: Record<string, unknown>, looks: Looks): string {
  const columns = ["seq", "at", "actor", "role", "tool", "target", "outcome", "detail"];
  const heads = columns.map((text): Cell => ({ text: text.toUpperCase(), colour: "dim" }));
  const rows = (Array.isArray(entries) ? (entries as Record<string, unknown>[]) : []).map((entry) =>
    columns.map(
      (column): Cell => ({
        text: column === "detail" ? inWords(column, entry.detail ?? "") : cleanLine(String(entry[column] ?? "-")),
        colour: column === "outcome" && entry.outcome !== "ok" ? "yellow" : null,
      }),
    ),
  );
  const more = typeof next_cursor === "string" ? [`more: --cursor ${cleanLine(next_cursor)}`] : [];
  return `${[...table(looks, [heads, ...rows]), ...more].join("\n")}\n`;
}
