// A pane of a private tmux server, as the port's Terminal. Questions go to tmux in one line each; output, doorbell, tail and
// viewers live on the stream that the control connection hands in.

import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../../kernel/clock.ts";
import { SignalboxError } from "../../kernel/errors.ts";
import { assertUsableSize, isUsableSize } from "../names.ts";
import { isStillRunning, type ProcessMark, processBirth } from "../processes.ts";
import type { AttachedViewer, ExitStatus, Liveness, Terminal, TerminalSize, ViewerSink } from "../terminal.ts";
import { createViewerInputFilter } from "../viewer-input.ts";
import type { Control, PaneId } from "./control.ts";
import { PANE_COMMANDS, type PanePicture, paneQuestion, pictureOf, screenRows } from "./pane-screen.ts";
import { createPaneStream } from "./pane-stream.ts";
import { wasPersonActive } from "./person.ts";

/** One line of the server's list of panes. */
export interface PaneRow {
  id: PaneId;
  pid: number;
  ref: string;
  /** null while the program runs. */
  exit: ExitStatus | null;
  /** As it was last noted on the pane. */
  bracketedPaste: boolean;
}

export interface TmuxTerminal extends Terminal {
  readonly pane: PaneId;
  heardOutput(bytes: Buffer): void;
  /** Some output was not sent; it is on the screen. */
  heardGap(): void;
  heardExit(exit: ExitStatus | null): void;
  /** As the process table says, whatever tmux does. */
  isRunning(): boolean;
}

export interface TmuxTerminalNeeds {
  host: string;
  row: PaneRow;
  runDir: string;
  clock: Clock;
  /** The standing connection or a new one; rejects when the server is not there. */
  control(): Promise<Control>;
  list(): Promise<PaneRow[]>;
  /** Extra words for `paste-buffer` in this version of tmux. */
  pasteFlags: string;
  /** For names of files and buffers, never the same twice. */
  nextNumber(): number;
}

interface Seat {
  sink: ViewerSink;
  /** null while live; else what came since the picture was taken that it will get. */
  waiting: Buffer[] | null;
  isBusy: boolean;
  hasMissed: boolean;
}

/** A viewer's repaint is on its way this long at most in pieces of output; beyond, it takes another repaint. */
const WAITING_PIECES_MAX = 1000;

