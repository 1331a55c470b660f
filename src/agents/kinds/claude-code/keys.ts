// Keys for Claude Code: into the prompt box and onto a dialog's option. Pure. Several keys in one piece are not a sequence
// to this program: 2.1.197 took arrow-down and Enter, written together, for Enter on the first option.

import type { ScreenReading } from "../../kind.ts";

const UP = "\x1b[A";
const DOWN = "\x1b[B";
const ENTER = "\r";

export const keys = {
  enter: ENTER,
  interrupt: "\x1b",
  /** Ctrl-U. */
  clearLine: "\x15",
  /** Ctrl-S; the draft comes back by itself after the next submit. */
  stash: "\x13",
};

/** What the program would put in the place of words: a mention and an image's path. */
export function typed(text: string): string {
  return withoutImages(withoutMentions(text));
}

/** A mention (`@path` at the start of a word, or behind one of four full-width signs) would be replaced by that file's content, wherever
 *  the file lies; with a backslash before it, it stays what was written. At the end of a text it would also open a menu that eats the
 *  Enter. */
function withoutMentions(text: string): string {
  return text.replace(/(^|[\s、。！？])@(?=\S)/gu, "$1\\@");
}

/** The path of an image that a paste's line or a part of it is (parts begin behind a blank, with a slash or a drive) is taken out of the
 *  text, the file attached to the prompt, and the Enter lost meanwhile (measured with 2.1.330). In backticks it stays what was
 *  written. */
function withoutImages(text: string): string {
  return text
    .split("\n")
    .map((line) =>
      line
        .split(/ (?=[\\"']*(?:\/|[A-Za-z]:\\))/u)
        .map(quoteImage)
        .join(" "),
    )
    .join("\n");
}

function quoteImage(part: string): string {
  const path = part.trim();
  // As the program reads it: without quotes around it, and with escaped characters for themselves.
  const plain = path.replace(/^(["'])(.*)\1$/su, "$2").replace(/\\(.)/gsu, "$1");
  if (!/^(?:\/|\\|[A-Za-z]:).*\.(?:png|jpe?g|gif|webp)$/isu.test(plain)) return part;
  return part.replace(path, () => `\`${path}\``);
}

/** Bracketed, because an unbracketed text of some length turns its Enter into a line break. `text` holds no escape. */
export function submitKeys(text: string): string {
  return pasteKeys(text) + ENTER;
}

export function pasteKeys(text: string): string {
  const words = typed(text);
  // A backslash directly before Enter means "new line"; the blank behind it is trimmed off again.
  return draftKeys(words.endsWith("\\") ? `${words} ` : words);
}

export function draftKeys(text: string): string {
  return `\x1b[200~${text}\x1b[201~`;
}

/** One step towards pressing the option: a digit where a digit presses at once, else a move, else Enter once the option
 *  is highlighted. Look at the screen again after each step and ask again until the dialog has gone. */
export function optionKeys(dialog: NonNullable<ScreenReading["dialog"]>, option: number): string {
  const steps = option - dialog.selected;
  if (steps === 0) return ENTER;
  if ((dialog.kind === "permission" || dialog.kind === "question") && option < 9) return String(option + 1);
  return (steps < 0 ? UP : DOWN).repeat(Math.abs(steps));
}

/** One line for the program's messaging socket. It answers nothing; the prompt hook tells of the arrival. The program drops
 *  messages of one sender beyond 30 at once (measured), so every message comes from a sender of its own. */
export function peerLine(text: string, from: string): string {
  return `${JSON.stringify({ type: "user", message: { role: "user", content: text }, from, priority: "next" })}\n`;
}
