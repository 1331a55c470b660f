// The input box: a draft, the draft that was put aside, and what submitting makes of them. It does to a paste what
// Claude Code does (folds long ones, strips what cannot be seen), because that is what a driver has to live with.

export interface Box {
  /** What stands in the box, long pastes folded. */
  draft(): string;
  type(text: string): void;
  paste(text: string): void;
  newline(): void;
  backspace(): void;
  /** Clears from the last line break to the end; an empty line goes with its break. */
  clearLine(): void;
  clear(): void;
  /** Enter: the prompt to submit, and the box is empty then; null when Enter did something else or nothing. */
  enter(): string | null;
  /** Puts a prompt that was not accepted back, in front of what was typed since. */
  putBack(prompt: string): void;
  /** Puts the draft aside, or brings it back when the box is empty. */
  stash(): void;
  /** Brings the draft that was put aside back into an empty box. */
  restoreStash(): void;
  isStashed(): boolean;
  /** Said once after a paste that lost something. */
  notice(): string | null;
}

/** A paste beyond either of these is folded in the box and marked in the prompt (measured on Claude Code 2.1.330). */
const FOLD_CHARS = 800;
const FOLD_LINES = 3;

const BLANKS_PER_TAB = 4;
const CONTROL_CHARS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g;
/** Zero-width and direction marks; the joiners U+200C and U+200D stay, because emoji and some scripts need them. */
const INVISIBLE_CHARS = /[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]/g;

/** An empty box. `pasteId` marks folded pastes in prompts; it stays the same for a process. */
export function createBox(pasteId: string): Box {
  let draft = "";
  let stashed: string | null = null;
  let notice: string | null = null;
  let reviewFirst = false;
  let folds: string[] = [];

  function unfold(text: string): string {
    return text.replaceAll(/\[Pasted text #(\d+)(?: \+\d+ lines)?\]/g, (label, number) => {
      const content = folds[Number(number) - 1];
      return content === undefined ? label : wrapPasted(content, pasteId);
    });
  }

  function paste(raw: string): void {
    const { text, removed } = normalise(raw);
    if (removed > 0) {
      notice = `Removed ${removed} invisible characters · review and press Enter to send`;
      reviewFirst = true;
    }
    const breaks = text.split("\n").length - 1;
    if (text.length <= FOLD_CHARS && breaks < FOLD_LINES) {
      draft += text;
      return;
    }
    folds.push(text);
    draft += breaks === 0 ? `[Pasted text #${folds.length}]` : `[Pasted text #${folds.length} +${breaks} lines]`;
  }

  function enter(): string | null {
    notice = null;
    if (reviewFirst) {
      reviewFirst = false;
      return null;
    }
    if (draft.endsWith("\\")) {
      draft = `${draft.slice(0, -1)}\n`; // Backslash and Enter break the line, in any terminal.
      return null;
    }
    const prompt = unfold(draft).trimEnd();
    if (prompt === "") return null;
    draft = "";
    folds = [];
    return prompt;
  }

  return {
    draft: () => draft,
    type(text) {
      draft += text;
    },
    paste,
    newline() {
      draft += "\n";
    },
    backspace() {
      draft = [...draft].slice(0, -1).join("");
    },
    clearLine() {
      const start = draft.lastIndexOf("\n") + 1;
      draft = start === draft.length ? draft.slice(0, Math.max(0, start - 1)) : draft.slice(0, start);
    },
    clear() {
      draft = "";
      reviewFirst = false;
      notice = null;
    },
    enter,
    putBack(prompt) {
      draft = unwrapPasted(prompt) + draft;
    },
    stash() {
      if (draft !== "") {
        stashed = draft;
        draft = "";
      } else if (stashed !== null) {
        draft = stashed;
        stashed = null;
      }
    },
    restoreStash() {
      if (stashed === null || draft !== "") return;
      draft = stashed;
      stashed = null;
    },
    isStashed: () => stashed !== null,
    notice: () => notice,
  };
}

function normalise(raw: string): { text: string; removed: number } {
  const text = raw
    .replaceAll(/\r\n?/g, "\n")
    .replaceAll("\t", " ".repeat(BLANKS_PER_TAB))
    .replaceAll(CONTROL_CHARS, "")
    .normalize("NFC");
  const visible = text.replaceAll(INVISIBLE_CHARS, "");
  return { text: visible, removed: text.length - visible.length };
}

function wrapPasted(text: string, id: string): string {
  return `\n\n<pasted_content id="${id}">\n${text}\n</pasted_content id="${id}">\n`;
}

/** The prompt as its author knows it: without the marks around folded pastes. */
export function unwrapPasted(prompt: string): string {
  return prompt.replaceAll(
    /(?:\n\n)?<pasted_content id="([0-9a-f]+)">\n([\s\S]*?)\n<\/pasted_content id="\1">\n?/g,
    (_whole, _id, text: string) => text,
  );
}
