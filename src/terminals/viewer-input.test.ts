import fc from "fast-check";
import { expect, test } from "vitest";
import { createViewerInputFilter } from "./viewer-input.ts";

function pass(...chunks: string[]) {
  const filter = createViewerInputFilter();
  const inputs = chunks.map((chunk) => filter.push(Buffer.from(chunk, "utf8")));
  return {
    bytes: Buffer.concat(inputs.map((input) => input.bytes)).toString("utf8"),
    typed: inputs.filter((input) => input.isTyped).length,
  };
}

const ANSWERS: Record<string, string> = {
  "primary attributes": "\x1b[?62;1;4c",
  "secondary attributes": "\x1b[>1;95;0c",
  "cursor position": "\x1b[24;80R",
  "device status": "\x1b[0n",
  "colour scheme": "\x1b[?997;1n",
  "mode report": "\x1b[?2026;2$y",
  "window size": "\x1b[8;40;120t",
  "keyboard flags": "\x1b[?0u",
  "background colour": "\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\",
  "background colour, BEL": "\x1b]11;rgb:1e1e/1e1e/1e1e\x07",
  clipboard: "\x1b]52;c;aGVsbG8=\x07",
  "tertiary attributes": "\x1bP!|00000000\x1b\\",
  version: "\x1bP>|iTerm2 3.5.0\x1b\\",
  "status string": "\x1bP1$r0m\x1b\\",
  capability: "\x1bP1+r544e=787465726d\x1b\\",
  graphics: "\x1b_Gi=31;OK\x1b\\",
};

test.each(Object.entries(ANSWERS))("a terminal's answer is taken out: %s", (_, answer) => {
  expect(pass(`a${answer}b`)).toEqual({ bytes: "ab", typed: 1 });
  expect(pass(answer)).toEqual({ bytes: "", typed: 0 });
});

test.each(Object.entries(ANSWERS))("also when the stream cuts it: %s", (_, answer) => {
  for (let cut = 3; cut < answer.length; cut++) {
    expect(pass(answer.slice(0, cut), answer.slice(cut))).toEqual({ bytes: "", typed: 0 });
  }
});

test.each([
  ["text", "grüße 日本"],
  ["Escape alone", "\x1b"],
  ["Escape and text", "\x1bhello"],
  ["arrows", "\x1b[A\x1bOB"],
  ["modified keys", "\x1b[1;5C\x1b[3~\x1b[27;5;9~\x1b[97;5u"],
  ["Alt-[ and Alt-P", "\x1b[\x1bP"],
  ["Alt-] and a line", "\x1b]hello\r"],
  ["a paste that looks like an answer", "\x1b[200~\x1b[24;80R\x1b]11;x\x07\x1b[201~"],
])("a person's keys pass: %s", (_, keys) => {
  expect(pass(keys)).toEqual({ bytes: keys, typed: 1 });
});

test.each([
  ["focus", "\x1b[I\x1b[O", 0],
  ["mouse motion", "\x1b[<35;10;20M", 0],
  ["wheel", "\x1b[<64;10;20M", 0],
  ["a click", "\x1b[<0;10;20M\x1b[<0;10;20m", 1],
  ["an old mouse report", "\x1b[M abc", 1],
])("mouse and focus pass; only a press counts as typed: %s", (_, report, typed) => {
  expect(pass(report)).toEqual({ bytes: report, typed });
});

test("a paste is one from its beginning to its end, wherever it is cut", () => {
  const filter = createViewerInputFilter();
  const states = ["\x1b[200~first", " part\x1b[20", "1~", "\x1b[5;5R"].map((chunk) => filter.push(Buffer.from(chunk)));
  expect(states.map((state) => state.isMidPaste)).toEqual([true, true, false, false]);
  expect(Buffer.concat(states.map((state) => state.bytes)).toString()).toBe("\x1b[200~first part\x1b[201~");
});

test("no input of any kind is lost or invented, but for answers", () => {
  const piece = fc.oneof(
    fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\x1b")),
    fc.constantFrom("\x1b[A", "\x1bOA", "\x1b[1;2H", "\x1b[15~"),
  );
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      expect(pass(...pieces).bytes).toBe(pieces.join(""));
    }),
  );
});
