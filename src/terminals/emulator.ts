// A terminal emulator without a window: what a program wrote becomes a screen that can be read, repainted elsewhere, and
// asked. It answers the program's questions (device attributes, cursor position) through `answer`, and it must be the only
// one that does: a second answerer types garbage into the program. It never touches a process, a socket or a clock.

import serializeAddon from "@xterm/addon-serialize";
import headless from "@xterm/headless"; // CommonJS: under native ESM only the default export is there.
import { readScreen, type ScreenCounts } from "./screen.ts";
import type { Screen, TerminalSize } from "./terminal.ts";

export interface Emulator {
  /** Takes output of the program; `parsed` is called when it stands on the screen, in the order of the writes. */
  write(data: Uint8Array, parsed?: () => void): void;
  /** Calls `run` when everything written before stands on the screen; nothing written later does yet. */
  whenParsed(run: () => void): void;
  resize(size: TerminalSize): void;
  screen(counts: ScreenCounts): Screen;
  /** True while the program is in the middle of a frame it asked to be shown at once (DECSET 2026). */
  isMidFrame(): boolean;
  /** Bytes that make any other terminal, in whatever state it is, show this screen with these modes. */
  repaint(): string;
}

export interface EmulatorOptions {
  size: TerminalSize;
  /** Lines kept above the screen. */
  scrollbackLines: number;
  /** Bytes the emulator wants typed into the program. */
  answer(bytes: string): void;
  /** Parse inside `write`, with no timer in between: for simulations, whose time is not this machine's. */
  synchronous?: boolean;
}

/** A title is shown in lists; the emulator itself would keep megabytes of it. */
const TITLE_CHARS_MAX = 256;

/** Private modes that the emulator keeps but does not show through its public interface: cursor, mouse encodings. */
const CURSOR_MODE = 25;
const MOUSE_ENCODING_MODES = [1005, 1006, 1015, 1016] as const;

/** Ends a half-sent sequence, then puts back what a previous program or a missed piece of output may have left on. */
const CLEAN_SLATE =
  "\x18\x1b[!p\x1b[?1049l\x1b[?9l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1005l\x1b[?1006l\x1b[?1015l\x1b[?1016l" +
  "\x1b[?2004l\x1b[?2026l\x1b[?7h\x1b[m\x1b[H\x1b[2J";

export function createEmulator(options: EmulatorOptions): Emulator {
  const terminal = new headless.Terminal({
    cols: options.size.cols,
    rows: options.size.rows,
    scrollback: options.scrollbackLines,
    allowProposedApi: true, // the buffer's cells and the parser hooks are "proposed"
    logLevel: "off",
  });
  const serializer = new serializeAddon.SerializeAddon();
  terminal.loadAddon(serializer as unknown as Parameters<typeof terminal.loadAddon>[0]);

  let title = "";
  const privateModes = trackPrivateModes(terminal.parser);
  terminal.onTitleChange((text) => {
    title = printable(text).slice(0, TITLE_CHARS_MAX);
  });
  terminal.onData((bytes) => options.answer(bytes));

  const take = options.synchronous ? writeSynchronously(terminal) : terminal.write.bind(terminal);
  let unparsedWrites = 0;
  const write: Emulator["write"] = (data, parsed) => {
    unparsedWrites += 1;
    take(data, () => {
      unparsedWrites -= 1;
      parsed?.();
    });
  };
  return {
    write,
    // The emulator parses behind a timer: where nothing is left to parse, a millisecond of every look would pass for nothing.
    whenParsed: (run) => (unparsedWrites === 0 ? queueMicrotask(run) : write(new Uint8Array(0), run)),
    resize: ({ cols, rows }) => terminal.resize(cols, rows),
    screen: (counts) => readScreen(terminal, { ...counts, title, cursorVisible: privateModes.has(CURSOR_MODE) }),
    isMidFrame: () => terminal.modes.synchronizedOutputMode,
    repaint() {
      const encodings = MOUSE_ENCODING_MODES.filter((mode) => privateModes.has(mode)).map((mode) => `\x1b[?${mode}h`);
      const cursor = privateModes.has(CURSOR_MODE) ? "\x1b[?25h" : "\x1b[?25l";
      return CLEAN_SLATE + serializer.serialize({ scrollback: 0 }) + encodings.join("") + cursor;
    },
  };
}

type Parser = InstanceType<typeof headless.Terminal>["parser"];

/** Listens along; returning false leaves the sequence to the emulator. A full or soft reset puts the defaults back. */
function trackPrivateModes(parser: Parser): ReadonlySet<number> {
  const on = new Set<number>([CURSOR_MODE]);
  const tracked = new Set<number>([CURSOR_MODE, ...MOUSE_ENCODING_MODES]);
  const change = (isOn: boolean) => (params: (number | number[])[]) => {
    for (const mode of params.flat()) {
      if (!tracked.has(mode)) continue;
      if (isOn) on.add(mode);
      else on.delete(mode);
    }
    return false;
  };
  const reset = () => {
    on.clear();
    on.add(CURSOR_MODE);
    return false;
  };
  parser.registerCsiHandler({ prefix: "?", final: "h" }, change(true));
  parser.registerCsiHandler({ prefix: "?", final: "l" }, change(false));
  parser.registerCsiHandler({ intermediates: "!", final: "p" }, reset);
  parser.registerEscHandler({ final: "c" }, reset);
  return on;
}

/** The emulator's own synchronous path is internal to it; the contract suite of the terminals notices if it goes. */
function writeSynchronously(terminal: InstanceType<typeof headless.Terminal>): Emulator["write"] {
  const core = (terminal as unknown as { _core: { writeSync(data: Uint8Array): void } })._core;
  return (data, parsed) => {
    core.writeSync(data);
    parsed?.();
  };
}

function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, "");
}
