import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { optionKeys, submitKeys, typed } from "./keys.ts";

describe("a text typed into Claude Code", () => {
  it.each([
    ["@/etc/passwd", "\\@/etc/passwd"],
    ['look at @"a b.txt" now', 'look at \\@"a b.txt" now'],
    ["first\n@second", "first\n\\@second"],
    ["mail ada@example.org or (@ada)", "mail ada@example.org or (@ada)"],
    ["meet @ noon", "meet @ noon"],
  ])("keeps a mention from being read: %s", (text, expected) => {
    expect(typed(text)).toBe(expected);
  });

  it.each([
    ["look\n/tmp/a.png", "look\n`/tmp/a.png`"],
    ["see: /tmp/a.png\nand", "see: `/tmp/a.png`\nand"],
    ["/tmp/a.png /tmp/b.jpeg", "`/tmp/a.png` `/tmp/b.jpeg`"],
    [" '/tmp/my shot.WEBP' ", " `'/tmp/my shot.WEBP'` "],
    ["\\/tmp/a.pn\\g", "`\\/tmp/a.pn\\g`"],
    ["C:\\a.gif", "`C:\\a.gif`"],
    ["see /tmp/a.png now", "see /tmp/a.png now"],
  ])("keeps an image from being taken out and attached: %s", (text, expected) => {
    expect(typed(text)).toBe(expected);
  });

  it("is the same when it is defused twice", () => {
    const paths = fc.stringMatching(/^[ \n/\\"'`aC:.]*\.png[ "'`\n/]*$/);
    fc.assert(fc.property(paths, (text) => typed(typed(text)) === typed(text)));
    fc.assert(fc.property(fc.string(), (text) => typed(typed(text)) === typed(text)));
  });

  it("is one paste followed by one Enter, also when it ends in a backslash", () => {
    expect(submitKeys("hello")).toBe("\x1b[200~hello\x1b[201~\r");
    expect(submitKeys("C:\\")).toBe("\x1b[200~C:\\ \x1b[201~\r");
  });
});

describe("keys for a dialog", () => {
  const dialog = { tool: null, summary: "", options: ["Yes", "Always", "No"], selected: 0 };

  it.each([
    ["presses the highlighted option", { ...dialog, kind: "trust" }, 0, "\r"],
    ["only moves when another is meant", { ...dialog, kind: "trust" }, 2, "\x1b[B\x1b[B"],
    ["moves up as well", { ...dialog, kind: "startup", selected: 2 }, 0, "\x1b[A\x1b[A"],
    ["presses a permission's option by its digit", { ...dialog, kind: "permission" }, 2, "3"],
    ["presses a question's option by its digit", { ...dialog, kind: "question" }, 1, "2"],
  ] as const)("%s", (_promise, seen, option, keys) => {
    expect(optionKeys({ ...seen, options: [...seen.options] }, option)).toBe(keys);
  });

  it("never writes a move and an Enter in one piece", () => {
    const kinds = ["trust", "permission", "question", "startup", "other"] as const;
    fc.assert(
      fc.property(fc.constantFrom(...kinds), fc.nat(12), fc.nat(12), (kind, selected, option) => {
        const keys = optionKeys({ ...dialog, kind, selected, options: Array(13).fill("x") }, option);
        return !(keys.includes("\x1b") && keys.includes("\r"));
      }),
    );
  });
});
