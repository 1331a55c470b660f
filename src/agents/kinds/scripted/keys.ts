// Bytes of a terminal into keys and pastes. The same bytes give the same events however they were cut into chunks; only that nothing
// follows a lone Escape or a paste without an end needs to be told from outside (`flush`), because nothing in the bytes says so.

export type Key =
  /** One printable character. */
  | { is: "text"; text: string }
  /** What stood between the bracketed-paste marks, unchanged. */
  | { is: "paste"; text: string }
  /** enter, newline, escape, backspace, tab, up, down, left, right, ctrl-a … ctrl-z; others under their own bytes. */
  | { is: "key"; name: string };

export interface KeyDecoder {
  feed(bytes: Uint8Array): Key[];
  /** For how long nothing may follow until `flush` is due; null: nothing is pending. */
  pauseMs(): number | null;
  /** Says that nothing followed: the pending Escape was the key itself, the open paste is all there is of it. */
  flush(): Key[];
}

const ESC = "\x1b";
const PASTE_END = "\x1b[201~";
/** Terminals send sequences in one piece. */
const ESCAPE_PAUSE_MS = 25;
/** Claude Code 2.1.330 ends a paste whose end mark does not come 2 030 ms after its last byte (measured). */
const PASTE_PAUSE_MS = 2_000;
/** Longer than any real sequence; beyond it the bytes are no sequence and are dropped. */
const SEQUENCE_CHARS_MAX = 64;

const SEQUENCES: Record<string, string> = {
  "[A": "up",
  "[B": "down",
  "[C": "right",
  "[D": "left",
  OA: "up",
  OB: "down",
  OC: "right",
  OD: "left",
  "[13;2u": "newline", // Shift-Enter where the terminal can say it.
};

const CONTROLS: Record<string, string> = {
  "\r": "enter",
  "\n": "newline",
  "\t": "tab",
  "\x7f": "backspace",
  "\b": "backspace",
};

export function createKeyDecoder(): KeyDecoder {
  // ignoreBOM: a byte order mark that somebody pastes is theirs to send.
  const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  let mode: "ground" | "escape" | "sequence" | "paste" = "ground";
  let sequence = "";
  let pasted: string[] = [];
  /** The paste's last characters, kept apart because the end mark may be cut between two chunks. */
  let pasteTail = "";

  function feed(bytes: Uint8Array): Key[] {
    const text = utf8.decode(bytes, { stream: true });
    const keys: Key[] = [];
    let at = 0;
    while (at < text.length) {
      if (mode === "paste") {
        at = takePaste(text, at, keys);
        continue;
      }
      const char = String.fromCodePoint(text.codePointAt(at) ?? 0);
      at += char.length;
      takeChar(char, keys);
    }
    return keys;
  }

  function takeChar(char: string, keys: Key[]): void {
    if (mode === "ground") {
      if (char === ESC) mode = "escape";
      else keys.push(plainKey(char));
    } else if (mode === "escape") {
      if (char === "[" || char === "O") {
        mode = "sequence";
        sequence = char;
      } else if (char === ESC) {
        keys.push({ is: "key", name: "escape" }); // The second one may begin a sequence of its own.
      } else {
        mode = "ground";
        // Alt-Enter is how terminals without Shift-Enter break a line.
        keys.push({ is: "key", name: char === "\r" || char === "\n" ? "newline" : `alt-${char}` });
      }
    } else {
      takeSequence(char, keys);
    }
  }

  function takeSequence(char: string, keys: Key[]): void {
    if (char === ESC) {
      mode = "escape";
      return;
    }
    sequence += char;
    const isFinal = sequence.startsWith("O") || (char >= "@" && char <= "~");
    if (!isFinal && sequence.length < SEQUENCE_CHARS_MAX) return;
    mode = "ground";
    if (sequence === "[200~") {
      mode = "paste";
      pasted = [];
      pasteTail = "";
    } else {
      keys.push({ is: "key", name: SEQUENCES[sequence] ?? `escape ${sequence}` });
    }
  }

  /** Takes text from `at` into the paste; returns where it stopped. */
  function takePaste(text: string, at: number, keys: Key[]): number {
    const before = pasteTail.length;
    const window = pasteTail + text.slice(at);
    const end = window.indexOf(PASTE_END);
    if (end < 0) {
      const keep = Math.max(0, window.length - (PASTE_END.length - 1));
      pasted.push(window.slice(0, keep));
      pasteTail = window.slice(keep);
      return text.length;
    }
    keys.push({ is: "paste", text: takePasted(window.slice(0, end)) });
    mode = "ground";
    return at + end + PASTE_END.length - before;
  }

  function takePasted(rest: string): string {
    const text = [...pasted, rest].join("");
    pasted = [];
    pasteTail = "";
    return text;
  }

  return {
    feed,
    pauseMs: () => (mode === "escape" ? ESCAPE_PAUSE_MS : mode === "paste" ? PASTE_PAUSE_MS : null),
    flush() {
      const was = mode;
      if (was !== "escape" && was !== "paste") return [];
      mode = "ground";
      return was === "escape" ? [{ is: "key", name: "escape" }] : [{ is: "paste", text: takePasted(pasteTail) }];
    },
  };
}

function plainKey(char: string): Key {
  const name = CONTROLS[char];
  if (name !== undefined) return { is: "key", name };
  if (char < " ") return { is: "key", name: `ctrl-${String.fromCharCode(char.charCodeAt(0) + 96)}` };
  return { is: "text", text: char };
}
