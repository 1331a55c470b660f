// What is typed into an agent: one header line the daemon writes from what it knows, then the sender's text with everything
// removed that a terminal or a prompt could take for a key. The one place below all callers where text is cleaned; pure.

import type { MessageId } from "../kernel/ids.ts";
import type { MessageRow } from "./mailbox.ts";

/** CONTRACT section 2: counted in UTF-8 bytes, as the sender wrote it. */
export const BODY_BYTES_MAX = 1024 * 1024;

export interface Letter {
  messageId: MessageId;
  senderLabel: string;
  task: { id: string; title: string | null } | null;
  body: string;
}

/** Text with no control, format, private-direction or lone surrogate character left; line ends are LF, tabs four spaces.
 *  Applying it twice changes nothing. Bidi and zero-width characters go too: a paste that holds them makes Claude Code
 *  swallow the Enter (facts measured on 2.1.330), and they hide text from the person who reads along. */
export function sanitise(text: string): string {
  return text
    .toWellFormed()
    .replace(/\r\n?|[\u2028\u2029\u0085\v\f]/g, "\n")
    .replaceAll("\t", "    ")
    .replace(/[^\P{C}\n\p{Co}\p{Cn}]/gu, "")
    .normalize("NFC");
}

/** A name as it may stand inside the header line: one line, no bracket that could end the header early. */
export function oneLine(text: string): string {
  return sanitise(text).replaceAll("\n", " ").replaceAll("[", "(").replaceAll("]", ")").trim();
}

/** The text that is submitted. Its first line names the message and its sender, so that no body can begin with a key of the
 *  prompt (`/ ! # @ &`), and a header inside the body is defused, so that nobody can speak in another's name. */
export function compose(letter: Letter): string {
  const header = `${markerOf(letter.messageId)}${oneLine(letter.senderLabel)}]`;
  const task = letter.task === null ? [] : [taskLine(letter.task)];
  const body = sanitise(letter.body).replaceAll("[signalbox ", "\\[signalbox ");
  return [header, ...task, body].join("\n");
}

/** The letter of a message as the mailbox keeps it. */
export function letterOf(message: MessageRow): string {
  return compose({
    messageId: message.message_id,
    senderLabel: message.sender_label,
    task: message.task_id === null ? null : { id: message.task_id, title: message.task_title },
    body: message.body,
  });
}

/** The part of the header that identifies the message wherever its text turns up. */
export function markerOf(messageId: MessageId): string {
  return `[signalbox ${messageId} from `;
}

/** Every header's identifying part, as an extended regular expression that neither a shell nor `grep` reads differently. */
export const HEADER_PATTERN = "[[]signalbox msg_[0-9a-z]+ from ";

