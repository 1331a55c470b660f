// Reads an emulator's cells into the port's Screen. Pure reading: nothing here writes to a terminal or waits for one.

import type headless from "@xterm/headless";
import type { Screen } from "./terminal.ts";

type XtermTerminal = InstanceType<typeof headless.Terminal>;

/** What the emulator does not know: how much came out of the program and out of people. */
export interface ScreenCounts {
  outputBytes: number;
  viewerInputs: number;
}

/** The screen as it stands. Of the scrollback above it nothing is read. */
export function readScreen(
  terminal: XtermTerminal,
  known: ScreenCounts & { title: string; cursorVisible: boolean },
): Screen {
  const buffer = terminal.buffer.active;
  const lines: string[] = [];
  const brightLines: string[] = [];
  for (let row = 0; row < terminal.rows; row++) {
    const line = buffer.getLine(buffer.baseY + row);
    lines.push(line?.translateToString(true).trimEnd() ?? "");
    brightLines.push(line === undefined ? "" : brightText(line, buffer.getNullCell()));
  }
  return {
    size: { cols: terminal.cols, rows: terminal.rows },
    lines,
    brightLines,
    cursor: {
      row: buffer.cursorY,
      // After a full row the emulator parks the cursor one past the edge; a person sees it in the last column.
      col: Math.min(buffer.cursorX, terminal.cols - 1),
      visible: known.cursorVisible,
    },
    bracketedPaste: terminal.modes.bracketedPasteMode,
    alternate: buffer.type === "alternate",
    title: known.title,
    outputBytes: known.outputBytes,
    viewerInputs: known.viewerInputs,
  };
}

type Line = NonNullable<ReturnType<XtermTerminal["buffer"]["active"]["getLine"]>>;
type Cell = ReturnType<XtermTerminal["buffer"]["active"]["getNullCell"]>;

function brightText(line: Line, reused: Cell): string {
  let text = "";
  for (let col = 0; col < line.length; col++) {
    const cell = line.getCell(col, reused);
    if (cell === undefined || cell.getWidth() === 0) continue; // the second half of a wide character
    text += cell.isDim() !== 0 ? " ".repeat(cell.getWidth()) : cell.getChars() || " ";
  }
  return text.trimEnd();
}
