import fc from "fast-check";
import { expect, test } from "vitest";
import { createFrameReader, encodeFrame, FRAME_BYTES_MAX } from "./frames.ts";

test("frames come out as they went in, however the stream cuts them", () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 });
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), cuts, (messages, sizes) => {
      const stream = Buffer.concat(messages.map((message) => encodeFrame(message)));
      const reader = createFrameReader();
      const received: unknown[] = [];
      for (let at = 0, turn = 0; at < stream.length; turn++) {
        const size = sizes[turn % sizes.length] ?? 1;
        received.push(...reader.push(stream.subarray(at, at + size)));
        at += size;
      }
      expect(received).toEqual(messages.map((message) => JSON.parse(JSON.stringify(message))));
    }),
  );
});

test("a frame over the limit is refused on both sides, before it is held in memory", () => {
  expect(() => encodeFrame("x".repeat(FRAME_BYTES_MAX))).toThrow(RangeError);
  const reader = createFrameReader(100);
  reader.push(Buffer.alloc(60, "x"));
  expect(() => reader.push(Buffer.alloc(60, "x"))).toThrow(RangeError);
});

test("what is not a frame is refused", () => {
  expect(() => createFrameReader().push(Buffer.from("GET / HTTP/1.1\r\n"))).toThrow(SyntaxError);
});
