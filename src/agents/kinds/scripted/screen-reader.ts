// What a scripted agent's screen shows, in the port's words: the prompt box between its two rules, or a dialog below
// one. Pure. Rules and dialogs start in the first columns, where nothing an agent or a message says is ever drawn.

import type { Screen } from "../../../terminals/terminal.ts";
import type { DialogSeen, ScreenReading } from "../../kind.ts";
import { DIALOG_FOOTER, DIALOG_TITLES, type DialogKind, PROMPT_SIGN, RULE_SIGN, STASHED_SIGN } from "./words.ts";

const KIND_OF_DIALOG: Record<DialogKind, DialogSeen["kind"]> = {
  trust: "trust",
  permission: "permission",
  question: "question",
  startup: "startup",
};

export function readScreen(screen: Screen): ScreenReading {
  const rules = screen.lines.flatMap((line, row) => (isRule(line) ? [row] : []));
  const last = rules.at(-1);
  const nothing = { promptBox: "absent", draft: "", isStashed: false, dialog: null } as const;
  if (last === undefined) return nothing;
  const dialog = readDialog(screen.lines.slice(last + 1));
  if (dialog !== null) return { ...nothing, dialog };
  const first = rules.at(-2);
  const isBox = first !== undefined && (screen.lines[first + 1] ?? "").startsWith(PROMPT_SIGN);
  if (!isBox) return nothing;
  const draft = screen.brightLines
    .slice(first + 1, last)
    .map((line) => line.slice(2))
    .join("\n")
    .trimEnd();
  const isStashed = (screen.lines[last + 1] ?? "").endsWith(STASHED_SIGN);
  return { promptBox: draft === "" ? "empty" : "draft", draft, isStashed, dialog: null };
}

function isRule(line: string): boolean {
  return line.length > 0 && line === RULE_SIGN.repeat(line.length);
}

/** The dialog in the rows below the last rule; null when they are none. */
function readDialog(rows: string[]): ScreenReading["dialog"] {
  const footer = rows.findLastIndex((row) => row.trim() === DIALOG_FOOTER);
  const title = /^ (\w+): (.*)$/.exec(rows[0] ?? "");
  const kind = (Object.keys(DIALOG_TITLES) as DialogKind[]).find((one) => DIALOG_TITLES[one] === title?.[1]);
  if (footer < 0 || title === null || kind === undefined) return null;

  const options: string[] = [];
  let selected = 0;
  let row = footer - 2; // A blank row stands between the options and the footer.
  for (; row > 0; row--) {
    const option = /^ (.) \d+\. (.*)$/u.exec(rows[row] ?? "");
    if (option === null) break;
    options.unshift(option[2] ?? "");
    if (option[1] === PROMPT_SIGN) selected = row;
  }
  if (options.length === 0) return null;
  const subject = title[2] ?? "";
  const asks = (rows[row] ?? "").trim();
  return {
    kind: KIND_OF_DIALOG[kind],
    tool: kind === "permission" ? subject : null,
    summary: `${subject}: ${asks}`,
    options,
    selected: selected - row - 1,
  };
}
