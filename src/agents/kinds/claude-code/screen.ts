// What Claude Code's screen shows, in the port's words: the prompt box, or a dialog. Pure. Both are known by structure:
// the full-width rules around them, the sign at the left, the options in one column, and the (hidden) cursor, which the
// program parks on whatever has the focus. Words decide only what a dialog is called, never whether there is one; and what
// an agent or a message says is always indented, so it can imitate neither rule nor sign.

import type { Screen } from "../../../terminals/terminal.ts";
import type { DialogSeen, ScreenReading } from "../../kind.ts";

const NOTHING: ScreenReading = { promptBox: "absent", draft: "", isStashed: false, dialog: null };

/** Prompt sign, or the sign of shell mode, in the first column. */
const BOX_SIGN = /^[❯!](\s|$)/u;
/** Stands at the right end of the row above the box: "draft stashed" in 2.1.330, "› stashed" in 2.1.197. */
const STASHED = / (?:draft|›) stashed$/u;
/** Text in the box starts here: the sign and a blank stand before it. */
const BOX_TEXT_COL = 2;

export function readScreen(screen: Screen): ScreenReading {
  const box = findBox(screen);
  if (box !== null) return readBox(screen, box);
  const dialog = readDialog(screen);
  return dialog === null ? NOTHING : { ...NOTHING, dialog };
}

/** The program writes no attempt's error anywhere but here (the first attempts say "API error" only). In the first columns, where
 *  nothing that an agent or a message says can stand. */
export function readApiTrouble(screen: Screen): string | null {
  const line = screen.lines.findLast((text) => API_RETRY.test(text.trimEnd())) ?? "";
  const [, error, attempt] = API_RETRY.exec(line.trimEnd()) ?? [];
  return error === undefined ? null : `${error}, attempt ${attempt}`;
}

const API_RETRY = /^[^\s\w] (\S.*) · retrying in [^·]+ · attempt (\d+\/\d+)$/iu;

/** Rows of the box between its rules: from `top` up to but without `end`. */
interface Box {
  top: number;
  end: number;
}

function findBox(screen: Screen): Box | null {
  const rules = screen.lines.flatMap((line, row) => (isRule(line, screen.size.cols) ? [row] : []));
  const [above, below] = rules.slice(-2);
  if (above === undefined || below === undefined || !BOX_SIGN.test(screen.lines[above + 1] ?? "")) return null;
  const isFocused = screen.cursor.row > above && screen.cursor.row < below;
  const isRest = screen.lines.slice(above + 2, below).every((line) => /^( {2}|$)/.test(line));
  return isFocused && isRest ? { top: above + 1, end: below } : null;
}

/** A rule runs through the whole width; the agent's name may stand in it near the right end, and near the left, over a prompt that
 *  was called back, its place in the history. */
function isRule(line: string, cols: number): boolean {
  const plain = line.replace(/^─{3} History \d+\/\d+ ─/u, "─".repeat(8));
  return line.length >= cols - 1 && /^─{8}/.test(plain) && /^─+( [^─]+ ─+)?$/.test(plain);
}

function readBox(screen: Screen, { top, end }: Box): ScreenReading {
  // Placeholders and suggestions are dim; what a person typed is not.
  const rows = screen.brightLines.slice(top, end);
  const draft = rows
    .map((row) => row.slice(BOX_TEXT_COL))
    .join("\n")
    .trim();
  const sign = (screen.lines[top] ?? "").startsWith("!") ? "!" : "";
  // Typed blanks leave no ink, but they move the cursor.
  const isAtStart = screen.cursor.row === top && screen.cursor.col <= BOX_TEXT_COL;
  const isUnwritten = draft === "" || isCursorOnPlaceholder(draft, (screen.lines[top] ?? "").slice(BOX_TEXT_COL));
  const isEmpty = isUnwritten && sign === "" && isAtStart;
  const isStashed = STASHED.test(screen.lines[top - 2] ?? "");
  return { promptBox: isEmpty ? "empty" : "draft", draft: isEmpty ? "" : sign + draft, isStashed, dialog: null };
}

/** The cursor is drawn as one bright cell, also over the first letter of a placeholder; what follows it there is dim. */
function isCursorOnPlaceholder(draft: string, line: string): boolean {
  return [...draft].length === 1 && line.startsWith(draft) && line.trimEnd() !== draft;
}

interface Option {
  row: number;
  label: string;
  isSelected: boolean;
}