/** The message a submitted prompt carries, or null for a person's own words. */
export function messageIdIn(prompt: string): MessageId | null {
  const match = /(?<!\\)\[signalbox (msg_[0-9a-z]+) from /.exec(prompt);
  return match === null ? null : (match[1] as MessageId);
}

/** Every message whose live header stands in the prompt, in order, each once. More than one: letters ran together. */
export function messageIdsIn(prompt: string): MessageId[] {
  const matches = prompt.matchAll(/(?<!\\)\[signalbox (msg_[0-9a-z]+) from /g);
  return [...new Set([...matches].map((match) => match[1] as MessageId))];
}

/** What a submitted prompt holds besides the letter: a person's half-typed words that an injection ran into, or a quotation
 *  around the header. Empty strings: nothing. The program breaks lines, folds pastes and trims as it likes, so only clear words
 *  before the header and after the letter's end count; where the end cannot be recognised, nothing is claimed. */
export function wordsAround(prompt: string, letter: string, id: MessageId): { before: string; after: string } {
  if (prompt.trim() === letter.trim()) return { before: "", after: "" }; // as good as always
  const plain = prompt.replace(PASTE_TAGS, "");
  const header = new RegExp(`(?<!\\\\)${escapePattern(markerOf(id))}`, "gu");
  const starts = [...plain.matchAll(header)].map((match) => match.index);
  const tail = letter
    .replace(PASTE_TAGS, "")
    .trimEnd()
    .slice(-TAIL_CHARS)
    .split(/\s+/u)
    .filter((word) => word !== "");
  // In a look-ahead, because in a repetitive body the last match may overlap the one before it.
  const pattern = new RegExp(`(?=(${tail.map(escapePattern).join("\\s*")}))`, "gu");
  const restOf = (copy: string): string => {
    const ends = [...copy.matchAll(pattern)].map((match) => match.index + (match[1] ?? "").length);
    return copy.slice(ends.at(-1) ?? copy.length).trim();
  };
  // More than one copy: a leftover stood in the box and was typed again. Words between the copies are a person's as well.
  const rests = starts.map((start, copy) => restOf(plain.slice(start, starts[copy + 1])));
  return { before: plain.slice(0, starts[0] ?? 0).trim(), after: rests.filter((rest) => rest !== "").join(" ") };
}

/** A person's words on either side of the whole letter in a prompt box; null where there are none, or where they cannot be told: a
 *  box breaks lines where it likes, and behind a `!` it is another box. */
export function wordsBeside(draft: string, letter: string, id: MessageId): string | null {
  const { before, after } = wordsAround(draft, letter, id);
  const isAll = withoutBlanks(before + letter + after) === withoutBlanks(draft);
  if (!isAll || draft.startsWith("!") || /\n/u.test(before + after)) return null;
  const words = [before, after].filter((part) => part !== "").join(" ");
  return words === "" ? null : words;
}

/** A person's words before the message's header and amid it, if it stands there with blanks or, at one place, other words in it; null
 *  where it does not, or is a quotation. What they wrote behind the message cannot be told from it. */
export function wordsInHeader(prompt: string, id: MessageId): string | null {
  const text = withoutBlanks(prompt.replace(QUOTED_HEADER, ""));
  const header = withoutBlanks(markerOf(id));
  const spaced = (part: string) => [...part].map(escapePattern).join("\\s*");
  for (let length = 0; length < header.length; length++) {
    const [begun, rest] = [header.slice(0, length), header.slice(length)];
    const at = text.indexOf(begun);
    if (at < 0 || !text.includes(rest, at + length)) continue;
    const words = length === 0 ? "" : "([\\s\\S]*?)";
    const found = new RegExp(`(?<!\\\\)${spaced(begun)}${words}${spaced(rest)}`, "u").exec(prompt);
    if (found === null) continue;
    const parts = [prompt.slice(0, found.index), found[1] ?? ""].map((part) => part.trim());
    return withoutPasteEnds(parts.filter((part) => part !== "").join(" "));
  }
  return null;
}

const QUOTED_HEADER = /\\\[signalbox msg_[0-9a-z]+ from/g;

/** Claude Code wraps long pastes in these (measured on 2.1.330). */
const PASTE_TAGS = /<\/?pasted_content id="[^"]*">/g;
/** Enough of the end to be this letter's own; the header's id alone makes it so for short ones. */
const TAIL_CHARS = 80;

/** A letter's words as they are compared. */
function dense(text: string): string {
  return withoutBlanks(text.replace(PASTE_TAGS, ""));
}

/** Programs break lines where they like. */
function withoutBlanks(text: string): string {
  return text.replace(/\s+/gu, "");
}

function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

/** What is left of a paste's brackets where their Esc, or a little more of them, came in by itself. */
const PASTE_ENDS = /^(?:\[200|200|00|0)?~|\[201~$/gu;

/** Words found around a letter without what is left of its own brackets: the rest is a person's. */
export function withoutPasteEnds(words: string): string {
  return words.replace(PASTE_ENDS, "");
}

/** Whether what stands in a prompt box is nothing but (a part of) the letter. The box breaks lines where it likes and may show
 *  a placeholder for a long paste; the placeholder counts only where nobody else has touched the box. */
export function isOurs(draft: string, letter: string, isUntouched: boolean): boolean {
  const [shown, whole] = [withoutBlanks(draft).replace(PASTE_ENDS, ""), withoutBlanks(letter)];
  if (shown !== "" && whole.includes(shown)) return shown.includes("[signalboxmsg_") || isUntouched;
  return isUntouched && /^\[pasted text #\d+[^\]]*\]$/iu.test(draft.trim());
}

/** The number of the placeholder that stands alone in the box and counts as many line breaks as the letter has; null where none
 *  does. */
export function foldIn(draft: string, letter: string): string | null {
  const [, number, breaks] = FOLDED.exec(draft.trim()) ?? [];
  return number !== undefined && Number(breaks) === letter.split("\n").length - 1 ? number : null;
}

/** Whether the box holds the whole letter and nothing else, as far as the screen can tell. */
export function isWhole(draft: string, letter: string): boolean {
  return withoutBlanks(draft).replace(PASTE_ENDS, "") === withoutBlanks(letter);
}

const FOLDED = /^\[pasted text #(\d+) \+(\d+) lines\]$/iu;

/** Whether the prompt is the beginning of the letter and its rest is missing. */
export function isCutShort(prompt: string, letter: string): boolean {
  const [begun, whole] = [dense(prompt), dense(letter)];
  return begun.length < whole.length && whole.startsWith(begun);
}

/** Whether the whole letter stands somewhere in the prompt, however its lines were broken. */
export function holdsLetter(prompt: string, letter: string): boolean {
  return dense(prompt).includes(dense(letter));
}

/** True when nothing would be left to read after cleaning. */
export function isBlank(text: string): boolean {
  return sanitise(text).trim() === "";
}

function taskLine(task: { id: string; title: string | null }): string {
  return task.title === null ? `[task ${oneLine(task.id)}]` : `[task ${oneLine(task.id)}: ${oneLine(task.title)}]`;
}