export function createTmuxTerminal(needs: TmuxTerminalNeeds): TmuxTerminal {
  const { host, row, runDir, clock, control, list, pasteFlags, nextNumber } = needs;
  const mark: ProcessMark = { pid: row.pid, birth: processBirth(row.pid) };
  const stream = createPaneStream(row.bracketedPaste);
  const activityListeners = new Set<() => void>();
  const exitListeners = new Set<(exit: ExitStatus | null) => void>();
  const seats = new Set<Seat>();
  let viewerInputs = 0;
  let personActiveAt = 0;
  let isArmed = true;
  let ended: { exit: ExitStatus | null } | null = null;
  let typing: Promise<void> = Promise.resolve();

  return {
    ref: row.ref,
    host,
    pid: row.pid,
    isShared: true,
    pane: row.id,

    async write(bytes, { ifViewerInputs } = {}) {
      if (ended) throw processGone();
      if (ifViewerInputs !== undefined) await look();
      if (ifViewerInputs !== undefined && ifViewerInputs !== viewerInputs) {
        throw new SignalboxError(
          "conflict",
          "A person has typed into the terminal meanwhile.",
          "Look at the screen again.",
        );
      }
      await type(Buffer.from(bytes, "utf8"));
    },
    async screen() {
      // Armed at the very place in tmux's stream where the picture was taken: what follows there is not on it.
      const { emulator } = await look(() => {
        isArmed = true;
      });
      return emulator.screen({ outputBytes: stream.bytes(), viewerInputs });
    },
    tail: async (from) => stream.tail(from),
    async resize(size) {
      assertUsableSize(size);
      if (!ended) await takeSize(size);
    },
    async signal(name, { group = false } = {}) {
      const isThere = ended ? ended.exit === null && isStillRunning(mark) : (await rowNow())?.exit === null;
      if (!isThere) return;
      try {
        process.kill(group ? -row.pid : row.pid, name);
      } catch {
        // Gone in this moment.
      }
    },
    async liveness() {
      if (ended) return livenessAfter(ended.exit);
      try {
        const now = await rowNow();
        if (now?.exit === null) return { is: "alive", pid: now.pid };
        return { is: "gone", exit: now?.exit ?? null };
      } catch (error) {
        return ended ? livenessAfter(endedNow()) : { is: "cannot_tell", why: (error as Error).message };
      }
    },
    onActivity(ring) {
      activityListeners.add(ring);
      return () => activityListeners.delete(ring);
    },
    onExit(hear) {
      if (ended) {
        const { exit } = ended;
        queueMicrotask(() => hear(exit));
        return () => {};
      }
      exitListeners.add(hear);
      return () => exitListeners.delete(hear);
    },
    attach,

    heardOutput(bytes) {
      if (stream.push(bytes)) noteBracketedPaste();
      for (const seat of seats) show(seat, bytes);
      ring();
    },
    heardGap() {
      for (const seat of seats) seat.hasMissed = true;
      for (const seat of seats) if (!seat.isBusy) void repaint(seat);
      ring();
    },
    heardExit(exit) {
      if (ended) return;
      ended = { exit };
      for (const { sink } of seats) sink.exited(exit);
      seats.clear();
      for (const hear of [...exitListeners]) hear(exit);
      exitListeners.clear();
    },
    isRunning: () => isStillRunning(mark),
  };

  function ring(): void {
    if (!isArmed) return;
    isArmed = false;
    for (const listener of [...activityListeners]) listener();
  }

  function endedNow(): ExitStatus | null {
    return ended?.exit ?? null;
  }

  async function rowNow(): Promise<PaneRow | undefined> {
    return (await list()).find(({ id }) => id === row.id);
  }

  function livenessAfter(exit: ExitStatus | null): Liveness {
    if (exit === null && isStillRunning(mark)) {
      return { is: "cannot_tell", why: `the tmux server died, but process ${row.pid} is still there` };
    }
    return { is: "gone", exit };
  }

  /** The screen; counts what people did in tmux clients of their own. */
  async function look(taken: () => void = () => {}): Promise<PanePicture> {
    const answers = await (await control()).run(paneQuestion(row.id), PANE_COMMANDS, (earlier) => {
      taken();
      return screenRows(earlier);
    });
    const picture = pictureOf(answers, stream.bracketedPaste());
    const { personActiveAt: atS } = picture;
    if (wasPersonActive({ atS, beforeS: personActiveAt, nowS: Math.floor(clock.now() / 1000) })) viewerInputs++;
    personActiveAt = atS;
    return picture;
  }

  /** Through a private file and a buffer, because bytes in a command could be read as a command. tmux itself looks whether the
   *  pane still holds our program: a person may have put another one there this moment. */
  function type(bytes: Buffer): Promise<void> {
    if (bytes.length === 0) return typing;
    const mine = typing.then(async () => {
      if (ended) throw processGone();
      const name = `in_${nextNumber()}`;
      const file = join(runDir, name);
      writeFileSync(file, bytes, { mode: 0o600, flag: "wx" });
      try {
        const connection = await control();
        const paste = `paste-buffer -d -r ${pasteFlags} -b ${name} -t ${row.id} ; display-message -p typed`;
        const leave = `delete-buffer -b ${name} ; display-message -p replaced`;
        const typed = `if-shell -F -t ${row.id} "#{==:#{pane_pid},${row.pid}}" "${paste}" "${leave}"`;
        const answers = await connection.run(`load-buffer -b ${name} ./${name} ; ${typed}`, 4);
        if (answers.at(-1)?.[0] !== "typed") throw processGone();
      } finally {
        rmSync(file, { force: true });
      }
    });
    typing = mine.catch(() => {});
    return mine;
  }

  async function takeSize({ cols, rows }: TerminalSize): Promise<void> {
    await (await control()).run(`resize-window -t ${row.id} -x ${cols} -y ${rows}`, 1);
  }

  /** tmux does not tell this mode, and the next daemon must know it. */
  function noteBracketedPaste(): void {
    const noted = `set-option -p -t ${row.id} @paste ${stream.bracketedPaste() ? 1 : 0}`;
    control()
      .then((connection) => connection.run(noted, 1))
      .catch(() => {}); // the pane or the server is ending
  }

  async function attach(sink: ViewerSink, size: TerminalSize): Promise<AttachedViewer> {
    if (ended) throw processGone();
    const seat: Seat = { sink, waiting: [], isBusy: false, hasMissed: false };
    const filter = createViewerInputFilter();
    await takeSize(size);
    await repaint(seat);
    seats.add(seat);
    return {
      input(data) {
        const { bytes, isTyped } = filter.push(data);
        if (isTyped) viewerInputs++;
        type(bytes).catch(() => {});
      },
      resize: (newSize) => {
        if (isUsableSize(newSize)) takeSize(newSize).catch(() => {});
      },
      detach: () => void seats.delete(seat),
    };
  }

  function show(seat: Seat, bytes: Buffer): void {
    if (seat.waiting) seat.waiting.push(bytes);
    if (seat.waiting && seat.waiting.length > WAITING_PIECES_MAX) seat.hasMissed = true;
    if (seat.waiting || seat.hasMissed) return;
    if (seat.isBusy) seat.hasMissed = true;
    else hand(seat, bytes);
  }

  function hand(seat: Seat, bytes: Uint8Array): void {
    const shown = seat.sink.output(bytes);
    if (shown === undefined) return;
    seat.isBusy = true;
    void shown
      .catch(() => {})
      .then(() => {
        seat.isBusy = false;
        if (seat.hasMissed && seats.has(seat)) return repaint(seat);
      });
  }

  /** The whole screen, then what came after it was taken. */
  async function repaint(seat: Seat): Promise<void> {
    seat.hasMissed = false;
    seats.add(seat);
    seat.waiting = [];
    try {
      const { emulator } = await look(() => {
        seat.waiting = [];
      });
      const since = seat.waiting;
      seat.waiting = null;
      hand(seat, Buffer.concat([Buffer.from(emulator.repaint(), "utf8"), ...since]));
    } catch (error) {
      seats.delete(seat);
      if (!ended) throw error;
    }
  }
}

function processGone(): SignalboxError {
  return new SignalboxError("terminal_unavailable", "The terminal's process has ended.", "Start it again.");
}
