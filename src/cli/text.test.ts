import fc from "fast-check";
import { expect, test } from "vitest";
import { cells, clean, cleanLine, jsonLine, table, truncate } from "./text.ts";

test.each([
  ["\u001b[31mred\u001b[0m", "red"],
  ["\u001b]52;c;ZXZpbA==\u0007copied", "copied"],
  ["a\u009b2Jb", "ab"],
  ["a\rb\bc\u007f", "abc"],
  ["one\r\n\ttwo\n", "one\n\ttwo\n"],
  ["safe\u202eexe.txt\u2069", "safeexe.txt"],
])("%j is shown as %j", (text, shown) => {
  expect(clean(text)).toBe(shown);
});

const DRIVES_A_TERMINAL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;
const nasty = fc.string({
  unit: fc.constantFrom("\u001b", "[", "]", "0", "m", ";", "\u009b", "\u0007", "a", "\n", "\u0085"),
});

test("no text whatever drives the terminal", () => {
  fc.assert(
    fc.property(fc.oneof(nasty, fc.string({ unit: "binary" })), (text) => {
      expect(clean(text)).not.toMatch(DRIVES_A_TERMINAL);
      expect(cleanLine(text)).not.toMatch(/[\n\t]/);
      expect(jsonLine({ text })).not.toMatch(DRIVES_A_TERMINAL);
      expect(JSON.parse(jsonLine({ text }))).toEqual({ text });
    }),
  );
});

test("what is cut fits and says that it was cut", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }).map(cleanLine), fc.integer({ min: 1, max: 20 }), (text, width) => {
      const cut = truncate(text, width);
      expect(cells(cut)).toBeLessThanOrEqual(width);
      if (cut !== text) expect(cut.endsWith("…")).toBe(true);
      else expect(cells(text)).toBeLessThanOrEqual(width);
    }),
  );
});

test.each([
  ["abc", 3],
  ["日本", 4],
  ["👩‍👩‍👧 x", 4],
  ["e\u0301", 1],
  ["✅", 2],
])("%s takes %i cells", (text, width) => {
  expect(cells(text)).toBe(width);
});

test("columns align by cells, and only the last one gives way", () => {
  const rows = [
    [{ text: "NAME" }, { text: "N", alignRight: true }, { text: "SAYS" }],
    [{ text: "日本" }, { text: "12", alignRight: true }, { text: "a long story that goes on" }],
  ];
  expect(table({ width: 20, hasColour: false }, rows)).toEqual(["NAME   N  SAYS", "日本  12  a long st…"]);
});
