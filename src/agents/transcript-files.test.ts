import { appendFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { tempDir } from "../../test/support/temp-dir.ts";
import type { Executables } from "./executables.ts";
import type { TurnLine } from "./kind.ts";
import { type Outside, realOutside } from "./outside.ts";
import { createTranscriptFiles, type TranscriptFiles } from "./transcript-files.ts";

/** One line a text, `<at> <text>`. */
const kind = {
  turnLines: (text: string): TurnLine[] =>
    text
      .split("\n")
      .filter((line) => /^\d\d /.test(line))
      .map((line) => ({ at: line.slice(0, 2), is: "prompt", text: line.slice(3) })),
};

describe("transcript files", () => {
  let path: string;
  let files: TranscriptFiles;
  let isReadable: boolean;
  let bytesRead: number;

  beforeEach(() => {
    path = join(tempDir(), "t.jsonl");
    isReadable = true;
    bytesRead = 0;
    const outside = realOutside({} as Executables, {}, tempDir());
    const readFrom: Outside["readFrom"] = (...asked) => {
      const found = isReadable ? outside.readFrom(...asked) : null;
      bytesRead += found?.bytes.length ?? 0;
      return found;
    };
    files = createTranscriptFiles({ exists: outside.exists, readFrom });
  });

  const texts = () => files.lines(path, kind)?.map((line) => ("text" in line ? line.text : line.is));

  it("says nothing of a file that is not there, and nothing is known of one that cannot be read", () => {
    expect(texts()).toEqual([]);
    writeFileSync(path, "01 one\n");
    isReadable = false;
    expect(texts()).toBeUndefined();
    isReadable = true;
    expect(texts()).toEqual(["one"]);
    isReadable = false;
    expect(texts()).toBeUndefined();
  });

  it("reads what was added and little else", () => {
    writeFileSync(path, `01 ${"x".repeat(100_000)}\n`);
    texts();
    appendFileSync(path, "02 zwei: \u00e4\u00f6\u{1f600}\n");
    bytesRead = 0;
    expect(texts()?.[1]).toBe("zwei: \u00e4\u00f6\u{1f600}");
    appendFileSync(path, "03 three\n");
    expect(texts()).toHaveLength(3);
    expect(texts()).toHaveLength(3);
    expect(bytesRead).toBeLessThan(10_000);
  });

  it("counts a last line without its end, and reads it again", () => {
    writeFileSync(path, "01 one\n02 tw");
    expect(texts()).toEqual(["one", "tw"]);
    appendFileSync(path, "o\n");
    expect(texts()).toEqual(["one", "two"]);
    expect(texts()).toEqual(["one", "two"]);
  });

  it("brings lines in order that were written side by side", () => {
    writeFileSync(path, "01 one\n03 three\n");
    expect(texts()).toEqual(["one", "three"]);
    appendFileSync(path, "02 two\n04 four\n");
    expect(texts()).toEqual(["one", "two", "three", "four"]);
  });

  it.each([
    ["shorter", "01 other\n"],
    ["without its last line", "01 one\n"],
    ["empty", ""],
    ["longer, with a line less", "01 one\n03 three\n04 four\n05 five\n"],
  ])("reads a file anew that was written anew: %s", (_what, text) => {
    writeFileSync(path, "01 one\n02 two\n");
    texts();
    writeFileSync(path, text);
    expect(texts()).toEqual(kind.turnLines(text).map((line) => ("text" in line ? line.text : "")));
  });

  it("reads another file in its place anew, and none where it was removed", () => {
    writeFileSync(path, "01 one\n02 two\n");
    texts();
    writeFileSync(`${path}.new`, "01 one\n02 two\n03 three\n");
    renameSync(`${path}.new`, path);
    expect(texts()).toEqual(["one", "two", "three"]);
    rmSync(path);
    expect(texts()).toEqual([]);
  });
});
