// How the daemon and a terminal host put messages on a stream: one JSON value per line. JSON never holds a raw newline, so
// the newline ends a frame whatever the stream's chunks are. What the messages mean is protocol.ts.

/** The longest frame, in bytes. A write of 4 MiB (the most one terminal takes) is 5.6 MiB in base64. */
export const FRAME_BYTES_MAX = 8 * 1024 * 1024;

const NEWLINE = 0x0a;

/** One frame as bytes. Throws RangeError when it is longer than a reader accepts. */
export function encodeFrame(message: unknown): Buffer {
  const frame = Buffer.from(`${JSON.stringify(message)}\n`, "utf8");
  if (frame.length > FRAME_BYTES_MAX) throw new RangeError(`a frame of ${frame.length} bytes is over the limit`);
  return frame;
}

export interface FrameReader {
  /** Takes a chunk and gives the messages it completes, in order. Throws on what is not a frame; the stream is then of no
   *  further use, because nobody can tell where the next frame begins. */
  push(chunk: Uint8Array): unknown[];
}

export function createFrameReader(frameBytesMax: number = FRAME_BYTES_MAX): FrameReader {
  let parts: Uint8Array[] = [];
  let heldBytes = 0;

  return {
    push(chunk) {
      const messages: unknown[] = [];
      let start = 0;
      for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
        hold(chunk.subarray(start, end));
        messages.push(JSON.parse(Buffer.concat(parts).toString("utf8")));
        parts = [];
        heldBytes = 0;
        start = end + 1;
      }
      if (start < chunk.length) hold(chunk.subarray(start));
      return messages;
    },
  };

  function hold(part: Uint8Array): void {
    heldBytes += part.length;
    if (heldBytes >= frameBytesMax) throw new RangeError(`a frame of more than ${frameBytesMax} bytes`);
    parts.push(part);
  }
}
