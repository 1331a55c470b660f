// Bytes into lines, with a bound. Every newline-delimited conversation of signalbox goes through here, so that no peer
// can make a process hold more than one line of the allowed length. What a line means is never known here.

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** What is kept of a line that was too long: enough to recognise a request's id at either end. */
const EDGE_BYTES = 4096;

export interface OversizedLine {
  /** The first and the last bytes of the line, as text; what stood between them is gone. */
  head: string;
  tail: string;
  bytes: number;
}

export interface LineSplitter {
  push(chunk: Uint8Array): void;
}

/**
 * Calls `onLine` for each whole line without its newline (an empty line too), and `onOversized` at the end of each line
 * longer than `lineBytesMax`. Holds at most one line and its chunk list; bytes after the last newline wait for more.
 */
export function createLineSplitter(options: {
  lineBytesMax: number;
  onLine: (line: string) => void;
  onOversized: (line: OversizedLine) => void;
}): LineSplitter {
  let kept: Uint8Array[] = [];
  let keptBytes = 0;
  let oversized: { head: Buffer; tail: Buffer; bytes: number } | null = null;

  function add(part: Uint8Array): void {
    if (oversized !== null) {
      oversized.bytes += part.length;
      oversized.tail = lastBytes(oversized.tail, part);
      return;
    }
    if (part.length > 0) kept.push(part);
    keptBytes += part.length;
    if (keptBytes <= options.lineBytesMax) return;
    const whole = Buffer.concat(kept);
    oversized = {
      // Copies, so that the bulk of the line can be freed now and not when the line ends.
      head: Buffer.from(whole.subarray(0, EDGE_BYTES)),
      tail: Buffer.from(whole.subarray(-EDGE_BYTES)),
      bytes: keptBytes,
    };
    kept = [];
    keptBytes = 0;
  }

  function endLine(): void {
    if (oversized !== null) {
      const { head, tail, bytes } = oversized;
      oversized = null;
      options.onOversized({ head: head.toString("utf8"), tail: tail.toString("utf8"), bytes });
      return;
    }
    const whole = kept.length === 1 ? Buffer.from(kept[0] as Uint8Array) : Buffer.concat(kept);
    kept = [];
    keptBytes = 0;
    const end = whole.at(-1) === CARRIAGE_RETURN ? whole.length - 1 : whole.length;
    options.onLine(whole.toString("utf8", 0, end));
  }

  return {
    push(chunk) {
      let rest = chunk;
      for (let at = rest.indexOf(NEWLINE); at !== -1; at = rest.indexOf(NEWLINE)) {
        add(rest.subarray(0, at));
        endLine();
        rest = rest.subarray(at + 1);
      }
      if (rest.length > 0) add(rest);
    },
  };
}

function lastBytes(before: Buffer, added: Uint8Array): Buffer {
  if (added.length >= EDGE_BYTES) return Buffer.from(added.subarray(-EDGE_BYTES));
  return Buffer.concat([before, added]).subarray(-EDGE_BYTES);
}
