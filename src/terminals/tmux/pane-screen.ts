// A pane's screen as tmux tells it, put on an emulator of ours, so that the same reading and the same repaint serve every
// backend. The questions tmux is asked are here beside the reading of its answers.

import { createEmulator, type Emulator } from "../emulator.ts";
import type { PaneId } from "./control.ts";

/** The commands that describe a pane, for Control.run with PANE_COMMANDS and screenRows. All in one line, so that nothing
 *  moves in between. */
export function paneQuestion(pane: PaneId): string {
  const modes =
    "#{alternate_on}#{cursor_flag}#{keypad_cursor_flag}#{mouse_standard_flag}#{mouse_button_flag}#{mouse_all_flag}#{mouse_sgr_flag}";
  const place = "#{pane_width} #{pane_height} #{cursor_x} #{cursor_y}";
  const people = `list-clients -F "#{client_control_mode} #{client_activity}"`;
  return `display-message -p -t ${pane} "${place} ${modes} #{pane_title}" ; ${people} ; capture-pane -p -e -t ${pane}`;
}

export const PANE_COMMANDS = 3;

export function screenRows(earlier: string[][]): number {
  return Number(earlier[0]?.[0]?.split(" ")[1]);
}

export interface PanePicture {
  emulator: Emulator;
  /** Seconds since the epoch when a person last did something in a tmux client of their own; 0 = nobody is there. */
  personActiveAt: number;
}

/** Throws when the answer is not one. */
export function pictureOf([place, clients, rows]: string[][], bracketedPaste: boolean): PanePicture {
  const known = /^(\d+) (\d+) (\d+) (\d+) ([01]{7}) (.*)$/.exec(place?.[0] ?? "");
  if (!known) throw new Error(`tmux described a pane as ${JSON.stringify(place?.[0])}`);
  const [, cols, height, cursorCol, cursorRow, flags = "", title = ""] = known;
  const [alternate, cursor, keypadCursor, mouse, drag, motion, sgrMouse] = [...flags].map((flag) => flag === "1");
  const set = (mode: number, on: boolean | undefined) => (on ? `\x1b[?${mode}h` : "");

  const emulator = createEmulator({
    size: { cols: Number(cols), rows: Number(height) },
    scrollbackLines: 0,
    answer() {}, // tmux answers its programs
    synchronous: true,
  });
  const before = `\x1b]2;${title}\x07${set(1049, alternate)}`;
  const modes = [set(1, keypadCursor), set(1000, mouse), set(1002, drag), set(1003, motion), set(1006, sgrMouse)].join(
    "",
  );
  const after = `\x1b[m\x1b[${Number(cursorRow) + 1};${Number(cursorCol) + 1}H${cursor ? "" : "\x1b[?25l"}`;
  const text = before + (rows ?? []).join("\r\n") + modes + set(2004, bracketedPaste) + after;
  emulator.write(Buffer.from(text, "latin1"));
  return { emulator, personActiveAt: lastActivity(clients ?? []) };
}

function lastActivity(clients: string[]): number {
  const people = clients.map((client) => client.split(" ")).filter(([isControl]) => isControl !== "1");
  return Math.max(0, ...people.map(([, seconds]) => Number(seconds)));
}
