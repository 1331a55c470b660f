// What the daemon keeps of one pane's output as it passes: how much there was, the last of it, and whether the program has
// asked for bracketed paste, which tmux 3.3 knows but does not tell. Pure but for what it holds.

import { createTail } from "../tail.ts";
import type { OutputTail } from "../terminal.ts";

export interface PaneStream {
  /** Returns true when bracketed paste was switched by this piece. */
  push(bytes: Buffer): boolean;
  tail(from: number): OutputTail;
  bytes(): number;
  bracketedPaste(): boolean;
}

/** As in the embedded host: a dozen redraws of a TUI. */
const TAIL_BYTES = 256 * 1024;
/** A mode sequence cut by a chunk's edge is no longer than this. */
const CARRY_CHARS = 64;

export function createPaneStream(bracketedPasteBefore: boolean): PaneStream {
  const tail = createTail(TAIL_BYTES);
  let bytesSeen = 0;
  let isOn = bracketedPasteBefore;
  let carry = "";
  return {
    push(bytes) {
      tail.push(bytes);
      bytesSeen += bytes.length;
      const text = carry + bytes.toString("latin1");
      const before = isOn;
      let consumed = 0;
      for (const mode of text.matchAll(/\x1b(?:\[\?([0-9;]*)([hl])|(c)|(\[!p))/g)) {
        if (mode[3] || mode[4])
          isOn = mode[4] ? isOn : false; // a full reset switches it off, a soft one does not
        else if (mode[1]?.split(";").includes("2004")) isOn = mode[2] === "h";
        consumed = mode.index + mode[0].length;
      }
      carry = text.slice(Math.max(consumed, text.length - CARRY_CHARS));
      return isOn !== before;
    },
    tail: tail.read,
    bytes: () => bytesSeen,
    bracketedPaste: () => isOn,
  };
}
