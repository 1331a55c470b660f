import fc from "fast-check";
import { createScanner, type ParseError, parse } from "jsonc-parser";
import { describe, expect, test } from "vitest";
import { insertEntry, UnusableConfig } from "./config-text.ts";

const ENTRY = { command: "/usr/bin/node", args: ["/opt/signalbox/bin/signalbox", "mcp"] };

function insert(text: string, entry: Record<string, unknown> = ENTRY) {
  return insertEntry(text, "mcpServers", "signalbox", entry);
}

/** A tiny entry keeps the expected texts short. */
const tiny = (text: string) => insert(text, { command: "c" }).text;

describe("the entry takes the manner of the file it comes into", () => {
  test.each([
    ["an empty file", "", '{\n  "mcpServers": {\n    "signalbox": {\n      "command": "c"\n    }\n  }\n}\n'],
    ["an empty object", "{}", '{\n  "mcpServers": {\n    "signalbox": {\n      "command": "c"\n    }\n  }\n}'],
    ["one line", '{"a":1}', '{"a":1,"mcpServers":{"signalbox":{"command":"c"}}}'],
    ["one spaced line", '{ "a": 1 }', '{ "a": 1, "mcpServers": {"signalbox": {"command": "c"}} }'],
    ["an empty group on one line", '{"mcpServers":{}}', '{"mcpServers":{"signalbox":{"command":"c"}}}'],
    [
      "tabs, and an empty group",
      '{\n\t"mcpServers": {}\n}\n',
      '{\n\t"mcpServers": {\n\t\t"signalbox": {\n\t\t\t"command": "c"\n\t\t}\n\t}\n}\n',
    ],
    [
      "four blanks, CRLF and a byte-order mark",
      '\uFEFF{\r\n    "a": 1\r\n}\r\n',
      '\uFEFF{\r\n    "a": 1,\r\n    "mcpServers": {\r\n        "signalbox": {\r\n            "command": "c"\r\n        }\r\n    }\r\n}\r\n',
    ],
    [
      "a neighbour on one line",
      '{\n  "mcpServers": {"a": {"command": "x"}},\n  "z": 1\n}',
      '{\n  "mcpServers": {"a": {"command": "x"}, "signalbox": {"command": "c"}},\n  "z": 1\n}',
    ],
    [
      "a remark behind the last entry stays with it",
      '{\n  "mcpServers": {\n    "a": {} // mine\n    // the end\n  }\n}',
      '{\n  "mcpServers": {\n    "a": {}, // mine\n    "signalbox": {\n      "command": "c"\n    }\n    // the end\n  }\n}',
    ],
    [
      "a trailing comma stays the manner",
      '{\n  "mcpServers": {\n    "a": {}, /* x */\n  },\n}',
      '{\n  "mcpServers": {\n    "a": {}, /* x */\n    "signalbox": {\n      "command": "c"\n    },\n  },\n}',
    ],
    [
      "a remark in an empty group",
      '{\n  "mcpServers": { // none yet\n  }\n}',
      '{\n  "mcpServers": { // none yet\n    "signalbox": {\n      "command": "c"\n    }\n  }\n}',
    ],
    [
      "nothing but a comment",
      "// later",
      '// later\n{\n  "mcpServers": {\n    "signalbox": {\n      "command": "c"\n    }\n  }\n}\n',
    ],
    [
      "an older entry: only what differs changes, what the person added stays",
      '{"mcpServers":{"signalbox":{"command":"old","env":{"A":"1"}},"b":2}}',
      '{"mcpServers":{"signalbox":{"command":"c","env":{"A":"1"}},"b":2}}',
    ],
    [
      "something else under our name",
      '{"mcpServers":{"signalbox":null}}',
      '{"mcpServers":{"signalbox":{"command":"c"}}}',
    ],
    [
      "a group named twice: the one that readers take",
      '{"mcpServers":{"a":1},"mcpServers":{}}',
      '{"mcpServers":{"a":1},"mcpServers":{"signalbox":{"command":"c"}}}',
    ],
  ])("%s", (_, before, after) => {
    expect(tiny(before)).toBe(after);
  });

  test("says whether it was added, updated or there already", () => {
    const added = insert("{}");
    expect(added.outcome).toBe("added");
    expect(insert(added.text)).toEqual({ text: added.text, outcome: "already_there" });
    const moved = { ...ENTRY, args: ["/elsewhere", "mcp"] };
    expect(insert(added.text, moved).outcome).toBe("updated");
    expect(parse(insert(added.text, moved).text)).toEqual({ mcpServers: { signalbox: moved } });
  });
});

test.each([
  ['{\n  "a": 1,\n  "b" 2\n}', 3, 7],
  ["[]", 1, 1],
  ['{"mcpServers": []}', 1, 16],
  ['{\r\n"mcpServers": null}', 2, 15],
  ['{"a": 1} {"b": 2}', 1, 10],
  ['{"a": 1', 1, 8],
  ['{"a": "x\n"}', 1, 7],
  ["{a: 1}", 1, 2],
])("%j is refused with its place", (text, line, column) => {
  const refusal = (() => {
    try {
      return insert(text);
    } catch (error) {
      return error;
    }
  })();
  expect(refusal).toBeInstanceOf(UnusableConfig);
  expect(refusal).toMatchObject({ line, column });
});

