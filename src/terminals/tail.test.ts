import fc from "fast-check";
import { expect, test } from "vitest";
import { createTail } from "./tail.ts";

test("reading on from where the last read ended gives everything once, with no character cut", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 30 });
  fc.assert(
    fc.property(fc.array(text), fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }), (texts, sizes) => {
      const tail = createTail(64);
      const bytes = Buffer.from(texts.join(""), "utf8");
      let read = "";
      let next = 0;
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const size = sizes[turn % sizes.length] ?? 1;
        tail.push(bytes.subarray(at, at + size));
        at += size;
        const piece = tail.read(next);
        read += piece.text;
        next = piece.next;
      }
      expect(read).toBe(bytes.toString("utf8"));
    }),
  );
});

test("only the last bytes are kept, and an offset before them begins at the oldest", () => {
  const tail = createTail(8);
  tail.push(Buffer.from("0123456789abcdef"));
  tail.push(Buffer.from("gh"));
  expect(tail.read(0)).toEqual({ text: "abcdefgh", next: 18 });
  expect(tail.read(17)).toEqual({ text: "h", next: 18 });
  expect(tail.read(99)).toEqual({ text: "", next: 18 });
  tail.cutTo(3);
  expect(tail.read(0)).toEqual({ text: "fgh", next: 18 });
});

test("a character whose first bytes are forgotten is left out", () => {
  const tail = createTail(4);
  tail.push(Buffer.from("aé日"));
  expect(tail.read(0)).toEqual({ text: "日", next: 6 });
});
