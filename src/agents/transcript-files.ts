// What transcripts say about turns, each byte of them read once: a night's transcript has some ten megabytes, is appended to, and is
// asked about several times for each message. Where its program takes a line back, all is read anew.

import type { AgentKind, TurnLine } from "./kind.ts";
import type { Outside } from "./outside.ts";

/** The last line read is read again each time and compared: in a file that was written anew, or lost a line, another one stands there.
 *  So much of it, which holds its time and its number. */
const COMPARED_BYTES = 4_096;
/** UTF-16 units kept of all files together: what is said about turns in a long night is a megabyte or two for each agent. When there
 *  is more, all are read anew. */
const TEXT_MAX = 32 * 1024 * 1024;

const NEWLINE = 10;

interface Known {
  file: string;
  /** Bytes of whole lines that `lines` were read from. */
  read: number;
  lastBytes: Buffer;
  lines: TurnLine[];
  text: number;
}

export interface TranscriptFiles {
  /** All that the file says about turns now, in order; empty when there is none; null when it cannot be read. Not to be changed, and
   *  not to be kept: it grows. */
  lines(path: string, kind: Pick<AgentKind, "turnLines">): readonly TurnLine[] | null;
}

export function createTranscriptFiles(outside: Pick<Outside, "exists" | "readFrom">): TranscriptFiles {
  const known = new Map<string, Known>();

  /** What was added since the last time; all of it when that cannot be told. */
  const readOn = (path: string): { before: Known; bytes: Buffer } | null => {
    const before = known.get(path);
    if (before !== undefined) {
      const { lastBytes, read } = before;
      const found = outside.readFrom(path, read - lastBytes.length);
      if (found === null) return null;
      const isSame = found.file === before.file && found.bytes.subarray(0, lastBytes.length).equals(lastBytes);
      if (isSame) return { before, bytes: found.bytes.subarray(lastBytes.length) };
      known.delete(path);
    }
    const found = outside.readFrom(path, 0);
    if (found === null) return null;
    return {
      before: { file: found.file, read: 0, lastBytes: Buffer.alloc(0), lines: [], text: 0 },
      bytes: found.bytes,
    };
  };

  const keep = (path: string, now: Known) => {
    known.set(path, now);
    const text = [...known.values()].reduce((sum, one) => sum + one.text, 0);
    if (text > TEXT_MAX) known.clear();
  };

  return {
    lines(path, kind) {
      // A conversation that was never prompted has no file yet, which says something; one that cannot be read says nothing.
      if (!outside.exists(path)) {
        known.delete(path);
        return [];
      }
      const found = readOn(path);
      if (found === null) return null;
      const { before, bytes } = found;
      const end = bytes.lastIndexOf(NEWLINE) + 1;
      const whole = bytes.subarray(0, end);
      const more = kind.turnLines(whole.toString("utf8"));
      addInOrder(before.lines, more);
      keep(path, {
        ...before,
        read: before.read + end,
        lastBytes: end === 0 ? before.lastBytes : lastLine(whole),
        text: before.text + more.reduce((sum, line) => sum + ("text" in line ? line.text.length : 0), 0),
      });
      // The program may be writing the last line at this moment: it counts if it is whole, and is read again.
      const unended = kind.turnLines(bytes.subarray(end).toString("utf8"));
      return unended.length === 0 ? before.lines : addInOrder([...before.lines], unended);
    },
  };
}

/** With its end. A copy, so that it does not hold all that was read with it. */
function lastLine(whole: Buffer): Buffer {
  const start = whole.lastIndexOf(NEWLINE, whole.length - 2) + 1;
  return Buffer.from(whole.subarray(Math.max(start, whole.length - COMPARED_BYTES)));
}

function addInOrder(lines: TurnLine[], more: readonly TurnLine[]): TurnLine[] {
  const last = lines.at(-1);
  const isBehind = last === undefined || more.every((line) => line.at >= last.at);
  for (const line of more) lines.push(line);
  if (!isBehind) lines.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  return lines;
}
