// Puts one MCP entry into the text of a client's configuration, as JSON with comments. Every byte that was there stays,
// comments, order, indentation, line ends and byte-order mark included. Text in, text out: files are install.ts's.
//
// jsonc-parser's own `modify` is not used: it lays out anew whatever shares a line with its edit, and moves a comment
// behind the last entry to the new one.

import { createScanner, type Node, type ParseError, type ParseErrorCode, parseTree } from "jsonc-parser";

export interface Insertion {
  text: string;
  outcome: "added" | "updated" | "already_there";
}

/** The text cannot take the entry; it was left alone. Line and column count from 1. */
export class UnusableConfig extends Error {
  override readonly name = "UnusableConfig";
  readonly line: number;
  readonly column: number;

  constructor(why: string, body: string, offset: number) {
    super(why);
    const before = body.slice(0, offset).split("\n");
    this.line = before.length;
    this.column = (before.at(-1)?.length ?? 0) + 1;
  }
}

/** `{[group]: {[name]: entry}}` merged into the text. Where the entry exists only its differing keys are replaced; its
 *  further keys are the person's own. Throws UnusableConfig for text that is no JSON object, or whose group is none. */
export function insertEntry(source: string, group: string, name: string, entry: Record<string, unknown>): Insertion {
  const bom = source.startsWith("\uFEFF") ? "\uFEFF" : "";
  const body = source.slice(bom.length);
  const edit = nextEdit(body, group, name, entry);
  if (edit === null) return { text: source, outcome: "already_there" };
  // One key at a time: after each edit the offsets are new, and there are three or four keys.
  const rest = insertEntry(bom + edit.text, group, name, entry);
  return { text: rest.text, outcome: edit.isNew ? "added" : "updated" };
}

function nextEdit(
  body: string,
  group: string,
  name: string,
  entry: Record<string, unknown>,
): { text: string; isNew: boolean } | null {
  const root = parse(body);
  if (root === undefined) return { text: withFirstObject(body, { [group]: { [name]: entry } }), isNew: true };
  if (root.type !== "object") throw new UnusableConfig("the file holds no JSON object", body, root.offset);
  const page: Page = { body, root, eol: /\r?\n/.exec(body)?.[0] ?? "\n", unit: indentUnit(body, root) };
  const groupNode = findValue(root, group);
  if (groupNode === undefined) return { text: insertProperty(page, root, group, { [name]: entry }), isNew: true };
  if (groupNode.type !== "object") throw new UnusableConfig(`"${group}" is no JSON object`, body, groupNode.offset);
  const entryNode = findValue(groupNode, name);
  if (entryNode === undefined) return { text: insertProperty(page, groupNode, name, entry), isNew: true };
  if (entryNode.type !== "object") return { text: replaceValue(page, entryNode, entry), isNew: false };
  const text = nextMerge(page, entryNode, entry);
  return text === null ? null : { text, isNew: false };
}

/** The object with one more of the wanted keys as wanted; null when it has them all. Objects in it are merged likewise: of
 *  an entry's `env` the person may have some of their own. */
