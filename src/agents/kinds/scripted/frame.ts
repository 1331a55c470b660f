// What the screen shows, as rows, and the fewest bytes that bring a terminal there. The layout is Claude Code's: history
// above, then either a dialog or the prompt box between two rules. Every row is clipped to the terminal's width.

import { type Dialog, dialogTitle } from "./dialogs.ts";
import { DIALOG_FOOTER, PROMPT_SIGN, RULE_SIGN } from "./words.ts";

export interface View {
  cols: number;
  rows: number;
  /** Oldest first; each entry may have many lines. */
  history: readonly string[];
  /** What the agent is doing, or null while it rests. */
  activity: string | null;
  queued: readonly string[];
  dialog: Dialog | null;
  /** Null while there is no prompt yet. */
  box: { draft: string; placeholder: string } | null;
  footer: string;
}

interface Row {
  text: string;
  /** Columns from which on the row is dim; absent = none. */
  dimFrom?: number;
}

export interface Frame {
  rows: Row[];
  /** Where the next character would appear; null hides the cursor. */
  cursor: { row: number; col: number } | null;
}

/** An entry begins with its sign; the rest is indented, so that nothing said can look like a rule or a dialog of ours. */
const INDENT = "  ";

/** Nobody sees more of one entry than this on a screen, and wrapping a megabyte takes a while. */
const ENTRY_CHARS_SHOWN = 8_000;

export function layOut(view: View): Frame {
  const bottom = view.dialog === null ? boxRows(view) : { rows: dialogRows(view, view.dialog), cursor: null };
  const above = Math.max(0, view.rows - bottom.rows.length);
  const history = historyRows(view, above);
  const rows = [...history, ...bottom.rows].slice(-view.rows);
  const cursor = bottom.cursor && { row: history.length + bottom.cursor.row, col: bottom.cursor.col };
  return { rows, cursor };
}

function historyRows(view: View, count: number): Row[] {
  const lines: string[] = [];
  for (let i = view.history.length - 1; i >= 0 && lines.length < count; i--) {
    const [first = "", ...more] = wrap(view.history[i] ?? "", view.cols - INDENT.length);
    lines.unshift(first, ...more.map((line) => INDENT + line));
  }
  return lines.slice(Math.max(0, lines.length - count)).map((text) => ({ text }));
}

function boxRows({ cols, rows, activity, queued, box, footer }: View): Frame {
  const head: Row[] = [];
  if (activity !== null) head.push({ text: "" }, { text: clip(`✻ ${activity}`, cols) });
  for (const text of queued) head.push({ text: clip(`  Queued: ${text.replaceAll("\n", " ")}`, cols), dimFrom: 0 });
  if (box === null) return { rows: head, cursor: null };

  const rule: Row = { text: RULE_SIGN.repeat(cols) };
  const below: Row[] = [rule, { text: clip(`  ${footer}`, cols), dimFrom: 0 }];
  if (box.draft === "") {
    const line: Row = { text: clip(`${PROMPT_SIGN} ${box.placeholder}`, cols), dimFrom: 2 };
    return { rows: [...head, rule, line, ...below], cursor: { row: head.length + 1, col: 2 } };
  }
  const lines = wrap(box.draft, cols - 3).slice(-Math.max(1, Math.floor(rows / 2)));
  const typed = lines.map((text, index) => ({ text: `${index === 0 ? PROMPT_SIGN : " "} ${text}` }));
  const col = Math.min(cols - 1, 2 + widthOf(lines.at(-1) ?? ""));
  return { rows: [...head, rule, ...typed, ...below], cursor: { row: head.length + typed.length, col } };
}

