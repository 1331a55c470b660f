// biome-ignore-all lint/suspicious/noControlCharactersInRegex: terminal sequences are made of them.

// What a viewer's terminal sends is not all typed by a person. The program's questions reach every attached terminal along
// with its output, and each answers; the one emulator in charge has answered already, so those answers are taken out here.
// Mouse motion and focus reports pass, but are not counted as a person's keys. Pure: bytes in, bytes out.

export interface ViewerInput {
  /** For the program. May be empty. */
  bytes: Buffer;
  /** True when a person pressed something in it. */
  isTyped: boolean;
  /** True between the beginning and the end of a paste. */
  isMidPaste: boolean;
}

export interface ViewerInputFilter {
  push(chunk: Uint8Array): ViewerInput;
}

/** An answer longer than this is none (the longest, a clipboard report, we do not want either way). */
const HELD_CHARS_MAX = 4096;

const PASTE_BEGIN = "\x1b[200~";
const PASTE_END = "\x1b[201~";

// Sequences at the start of the text. CPR (`CSI row;col R`) looks like F3 with a modifier; an answer typed into a prompt
// does harm, a missing Shift-F3 does not, so both are dropped.
const CSI = /^\x1b\[([?>=<]?)([0-9;:]*)([ -/]*)([@-~])/;
const UNFINISHED_CSI = /^\x1b\[[?>=<0-9][0-9;:]*[ -/]*$/;
const LEGACY_MOUSE = /^\x1b\[M[\s\S]{3}/;
// DCS (status strings, version), OSC (colours, clipboard), APC (graphics), each ended by ST or BEL.
const STRING_ANSWER = /^\x1b(?:P[0-9]*[$+>!|]|\][0-9]+;|_G)[^\x00-\x1f]*(?:\x1b\\|\x07)/;
const UNFINISHED_STRING =
  /^\x1b(?:P(?:[0-9]+|[0-9]*[$+>!|][^\x00-\x1f]*)|\][0-9]+(?:;[^\x00-\x1f]*)?|_G[^\x00-\x1f]*)\x1b?$/;

export function createViewerInputFilter(): ViewerInputFilter {
  let held = "";
  let isPasting = false;

  return {
    push(chunk) {
      // latin1 keeps bytes apart one by one, so that a cut UTF-8 character passes unharmed.
      let rest = held + Buffer.from(chunk).toString("latin1");
      held = "";
      let bytes = "";
      let isTyped = false;
      while (rest !== "") {
        const step = isPasting ? takePaste(rest) : takeOne(rest);
        if (step.is === "unfinished" && rest.length <= HELD_CHARS_MAX) {
          held = rest;
          break;
        }
        const length = step.is === "unfinished" ? rest.length : step.length;
        if (step.is !== "answer") bytes += rest.slice(0, length);
        if (step.is === "typed" || step.is === "unfinished") isTyped = true;
        const passed = rest.slice(0, length);
        if (passed.endsWith(PASTE_BEGIN)) isPasting = true;
        if (passed.endsWith(PASTE_END)) isPasting = false;
        rest = rest.slice(length);
      }
      return { bytes: Buffer.from(bytes, "latin1"), isTyped, isMidPaste: isPasting };
    },
  };
}

type Step = { is: "typed" | "report" | "answer"; length: number } | { is: "unfinished" };

/** Inside a paste everything is text until its end mark. */
function takePaste(text: string): Step {
  const end = text.indexOf(PASTE_END);
  if (end !== -1) return { is: "typed", length: end + PASTE_END.length };
  // The end mark may be cut by the chunk's edge; what could be its beginning waits.
  let markChars = Math.min(PASTE_END.length - 1, text.length);
  while (!text.endsWith(PASTE_END.slice(0, markChars))) markChars--;
  return markChars === text.length ? { is: "unfinished" } : { is: "typed", length: text.length - markChars };
}

function takeOne(text: string): Step {
  const plainChars = text.indexOf("\x1b");
  if (plainChars !== 0) return { is: "typed", length: plainChars === -1 ? text.length : plainChars };
  const mouse = LEGACY_MOUSE.exec(text);
  if (mouse) return { is: "report", length: mouse[0].length };
  const csi = CSI.exec(text);
  if (csi) return { is: judge(csi), length: csi[0].length };
  const answer = STRING_ANSWER.exec(text);
  if (answer) return { is: "answer", length: answer[0].length };
  if (UNFINISHED_CSI.test(text) || UNFINISHED_STRING.test(text)) return { is: "unfinished" };
  return { is: "typed", length: 1 }; // the Escape key, or the first half of Alt and a key
}

function judge([, prefix = "", params = "", between = "", final = ""]: RegExpExecArray): "typed" | "report" | "answer" {
  if (final === "c" && prefix !== "") return "answer"; // device attributes
  if (final === "R") return "answer"; // cursor position
  if (final === "n") return "answer"; // device status
  if (final === "y" && between === "$") return "answer"; // mode report
  if (final === "t") return "answer"; // window size report
  if (final === "u" && prefix === "?") return "answer"; // keyboard protocol flags
  if ((final === "I" || final === "O") && prefix === "" && params === "") return "report"; // focus
  if (prefix === "<" && (final === "M" || final === "m")) {
    const button = Number.parseInt(params, 10);
    return final === "M" && (button & (32 | 64)) === 0 ? "typed" : "report"; // 32 = motion, 64 = wheel
  }
  return "typed";
}
