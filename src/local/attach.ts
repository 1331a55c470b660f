// The conversation behind an `attach` preface: JSON lines, terminal bytes in base64, each with one key. To the daemon:
// {"input": …} and {"resize": {cols, rows}}; to the person: {"output": …} and, last, {"exited": {exitCode, signal} | null}.
// Both ends are here so that they cannot disagree; what a terminal is, neither knows.

import type { Duplex } from "node:stream";
import { createLineSplitter } from "../kernel/lines.ts";

export interface Size {
  cols: number;
  rows: number;
}

export interface Exit {
  exitCode: number | null;
  signal: string | null;
}

/** A paste by hand is far below this; a program's repaint of a large screen too. */
const FRAME_BYTES_MAX = 4 * 1024 * 1024;

/** The daemon's end. `viewer` is what the person's frames go to; `detach` is called once, when the stream has closed. */
export interface ViewerEnd {
  input(data: Uint8Array): void;
  resize(size: Size): void;
  detach(): void;
}

export interface ViewerOutput {
  /** Resolves when the stream can take more. */
  output(data: Uint8Array): Promise<void>;
  /** Ends the conversation. */
  exited(exit: Exit | null): void;
}

export function viewerOutput(stream: Duplex): ViewerOutput {
  return {
    output(data) {
      const isRoom = stream.write(frame({ output: Buffer.from(data).toString("base64") }));
      if (isRoom || stream.destroyed) return Promise.resolve();
      return new Promise((resolve) => {
        stream.once("drain", resolve);
        stream.once("close", resolve);
      });
    },
    exited(exit) {
      stream.end(frame({ exited: exit }));
    },
  };
}

export function readViewer(stream: Duplex, viewer: ViewerEnd): void {
  const lines = createLineSplitter({
    lineBytesMax: FRAME_BYTES_MAX,
    onLine(line) {
      const sent = parse(line);
      if (typeof sent?.input === "string") viewer.input(Buffer.from(sent.input, "base64"));
      if (isSize(sent?.resize)) viewer.resize(sent.resize);
    },
    onOversized: () => stream.destroy(),
  });
  stream.on("data", (chunk: Buffer) => lines.push(chunk));
  stream.on("end", () => stream.end());
  stream.once("close", () => viewer.detach());
}

/** The person's end. */
export function talkToTerminal(
  stream: Duplex,
  hear: { output(data: Uint8Array): void; exited(exit: Exit | null): void },
): { input(data: Uint8Array): void; resize(size: Size): void } {
  const lines = createLineSplitter({
    lineBytesMax: FRAME_BYTES_MAX,
    onLine(line) {
      const sent = parse(line);
      if (typeof sent?.output === "string") hear.output(Buffer.from(sent.output, "base64"));
      if (sent !== null && "exited" in sent) hear.exited(sent.exited as Exit | null);
    },
    onOversized: () => stream.destroy(),
  });
  stream.on("data", (chunk: Buffer) => lines.push(chunk));
  return {
    input: (data) => void stream.write(frame({ input: Buffer.from(data).toString("base64") })),
    resize: (size) => void stream.write(frame({ resize: size })),
  };
}

function frame(body: Record<string, unknown>): string {
  return `${JSON.stringify(body)}\n`;
}

function parse(line: string): Record<string, unknown> | null {
  try {
    const parsed: unknown = JSON.parse(line);
    return typeof parsed === "object" && parsed !== null ? (parsed as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function isSize(value: unknown): value is Size {
  const size = value as Size | null | undefined;
  return Number.isInteger(size?.cols) && Number.isInteger(size?.rows);
}