function readDialog(screen: Screen): ScreenReading["dialog"] {
  const { lines, size } = screen;
  // A panel begins at its rule; without one (scrolled off by a tall question) only the last row tells that this is one.
  const rule = lines.findIndex((line) => isRule(line, size.cols) || isPanelEdge(line, size.cols));
  const footer = lines.findLast((line) => line.trim() !== "") ?? "";
  if (rule < 0 && !/\b(Enter|Esc) to \w/.test(footer)) return null;
  const first = rule + 1;
  const numbered = numberedOptions(lines, first, size.cols);
  const options = numbered ?? plainOptions(lines, first);
  if (options === null) return null;
  const head = headOf(lines.slice(first, options[0]?.row));
  return {
    ...describe(head, options, numbered !== null),
    options: options.map((option) => option.label),
    selected: options.findIndex((option) => option.isSelected),
  };
}

function isPanelEdge(line: string, cols: number): boolean {
  return line.length >= cols - 1 && /^▔+$/.test(line);
}

/** The lowest run 1., 2., 3. … in one column, one of them under the pointer. */
function numberedOptions(lines: readonly string[], first: number, cols: number): Option[] | null {
  for (let start = lines.length - 1; start >= first; start--) {
    const one = /^( *)(❯ )?( *)1\. /u.exec(lines[start] ?? "");
    if (one === null) continue;
    const col = one[0].length - "1. ".length;
    const options: Option[] = [];
    for (let row = start; row < lines.length; row++) {
      const line = lines[row] ?? "";
      const number = `${options.length + 1}. `;
      const before = line.slice(0, col);
      if (line.startsWith(number, col) && /^ *(❯ )? *$/u.test(before)) {
        options.push({ row, label: labelIn(line.slice(col + number.length)), isSelected: before.includes("❯") });
      } else if (isWrapped(lines[row - 1] ?? "", line, cols) && options.at(-1)?.row === row - 1) {
        const last = options.at(-1);
        if (last) last.label = `${last.label} ${labelIn(line.trim())}`;
      }
    }
    if (options.some((option) => option.isSelected)) return options;
  }
  return null;
}

/** The row under the pointer and the rows directly above and below whose text begins in the same column. */
function plainOptions(lines: readonly string[], first: number): Option[] | null {
  const pointer = lines.findLastIndex((line, row) => row >= first && /^ +❯ \S/u.test(line));
  if (pointer < 0) return null;
  const col = (lines[pointer] ?? "").indexOf("❯") + 2;
  const isOption = (row: number) =>
    row >= first && /^ *(❯ )?$/u.test((lines[row] ?? "").slice(0, col)) && hasTextAt(row);
  const hasTextAt = (row: number) => /^\S/.test((lines[row] ?? "").slice(col));
  let [from, to] = [pointer, pointer];
  while (isOption(from - 1)) from--;
  while (isOption(to + 1)) to++;
  const rows = Array.from({ length: to - from + 1 }, (_, i) => from + i);
  return rows.map((row) => ({ row, label: labelIn((lines[row] ?? "").slice(col)), isSelected: row === pointer }));
}

/** A second column (a description) is not part of the label. */
function labelIn(text: string): string {
  return (text.trim().split(/ {2,}/)[0] ?? "").trim();
}

/** True when `line` goes on with the row above, which had no room left for its first word. */
function isWrapped(above: string, line: string, cols: number): boolean {
  const word = /^ +(\S+)/.exec(line)?.[1];
  const isColumns = / {3,}\S/.test(above.trim());
  return word !== undefined && !isColumns && above.length + 1 + word.length > cols - 4;
}

/** What stands above the options, without decoration: title first, question last. */
function headOf(lines: readonly string[]): string[] {
  return lines
    .map((line) => line.trim())
    .filter((line) => line !== "" && !/^[─╌▔]+$/.test(line) && !/^(Tip: |https?:)/.test(line));
}

const SUMMARY_CHARS = 400;

function describe(
  head: readonly string[],
  options: readonly Option[],
  isNumbered: boolean,
): Omit<DialogSeen, "options"> {
  const text = head.join("\n");
  const summary = text.length > SUMMARY_CHARS ? `${text.slice(0, SUMMARY_CHARS)}…` : text;
  const title = head[0] ?? "";
  if (options.some((option) => /trust this folder/i.test(option.label))) return { kind: "trust", tool: null, summary };
  if (isNumbered && /^[☐☒✔]/u.test(title)) return { kind: "question", tool: "AskUserQuestion", summary };
  if (/API key|Bypass Permissions|Settings Warning|renderer/.test(text))
    return { kind: "startup", tool: null, summary };
  const isPermission = isNumbered && /^(Do you want to|Would you like to|Claude wants to)\b/.test(head.at(-1) ?? "");
  return { kind: isPermission ? "permission" : "other", tool: isPermission ? toolIn(title) : null, summary };
}

/** The tool behind a permission dialog's title, where the title leaves no doubt. */
function toolIn(title: string): string | null {
  if (title === "Bash command") return "Bash";
  if (title === "Create file") return "Write";
  if (title === "Edit file") return "Edit";
  return null;
}
