// The last bytes a program wrote, each known by its distance from the very first. Older ones are forgotten.

import type { OutputTail } from "./terminal.ts";

export interface Tail {
  push(chunk: Buffer): void;
  read(from: number): OutputTail;
  /** Forgets all but the last `bytes`. */
  cutTo(bytes: number): void;
}

export function createTail(bytesMax: number): Tail {
  // A ring of one piece: a program that writes byte by byte would otherwise cost a hundred bytes of bookkeeping for each.
  let ring = Buffer.alloc(bytesMax);
  let endOffset = 0;

  return {
    push(chunk) {
      const kept = chunk.subarray(Math.max(0, chunk.length - ring.length));
      endOffset += chunk.length;
      const position = (endOffset - kept.length) % ring.length;
      const untilEdge = Math.min(kept.length, ring.length - position);
      kept.copy(ring, position, 0, untilEdge);
      kept.copy(ring, 0, untilEdge);
    },
    read(from) {
      const oldest = Math.max(0, endOffset - ring.length);
      const start = Math.min(Math.max(from, oldest), endOffset);
      const { text, leftBytes } = wholeCharacters(bytesFrom(start), from < start);
      return { text, next: endOffset - leftBytes };
    },
    cutTo(bytes) {
      const last = bytesFrom(Math.max(0, endOffset - Math.min(bytes, ring.length)));
      const smaller = Buffer.alloc(bytes);
      for (let i = 0; i < last.length; i++) smaller[(endOffset - last.length + i) % bytes] = last[i] ?? 0;
      ring = smaller;
    },
  };

  function bytesFrom(start: number): Buffer {
    const length = endOffset - start;
    const position = start % ring.length;
    const untilEdge = Math.min(length, ring.length - position);
    return Buffer.concat([ring.subarray(position, position + untilEdge), ring.subarray(0, length - untilEdge)]);
  }
}

/** UTF-8 without the halves of characters at its edges: at the end they wait for the next read; at the beginning, when
 *  older bytes are gone, they are dropped. */
function wholeCharacters(bytes: Buffer, isCutAtStart: boolean): { text: string; leftBytes: number } {
  let start = 0;
  if (isCutAtStart) while (start < Math.min(3, bytes.length) && isContinuation(bytes[start])) start++;
  let end = bytes.length;
  for (let back = 1; back <= Math.min(3, bytes.length - start); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (isContinuation(byte)) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    if (length > back) end = bytes.length - back;
    break;
  }
  return { text: bytes.toString("utf8", start, end), leftBytes: bytes.length - end };
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}
