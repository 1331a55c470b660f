import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createKeyDecoder, type Key } from "./keys.ts";

const CASES: [string, string, Key[]][] = [
  ["a letter", "a", [{ is: "text", text: "a" }]],
  ["a character outside the first plane", "🚂", [{ is: "text", text: "🚂" }]],
  ["Enter", "\r", [{ is: "key", name: "enter" }]],
  ["a line feed", "\n", [{ is: "key", name: "newline" }]],
  ["Alt-Enter", "\x1b\r", [{ is: "key", name: "newline" }]],
  ["Ctrl-S", "\x13", [{ is: "key", name: "ctrl-s" }]],
  ["Down", "\x1b[B", [{ is: "key", name: "down" }]],
  ["Down in application mode", "\x1bOB", [{ is: "key", name: "down" }]],
  ["a mouse report", "\x1b[<0;10;5M", [{ is: "key", name: "escape [<0;10;5M" }]],
  [
    "two Escapes and Up",
    "\x1b\x1b\x1b[A",
    [
      { is: "key", name: "escape" },
      { is: "key", name: "escape" },
      { is: "key", name: "up" },
    ],
  ],
  [
    "a paste and Enter",
    "\x1b[200~a\rb\x1b[201~\r",
    [
      { is: "paste", text: "a\rb" },
      { is: "key", name: "enter" },
    ],
  ],
  ["an empty paste", "\x1b[200~\x1b[201~", [{ is: "paste", text: "" }]],
  ["escapes inside a paste", "\x1b[200~\x1b[A\x1b\x1b[201~", [{ is: "paste", text: "\x1b[A\x1b" }]],
];

describe("the key decoder", () => {
  it.each(CASES)("reads %s", (_what, bytes, keys) => {
    const decoder = createKeyDecoder();
    expect(decoder.feed(Buffer.from(bytes))).toEqual(keys);
    expect(decoder.pauseMs()).toBe(null);
  });

  it("keeps a lone Escape until it is told that nothing follows", () => {
    const decoder = createKeyDecoder();
    expect(decoder.feed(Buffer.from("\x1b"))).toEqual([]);
    expect(decoder.pauseMs()).toBe(25);
    expect(decoder.flush()).toEqual([{ is: "key", name: "escape" }]);
    expect(decoder.flush()).toEqual([]);
  });

  it("ends a paste whose end does not come when it is told that nothing follows", () => {
    const decoder = createKeyDecoder();
    expect(decoder.feed(Buffer.from("\x1b[200~half\x1b[20"))).toEqual([]);
    expect(decoder.pauseMs()).toBe(2_000);
    expect(decoder.flush()).toEqual([{ is: "paste", text: "half\x1b[20" }]);
    expect(decoder.feed(Buffer.from("x"))).toEqual([{ is: "text", text: "x" }]);
  });

  it("gives the same events however the bytes were cut", () => {
    const piece = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("\r", "\x1b", "\x1b[A", "\x1bOB", "\x13", "\x7f", "\x1b[<0;1;1M", "\x1b[13;2u", "\x1b[201~"),
      fc.string({ unit: "grapheme" }).map((text) => `\x1b[200~${text}\x1b[201~`),
    );
    const cuts = fc.array(fc.nat(400));
    fc.assert(
      fc.property(fc.array(piece), cuts, (pieces, at) => {
        const bytes = Buffer.from(pieces.join(""));
        expect(decodeInChunks(bytes, at)).toEqual(decodeInChunks(bytes, []));
      }),
    );
  });

  it("gives back every paste byte for byte, unless it holds the end mark", () => {
    const text = fc.string({ unit: "binary" }).filter((one) => !one.includes("\x1b[201~") && one.isWellFormed());
    fc.assert(
      fc.property(text, fc.array(fc.nat(400)), (pasted, at) => {
        // A text that ends in the beginning of the mark runs into it, as it would in any terminal.
        fc.pre(`${pasted}\x1b[201~`.indexOf("\x1b[201~") === pasted.length);
        expect(decodeInChunks(Buffer.from(`\x1b[200~${pasted}\x1b[201~`), at)).toEqual([{ is: "paste", text: pasted }]);
      }),
    );
  });
});

function decodeInChunks(bytes: Buffer, at: number[]): Key[] {
  const decoder = createKeyDecoder();
  const ends = [...at.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
  let from = 0;
  const keys = ends.flatMap((end) => {
    const some = decoder.feed(bytes.subarray(from, end));
    from = end;
    return some;
  });
  return [...keys, ...decoder.flush()];
}
