// What travels over a connection whose purpose is `attach`, behind the daemon's answer: keys and sizes one way, output and
// the end the other, each in a frame of one byte kind, four bytes length (big-endian) and that many bytes. Which terminal
// it is and who may see it was settled before.

import type { Duplex } from "node:stream";
import { asSignalboxError, type ErrorBody, SignalboxError } from "../kernel/errors.ts";
import { parseObject } from "./preface.ts";

const KINDS = ["input", "resize", "output", "exited", "failed"] as const;
export type FrameKind = (typeof KINDS)[number];

const HEAD_BYTES = 5;

/** A repaint of a large screen is some 100 KB; pasted input of a message's greatest length is 1 MiB. */
const FRAME_BYTES_MAX = 4 * 1024 * 1024;

export interface Size {
  cols: number;
  rows: number;
}

/** The terminal's end, as `Terminal.attach` of the port hands it out. */
export interface Viewer {
  input(data: Uint8Array): void;
  resize(size: Size): void;
  detach(): void;
}

export interface ViewerSink {
  output(data: Uint8Array): void | Promise<void>;
  exited(exit: { exitCode: number | null; signal: string | null } | null): void;
}

/** Reads what a client asks to be attached to. Throws `invalid_input`. */
export function parseAttachTarget(target: Record<string, unknown>): { agentId: string; size: Size } {
  const { agent_id, cols, rows } = target;
  if (typeof agent_id === "string" && isExtent(cols) && isExtent(rows))
    return { agentId: agent_id, size: { cols, rows } };
  throw new SignalboxError(
    "invalid_input",
    "An attachment names an agent_id and the cols and rows of the viewer's window.",
    "Use `signalbox attach AGENT` of the daemon's own version.",
  );
}

export function writeFrame(stream: Duplex, kind: FrameKind, payload: Uint8Array | string): boolean {
  const body = Buffer.from(payload as Uint8Array);
  const head = Buffer.alloc(HEAD_BYTES);
  head[0] = KINDS.indexOf(kind) + 1;
  head.writeUInt32BE(body.length, 1);
  stream.cork();
  stream.write(head);
  const hasRoom = stream.write(body);
  stream.uncork();
  return hasRoom;
}

/** Calls `onFrame` for each whole frame, `onBroken` once when the bytes are no frames; then nothing more. */
export function readFrames(
  stream: Duplex,
  onFrame: (kind: FrameKind, payload: Buffer) => void,
  onBroken: () => void,
): void {
  let kept: Buffer = Buffer.alloc(0);
  let isBroken = false;
  stream.on("data", (chunk: Buffer) => {
    if (isBroken) return;
    kept = kept.length === 0 ? chunk : Buffer.concat([kept, chunk]);
    while (kept.length >= HEAD_BYTES) {
      const kind = KINDS[(kept[0] ?? 0) - 1];
      const bytes = kept.readUInt32BE(1);
      if (kind === undefined || bytes > FRAME_BYTES_MAX) {
        isBroken = true;
        return onBroken();
      }
      if (kept.length < HEAD_BYTES + bytes) return;
      const payload = kept.subarray(HEAD_BYTES, HEAD_BYTES + bytes);
      kept = kept.subarray(HEAD_BYTES + bytes);
      onFrame(kind, payload);
    }
  });
}

/** The daemon's side: joins an admitted connection to a terminal until either ends. Never rejects: what goes wrong is
 *  told to the client. */
export async function serveViewer(stream: Duplex, attach: (sink: ViewerSink) => Promise<Viewer>): Promise<void> {
  const closed = new Promise<void>((resolve) => stream.once("close", resolve));
  const sink: ViewerSink = {
    output(data) {
      if (!stream.writable || writeFrame(stream, "output", data)) return;
      // The viewer's own window is slow: no more output until it has drawn this, or is gone.
      return Promise.race([closed, new Promise<void>((resolve) => stream.once("drain", resolve))]);
    },
    exited(exit) {
      if (!stream.writable) return;
      writeFrame(stream, "exited", JSON.stringify({ exit }));
      stream.end();
    },
  };
  try {
    const viewer = await attach(sink);
    if (stream.destroyed) return viewer.detach();
    const leave = () => stream.destroy();
    stream.once("close", () => viewer.detach());
    stream.once("end", leave);
    readFrames(stream, (kind, payload) => take(viewer, kind, payload), leave);
    stream.resume();
  } catch (thrown) {
    if (!stream.writable) return;
    writeFrame(stream, "failed", JSON.stringify({ error: asSignalboxError(thrown).toBody() }));
    stream.end();
  }
}

function take(viewer: Viewer, kind: FrameKind, payload: Buffer): void {
  if (kind === "input") viewer.input(payload);
  const size = kind === "resize" ? parseObject(payload.toString("utf8")) : null;
  if (size !== null && isExtent(size.cols) && isExtent(size.rows)) viewer.resize({ cols: size.cols, rows: size.rows });
}

/** The client's reading of a `failed` frame. */
export function parseFailure(payload: Buffer): ErrorBody | null {
  const body = parseObject(payload.toString("utf8"))?.error;
  return typeof body === "object" && body !== null ? (body as ErrorBody) : null;
}

/** Sides of a window in cells; no terminal has ten thousand. */
function isExtent(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 10_000;
}