/** JSON with comments as people and programs write it: any blanks, remarks, line ends and trailing commas. */
function jsoncText() {
  const blank = fc.constantFrom("", " ", "\n", "\r\n  ", "\t", " /* a, {b} */ ", ' // "c": [\n', "\n\n    ", "/**/");
  const join = (parts: string[]) => parts.join("");
  const scalar = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null)).map((v) => JSON.stringify(v));
  const { value } = fc.letrec<{ value: string; object: string; array: string }>((tie) => ({
    value: fc.oneof({ maxDepth: 3 }, scalar, tie("object"), tie("array")),
    array: fc
      .tuple(blank, fc.array(fc.tuple(blank, tie("value"), blank).map(join), { maxLength: 3 }), fc.boolean())
      .map(([inner, items, hasTail]) => `[${items.join(",")}${hasTail && items.length > 0 ? "," : ""}${inner}]`),
    object: properties(tie("value")),
  }));
  function properties(inner: fc.Arbitrary<string>) {
    const key = fc
      .oneof(fc.constantFrom("mcpServer", "signalbox", "é\u2028", "a"), fc.string())
      .map((k) => JSON.stringify(k));
    const property = fc.tuple(blank, key, blank, fc.constant(":"), blank, inner, blank).map(join);
    return fc
      .tuple(
        blank,
        fc.uniqueArray(property, { maxLength: 4, selector: (text) => /"(?:[^"\\]|\\.)*"/.exec(text)?.[0] }),
        fc.boolean(),
      )
      .map(([space, list, hasTail]) => `{${list.join(",")}${hasTail && list.length > 0 ? "," : ""}${space}}`);
  }
  const servers = properties(value);
  const document = fc.oneof(
    fc.tuple(blank, properties(value), blank).map(join),
    fc
      .tuple(
        blank,
        fc.constantFrom("{", '{"first": 1,', '{ // x\n "first": [ ],'),
        blank,
        servers,
        blank,
        fc.constantFrom("}", ",}", ',"z":{}}'),
      )
      .map(
        ([lead, open, gap, group, space, close]) => `${lead}${open}"mcpServers"${space}:${gap}${group}${space}${close}`,
      ),
  );
  return fc.tuple(fc.constantFrom("", "\uFEFF"), document).map(join);
}

/** Every token and comment with its bytes, in order, each with whether it is a comma. */
function tokensOf(text: string): string[] {
  const scanner = createScanner(text, false);
  const tokens: string[] = [];
  for (let kind = scanner.scan() as number; kind !== 17; kind = scanner.scan() as number) {
    if (kind !== 14 && kind !== 15) tokens.push(text.slice(scanner.getTokenOffset(), scanner.getPosition()));
  }
  return tokens;
}

function isSubsequence(part: string[], whole: string[]): boolean {
  let at = 0;
  for (const item of whole) if (item === part[at]) at += 1;
  return at === part.length;
}

function parsed(text: string): { value: Record<string, unknown>; errors: ParseError[] } {
  const errors: ParseError[] = [];
  return { value: parse(text.replace(/^\uFEFF/, ""), errors, { allowTrailingComma: true }), errors };
}

describe("any document", () => {
  test("keeps every other entry byte for byte, says the same otherwise, and takes the entry once", () => {
    fc.assert(
      fc.property(jsoncText(), (before) => {
        const { text: after } = insert(before);
        const was = parsed(before);
        const is = parsed(after);
        expect(was.errors).toEqual([]);
        expect(is.errors).toEqual([]);
        const { signalbox, ...others } = is.value.mcpServers as Record<string, unknown>;
        const { signalbox: own, ...othersBefore } = (was.value.mcpServers ?? {}) as Record<string, unknown>;
        expect(signalbox).toMatchObject(ENTRY);
        expect(others).toEqual(othersBefore);
        expect({ ...is.value, mcpServers: 0 }).toEqual({ ...was.value, mcpServers: 0 });
        // Where our own old entry was something else it is replaced; all else is only ever added to.
        if (own === undefined) expect(isSubsequence([...before], [...after])).toBe(true);
        if (own === undefined) expect(isSubsequence(tokensOf(before), tokensOf(after))).toBe(true);
        expect(insert(after)).toEqual({ text: after, outcome: "already_there" });
      }),
      { numRuns: 1000 },
    );
  });

  test("any text at all is either taken or refused with its place", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          jsoncText().map((text) => text.slice(0, -1)),
        ),
        (text) => {
          try {
            expect(parsed(insert(text).text).errors).toEqual([]);
          } catch (error) {
            expect(error).toBeInstanceOf(UnusableConfig);
          }
        },
      ),
    );
  });
});
