import { Duplex } from "node:stream";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type FrameKind, readFrames, serveViewer, writeFrame } from "./attach-frames.ts";

/** A stream that keeps what is written and is fed by hand. */
function loose() {
  const written: Buffer[] = [];
  const stream = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      written.push(chunk);
      done();
    },
  });
  return { stream, written: () => Buffer.concat(written) };
}

test("frames come through whole, however the bytes are cut", () => {
  const kind = fc.constantFrom<FrameKind>("input", "resize", "output", "exited", "failed");
  fc.assert(
    fc.property(
      fc.array(fc.tuple(kind, fc.uint8Array({ maxLength: 40 }))),
      fc.integer({ min: 1, max: 7 }),
      (frames, cut) => {
        const from = loose();
        for (const [is, payload] of frames) writeFrame(from.stream, is, payload);
        const bytes = from.written();
        const seen: [FrameKind, Uint8Array][] = [];
        const to = loose();
        readFrames(
          to.stream,
          (is, payload) => seen.push([is, new Uint8Array(payload)]),
          () => expect.fail("broken"),
        );
        for (let at = 0; at < bytes.length; at += cut) to.stream.emit("data", bytes.subarray(at, at + cut));
        expect(seen).toEqual(frames);
      },
    ),
  );
});

test.each([
  ["an unknown kind", [9, 0, 0, 0, 0]],
  ["a length beyond reason", [1, 0xff, 0xff, 0xff, 0xff]],
])("%s ends the reading once", (_, bytes) => {
  const { stream } = loose();
  let broken = 0;
  readFrames(
    stream,
    () => expect.fail("a frame"),
    () => {
      broken += 1;
    },
  );
  stream.emit("data", Buffer.from(bytes));
  stream.emit("data", Buffer.from(bytes));
  expect(broken).toBe(1);
});

describe("serving a viewer", () => {
  test("a client that sends nonsense is detached and nothing reaches the terminal", async () => {
    const { stream } = loose();
    const told: string[] = [];
    await serveViewer(stream, async () => ({
      input: () => told.push("input"),
      resize: () => told.push("resize"),
      detach: () => told.push("detach"),
    }));
    const closed = new Promise((resolve) => stream.once("close", resolve));
    writeTo(stream, "resize", '{"cols": 0, "rows": 1e9}');
    writeTo(stream, "resize", "nonsense");
    stream.emit("data", Buffer.from([0, 0, 0, 0, 0]));
    await closed;
    expect(told).toEqual(["detach"]);
  });
});

function writeTo(stream: Duplex, kind: FrameKind, payload: string): void {
  const from = loose();
  writeFrame(from.stream, kind, payload);
  stream.emit("data", from.written());
}