function nextMerge(page: Page, object: Node, wanted: Record<string, unknown>): string | null {
  for (const [key, value] of Object.entries(wanted)) {
    const node = findValue(object, key);
    if (node === undefined) return insertProperty(page, object, key, value);
    if (isSame(node, value)) continue;
    if (node.type !== "object" || !isRecord(value)) return replaceValue(page, node, value);
    const text = nextMerge(page, node, value);
    if (text !== null) return text;
  }
  return null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

interface Page {
  body: string;
  root: Node;
  eol: string;
  /** One level of indentation. */
  unit: string;
}

/** Undefined for a text of nothing but blanks and comments. */
function parse(body: string): Node | undefined {
  const errors: ParseError[] = [];
  const root = parseTree(body, errors, { allowTrailingComma: true, allowEmptyContent: true });
  const first = errors[0];
  if (first !== undefined) throw new UnusableConfig(WHY[first.error] ?? "it is no JSON", body, first.offset);
  return root;
}

/** What the parser's numbers mean to a person. Its enum is ambient, so its names do not exist at run time. */
const WHY: Partial<Record<ParseErrorCode, string>> = {
  1: "a word that is no JSON value",
  2: "a number that is none",
  3: "a property name in double quotes was expected",
  4: "a value was expected",
  5: "a colon was expected",
  6: "a comma was expected",
  7: "a closing brace was expected",
  8: "a closing bracket was expected",
  9: "the end of the file was expected",
  11: "a comment is never closed",
  12: "a string is never closed",
};

function withFirstObject(body: string, value: unknown): string {
  const eol = /\r?\n/.exec(body)?.[0] ?? "\n";
  const object = JSON.stringify(value, null, 2).replaceAll("\n", eol) + eol;
  return body.trim() === "" ? object : body + (body.endsWith("\n") ? "" : eol) + object;
}

/** The last one of that name, which is the one every JSON reader takes. */
function findValue(object: Node, name: string): Node | undefined {
  return object.children?.findLast((property) => property.children?.[0]?.value === name)?.children?.[1];
}

function insertProperty(page: Page, object: Node, key: string, value: unknown): string {
  const last = object.children?.at(-1);
  return last ? insertAfter(page, object, last, key, value) : insertFirst(page, object, key, value);
}

function insertAfter(page: Page, object: Node, last: Node, key: string, value: unknown): string {
  const { body, eol } = page;
  const end = last.offset + last.length;
  const comma = commaAfter(body, end);
  const isOneLine = !body.slice(object.offset, end).includes("\n");
  const at = isOneLine ? Math.max(end, comma ?? 0) : endOfRemark(body, Math.max(end, comma ?? 0));
  const property = isOneLine
    ? oneLine(page, last, key, value)
    : lines(page, indentBelow(page, object, last), key, value);
  const gap = isOneLine ? (/,\s/.test(body.slice(object.offset, end)) || isSpaced(page, last) ? " " : "") : eol;
  const tail = comma === null ? "" : ",";
  return `${body.slice(0, end)}${comma === null ? "," : ""}${body.slice(end, at)}${gap}${property}${tail}${body.slice(at)}`;
}

function insertFirst(page: Page, object: Node, key: string, value: unknown): string {
  const { body, eol, root } = page;
  const close = object.offset + object.length - 1;
  const first = root.children?.[0];
  if (first && !body.slice(root.offset, root.offset + root.length).includes("\n")) {
    return body.slice(0, close) + oneLine(page, first, key, value) + body.slice(close);
  }
  const at = endOfComments(body, object.offset + 1);
  const base = lineIndent(body, object.offset);
  const closing = body.slice(at, close).includes("\n") ? "" : eol + base;
  return body.slice(0, at) + eol + lines(page, base + page.unit, key, value) + closing + body.slice(at);
}

function replaceValue(page: Page, old: Node, value: unknown): string {
  const { body, eol, unit } = page;
  const end = old.offset + old.length;
  const isOneLine = !body.slice(page.root.offset, page.root.offset + page.root.length).includes("\n");
  const text = isOneLine ? JSON.stringify(value) : JSON.stringify(value, null, unit);
  return body.slice(0, old.offset) + text.replaceAll("\n", eol + lineIndent(body, old.offset)) + body.slice(end);
}

/** `"key": value` over as many lines as it needs, each indented. */
function lines(page: Page, indent: string, key: string, value: unknown): string {
  const text = `${JSON.stringify(key)}: ${JSON.stringify(value, null, page.unit)}`;
  return indent + text.replaceAll("\n", page.eol + indent);
}

/** `"key": value` on one line, spaced as its neighbour is. */
function oneLine(page: Page, neighbour: Node, key: string, value: unknown): string {
  const space = isSpaced(page, neighbour) ? " " : "";
  return `${JSON.stringify(key)}:${space}${compact(value, space)}`;
}

function compact(value: unknown, space: string): string {
  if (Array.isArray(value)) return `[${value.map((item) => compact(item, space)).join(`,${space}`)}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const properties = Object.entries(value).map(([k, v]) => `${JSON.stringify(k)}:${space}${compact(v, space)}`);
  return `{${properties.join(`,${space}`)}}`;
}

function isSpaced({ body }: Page, property: Node): boolean {
  return property.colonOffset !== undefined && body[property.colonOffset + 1] === " ";
}

function indentUnit(body: string, root: Node): string {
  const first = root.children?.find((property) => startsItsLine(body, property));
  const unit = first && lineIndent(body, first.offset).slice(lineIndent(body, root.offset).length);
  return unit || "  ";
}

function indentBelow(page: Page, object: Node, last: Node): string {
  if (startsItsLine(page.body, last)) return lineIndent(page.body, last.offset);
  return lineIndent(page.body, object.offset) + page.unit;
}

function startsItsLine(body: string, property: Node): boolean {
  const lineStart = body.lastIndexOf("\n", property.offset - 1) + 1;
  return lineStart > 0 && body.slice(lineStart, property.offset).trim() === "";
}

/** The blanks at the beginning of the line that holds the offset. */
function lineIndent(body: string, offset: number): string {
  const lineStart = body.lastIndexOf("\n", offset - 1) + 1;
  return /^[ \t]*/.exec(body.slice(lineStart, offset))?.[0] ?? "";
}

// Token kinds of the scanner; see WHY for why they are numbers.
const COMMA = 5;
const LINE_COMMENT = 12;
const BLOCK_COMMENT = 13;
const LINE_BREAK = 14;
const BLANKS = 15;

/** Where the comma behind the value ends, or null when there is none. */
function commaAfter(body: string, offset: number): number | null {
  const scanner = createScanner(body, true);
  scanner.setPosition(offset);
  return (scanner.scan() as number) === COMMA ? scanner.getPosition() : null;
}

/** The end of the comments that stand behind the offset on its own line: they speak of what is in front of them. */
function endOfRemark(body: string, offset: number): number {
  return endOfTrivia(body, offset, new Set([LINE_COMMENT, BLOCK_COMMENT, BLANKS]));
}

function endOfComments(body: string, offset: number): number {
  return endOfTrivia(body, offset, new Set([LINE_COMMENT, BLOCK_COMMENT, BLANKS, LINE_BREAK]));
}

function endOfTrivia(body: string, offset: number, skipped: ReadonlySet<number>): number {
  const scanner = createScanner(body, false);
  scanner.setPosition(offset);
  let end = offset;
  for (let kind = scanner.scan() as number; skipped.has(kind); kind = scanner.scan() as number) {
    if (kind === LINE_COMMENT || kind === BLOCK_COMMENT) end = scanner.getPosition();
  }
  return end;
}

function isSame(node: Node, value: unknown): boolean {
  if (!Array.isArray(value)) return node.value === value;
  const items = node.children ?? [];
  return node.type === "array" && items.length === value.length && items.every((item, i) => isSame(item, value[i]));
}
