// Text on its way to a person's terminal: cleaned of everything that could drive that terminal, measured in cells,
// coloured only where colour is wanted. What is shown is decided elsewhere.

import { stripVTControlCharacters } from "node:util";

/** Where text goes, as far as its looks depend on it. */
export interface Looks {
  /** Cells in a line; infinite where nobody reads columns (a pipe, a file). */
  width: number;
  hasColour: boolean;
}

export type Colour = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

const CODES: Record<Colour, number> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 };

/** Escape sequences go as wholes first, then every control character left (C0 but newline and tab, DEL, C1), and the marks
 *  that reorder a line under the reader's eyes. Written by agents, such text would otherwise drive the operator's
 *  terminal: move the cursor, set the clipboard, fake a prompt. */
export function clean(text: string): string {
  return stripVTControlCharacters(text)
    .replaceAll("\r\n", "\n")
    .replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, (mark) =>
      mark === "\n" || mark === "\t" ? mark : "",
    );
}

/** The same on one line: any run of blanks and line ends is one blank. */
export function cleanLine(text: string): string {
  return clean(text).replace(/\s+/g, " ").trim();
}

/** JSON that no terminal obeys either: JSON.stringify leaves DEL and C1 as they are, and 0x9b alone begins a sequence. */
export function jsonLine(value: unknown): string {
  const asCode = (mark: string) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value).replace(/[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, asCode);
}

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** East Asian wide and fullwidth ranges (Unicode UAX #11) and emoji that are drawn as pictures take two cells. */
const WIDE =
  /^(?:[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|.\ufe0f)/u;

function cellsOf(grapheme: string): number {
  return WIDE.test(grapheme) ? 2 : /^\p{M}/u.test(grapheme) ? 0 : 1;
}

/** Cells the text takes on a terminal. The text is clean and on one line. */
export function cells(text: string): number {
  let sum = 0;
  for (const { segment } of graphemes.segment(text)) sum += cellsOf(segment);
  return sum;
}

/** At most `width` cells of it, an ellipsis in place of what is cut. */
export function truncate(text: string, width: number): string {
  const whole = prefix(text, width);
  if (whole.length === text.length) return text;
  return width < 1 ? "" : `${prefix(text, width - 1)}…`;
}

/** The longest beginning of at most `width` cells; looks no further than that. */
function prefix(text: string, width: number): string {
  let end = 0;
  let used = 0;
  for (const { segment } of graphemes.segment(text)) {
    used += cellsOf(segment);
    if (used > width) break;
    end += segment.length;
  }
  return text.slice(0, end);
}

export function paint(looks: Looks, colour: Colour | null, text: string): string {
  return looks.hasColour && colour !== null && text !== "" ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text;
}

export interface Cell {
  text: string;
  colour?: Colour | null;
  alignRight?: boolean;
}

/** Rows as aligned columns, two blanks apart, the first row a header. What does not fit is taken from the last column,
 *  which is where running text belongs. */
export function table(looks: Looks, rows: readonly (readonly Cell[])[], indent = ""): string[] {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) => Math.max(...rows.map((row) => cells(row[i]?.text ?? ""))));
  return rows.map((row) => {
    let used = indent.length;
    const parts = row.map((cell, i) => {
      const width = widths[i] ?? 0;
      const isLast = i === columns - 1;
      const text = isLast ? truncate(cell.text, Math.max(1, looks.width - used)) : cell.text;
      const padding = " ".repeat(Math.max(0, isLast && !cell.alignRight ? 0 : width - cells(text)));
      used += width + 2;
      return cell.alignRight
        ? padding + paint(looks, cell.colour ?? null, text)
        : paint(looks, cell.colour ?? null, text) + padding;
    });
    return (indent + parts.join("  ")).trimEnd();
  });
}
