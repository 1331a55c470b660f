import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createLineSplitter, type OversizedLine } from "./lines.ts";

function split(chunks: Uint8Array[], lineBytesMax: number) {
  const lines: string[] = [];
  const oversized: OversizedLine[] = [];
  const splitter = createLineSplitter({
    lineBytesMax,
    onLine: (line) => lines.push(line),
    onOversized: (line) => oversized.push(line),
  });
  for (const chunk of chunks) splitter.push(chunk);
  return { lines, oversized };
}

describe("a line splitter", () => {
  it("gives the same lines however the bytes were cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: "binary" }).map((text) => text.replaceAll(/[\r\n]/g, " "))),
        fc.integer({ min: 1, max: 9 }),
        (lines, cut) => {
          const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
          const chunks = [];
          for (let at = 0; at < bytes.length; at += cut) chunks.push(bytes.subarray(at, at + cut));
          expect(split(chunks, 1_000_000).lines).toEqual(lines.map((line) => Buffer.from(line).toString()));
        },
      ),
    );
  });

  it("keeps both ends of a line that is too long, and reads on behind it", () => {
    const long = `{"id":7,${"x".repeat(20_000)},"id":9}`;
    const bytes = Buffer.from(`one\r\n${long}\ntwo\n`);
    const chunks = [];
    for (let at = 0; at < bytes.length; at += 1000) chunks.push(bytes.subarray(at, at + 1000));
    const { lines, oversized } = split(chunks, 10_000);
    expect(lines).toEqual(["one", "two"]);
    expect(oversized).toHaveLength(1);
    expect(oversized[0]).toMatchObject({ bytes: long.length });
    expect(oversized[0]?.head.startsWith('{"id":7,')).toBe(true);
    expect(oversized[0]?.tail.endsWith(',"id":9}')).toBe(true);
  });

  it("accepts a line of exactly the allowed length", () => {
    expect(split([Buffer.from(`${"x".repeat(10)}\n${"y".repeat(11)}\n`)], 10)).toMatchObject({
      lines: ["x".repeat(10)],
      oversized: [{ bytes: 11 }],
    });
  });

  it("says nothing about bytes that no newline has ended yet", () => {
    expect(split([Buffer.from("half a line")], 100)).toEqual({ lines: [], oversized: [] });
  });
});
