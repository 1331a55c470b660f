// Dialogs as the program shows them: their words, their highlighted option, and what each key does to them. Pure. It is
// deliberately as unforgiving as Claude Code: Enter takes what is highlighted, a paste is swallowed, a digit answers.

import type { Key } from "./keys.ts";
import { DIALOG_TITLES, type DialogKind } from "./words.ts";

export interface Dialog {
  kind: DialogKind;
  /** Behind the kind's own word in the title line: the tool, the folder, the header. */
  subject: string;
  body: string[];
  /** The line directly above the options. */
  asks: string;
  options: string[];
  selected: number;
  digitsAnswer: boolean;
}

export type DialogMove =
  | { is: "chosen"; option: number }
  | { is: "dismissed" }
  | { is: "highlighted"; option: number }
  | { is: "ignored" };

/** What `key` does. `alone` is false when more came in the same burst: then digits are taken for stray text. */
export function pressInDialog(dialog: Dialog, key: Key, alone: boolean): DialogMove {
  if (key.is === "paste") return { is: "ignored" };
  if (key.is === "text") {
    const option = /^[1-9]$/.test(key.text) ? Number(key.text) - 1 : -1;
    const answers = dialog.digitsAnswer && alone && option >= 0 && option < dialog.options.length;
    return answers ? { is: "chosen", option } : { is: "ignored" };
  }
  const last = dialog.options.length - 1;
  if (key.name === "enter") return { is: "chosen", option: dialog.selected };
  if (key.name === "escape") return { is: "dismissed" };
  if (key.name === "up") return { is: "highlighted", option: Math.max(0, dialog.selected - 1) };
  if (key.name === "down") return { is: "highlighted", option: Math.min(last, dialog.selected + 1) };
  return { is: "ignored" };
}

export function dialogTitle(dialog: Dialog): string {
  return `${DIALOG_TITLES[dialog.kind]}: ${dialog.subject}`;
}

/** The dangerous default is the safe one here: a blind Enter leaves. */
export function trustDialog(cwd: string): Dialog {
  return {
    kind: "trust",
    subject: cwd,
    body: ["An agent that works here can read, change and run the files of this folder."],
    asks: "Do you trust the files in this folder?",
    options: ["No, exit", "Yes, I trust this folder"],
    selected: 0,
    digitsAnswer: false,
  };
}

/** An offer nobody asked for, whose default changes a setting. */
export function upsellDialog(): Dialog {
  return {
    kind: "startup",
    subject: "Try the new renderer?",
    body: ["It draws the same things with other bytes."],
    asks: "Switch now?",
    options: ["Yes, try it", "Not now"],
    selected: 0,
    digitsAnswer: true,
  };
}

export const PERMISSION_OPTIONS = ["Yes", "No"];

export function permissionDialog(tool: string, input: unknown): Dialog {
  return {
    kind: "permission",
    subject: tool,
    body: JSON.stringify(input, null, 2).split("\n"),
    asks: "Do you want to proceed?",
    options: PERMISSION_OPTIONS,
    selected: 0,
    digitsAnswer: true,
  };
}

export function questionDialog(header: string, question: string, options: string[]): Dialog {
  return { kind: "question", subject: header, body: [], asks: question, options, selected: 0, digitsAnswer: true };
}