function dialogRows({ cols, rows }: View, dialog: Dialog): Row[] {
  const options = dialog.options.map((label, index) => {
    const sign = index === dialog.selected ? PROMPT_SIGN : " ";
    return { text: clip(` ${sign} ${index + 1}. ${label.replaceAll("\n", " ")}`, cols) };
  });
  const body = dialog.body.flatMap((line) => wrap(line, cols - 4)).map((text) => ({ text: `    ${text}` }));
  const fixed = options.length + 6;
  return [
    { text: RULE_SIGN.repeat(cols) },
    { text: clip(` ${dialogTitle(dialog)}`, cols) },
    ...body.slice(0, Math.max(0, rows - fixed)),
    { text: "" },
    { text: clip(` ${dialog.asks.replaceAll("\n", " ")}`, cols) },
    ...options,
    { text: "" },
    { text: clip(` ${DIALOG_FOOTER}`, cols), dimFrom: 0 },
  ];
}

export interface Painter {
  /** Brings the terminal from what it was last painted with to `frame`. */
  paint(frame: Frame): void;
  /** Forgets what the terminal shows, so that the next paint draws everything. */
  forget(): void;
}

export function createPainter(write: (bytes: string) => void): Painter {
  let shown: string[] = [];
  let fresh = true;
  return {
    forget() {
      fresh = true;
    },
    paint({ rows, cursor }) {
      const next = rows.map(styled);
      let bytes = fresh ? "\x1b[2J" : "";
      const height = Math.max(next.length, fresh ? 0 : shown.length);
      for (let row = 0; row < height; row++) {
        const line = next[row] ?? "";
        if (!fresh && shown[row] === line) continue;
        bytes += `\x1b[${row + 1};1H${line}\x1b[K`;
      }
      // The cursor is placed last and always, because drawing moves it.
      bytes += cursor === null ? "\x1b[?25l" : `\x1b[${cursor.row + 1};${cursor.col + 1}H\x1b[?25h`;
      shown = next;
      fresh = false;
      write(`${FRAME_BEGIN}${bytes}${FRAME_END}`);
    },
  };
}

/** Synchronized output (DECSET 2026): whoever looks in between waits for the whole frame. */
const FRAME_BEGIN = "\x1b[?2026h";
const FRAME_END = "\x1b[?2026l";

function styled({ text, dimFrom }: Row): string {
  if (dimFrom === undefined) return text;
  return `${text.slice(0, dimFrom)}\x1b[2m${text.slice(dimFrom)}\x1b[22m`;
}

/** Lines of at most `width` columns. Control characters are left out: what is shown must not steer the terminal. */
function wrap(text: string, width: number): string[] {
  const room = Math.max(1, width);
  const shown = text.slice(-ENTRY_CHARS_SHOWN).replaceAll(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, "");
  return shown.split("\n").flatMap((line) => {
    if (NARROW.test(line)) return cut(line, room);
    const lines: string[] = [];
    let current = "";
    let used = 0;
    for (const char of line) {
      const wide = widthOf(char);
      if (used + wide > room) {
        lines.push(current);
        current = "";
        used = 0;
      }
      current += char;
      used += wide;
    }
    return [...lines, current];
  });
}

/** One column each: most of what is ever shown, and every frame lays out all of it anew. */
const NARROW = /^[ -~]*$/;

function cut(line: string, length: number): string[] {
  return Array.from({ length: Math.max(1, Math.ceil(line.length / length)) }, (_, index) =>
    line.slice(index * length, (index + 1) * length),
  );
}

function clip(text: string, width: number): string {
  return wrap(text.replaceAll("\n", " "), width)[0] ?? "";
}

/** Columns a terminal gives to the text: near enough, and a wrong guess shortens a row, nothing more. */
function widthOf(text: string): number {
  if (NARROW.test(text)) return text.length;
  let width = 0;
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    if (/\p{Mark}/u.test(char) || code === 0x200d || code === 0x200c) continue;
    width += WIDE.some(([from, to]) => code >= from && code <= to) ? 2 : 1;
  }
  return width;
}

/** East Asian wide blocks and emoji (Unicode Standard Annex 11, the large blocks only). */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0xa4cf],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1faff],
  [0x20000, 0x3fffd],
];
