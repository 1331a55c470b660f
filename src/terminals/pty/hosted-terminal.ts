// One terminal inside its host: the process, the emulator that alone answers it, the tail of its output, the queue of what
// is typed into it, and the viewers who look on. Whatever floods, memory stays bounded: a program that writes faster than
// the emulator parses is paused, a program that does not read gets no more, a viewer that lags gets a repaint later.

import type { Clock } from "../../kernel/clock.ts";
import { SignalboxError } from "../../kernel/errors.ts";
import { createEmulator } from "../emulator.ts";
import { isUsableSize } from "../names.ts";
import { createTail } from "../tail.ts";
import type { ExitStatus, OpenSpec, OutputTail, Screen, TerminalSize } from "../terminal.ts";
import type { ViewerInput } from "../viewer-input.ts";
import { startChild } from "./child.ts";
import type { SignalName } from "./protocol.ts";

export interface HostedTerminal {
  readonly pid: number;
  readonly birth: string | null;
  /** One uninterrupted piece; resolves when the kernel has taken it. */
  write(bytes: Buffer, ifViewerInputs: number | null): Promise<void>;
  /** Also re-arms the activity doorbell. */
  screen(): Promise<Screen>;
  tail(from: number): OutputTail;
  resize(size: TerminalSize): void;
  signal(name: SignalName, group: boolean): void;
  /** The doorbell rings again at the next output, whoever heard the last one. */
  rearm(): void;
  attach(viewer: Viewer, size: TerminalSize): ViewerSeat;
}

export interface Viewer {
  output(data: Uint8Array): void;
  exited(exit: ExitStatus): void;
}

export interface ViewerSeat {
  /** Resolves when the program has the keys, so that a viewer who outruns it can be held. */
  keys(input: ViewerInput): Promise<void>;
  resize(size: TerminalSize): void;
  /** For a viewer that missed output: stop sending, then send the whole screen and go on. */
  skip(): void;
  catchUp(): void;
  leave(): void;
}

/** What is kept of a terminal that has ended, in place of it. */
export interface Remains {
  exit: ExitStatus;
  pid: number;
  screen: Screen;
  tail(from: number): OutputTail;
}

export interface HostedTerminalEvents {
  activity(): void;
  /** Once, when all output has been parsed and every viewer has seen it. */
  ended(remains: Remains): void;
}

/** Above the screen; 14.5 MB per 5000 full lines were measured, and a TUI in the alternate screen uses none. */
const SCROLLBACK_LINES = 1000;
/** About a dozen full redraws of a TUI or 2000 lines of a log; 50 terminals cost 12.5 MiB. */
const TAIL_BYTES = 256 * 1024;
/** Of a terminal that has ended, enough to see why. */
const TAIL_BYTES_AFTER_EXIT = 16 * 1024;
/** Output waiting for the emulator, which parses some 25 MB/s: 20 ms of work. Half of it before the program may go on. */
const UNPARSED_BYTES_MAX = 512 * 1024;
/** After this much output a program rests: its writes block while it is not read, so that it, the kernel's terminal and the parser
 *  leave two thirds of their time to the programs beside it, whose messages were up to three times as late during a flood
 *  (measured). Some 8 MB/s are left, and who writes less than that does not notice. */
const BYTES_WITHOUT_REST = 64 * 1024;
const REST_MS = 5;
/** Four of the largest messages. What does not fit is refused whole. */
const UNWRITTEN_BYTES_MAX = 4 * 1024 * 1024;
/** Answers to a program that asks without reading are dropped from here on. */
const UNREAD_ANSWER_BYTES_MAX = 64 * 1024;
/** A program busy for longer than this with a full terminal buffer is reported as not reading. */
const WRITE_PATIENCE_MS = 10_000;
/** How long a look at the screen waits for a frame the program has begun (DECSET 2026). */
const FRAME_PATIENCE_MS = 100;

export function openHostedTerminal(spec: OpenSpec, clock: Clock, events: HostedTerminalEvents): HostedTerminal {
  let parsedBytes = 0;
  let unparsedBytes = 0;
  let unrestedBytes = 0;
  let isResting = false;
  let isBehind = false;
  let viewerInputs = 0;
  let isArmed = true;
  let hasEnded = false;
  let ownSize = spec.size;
  const tail = createTail(TAIL_BYTES);
  const seats = new Set<{ viewer: Viewer; size: TerminalSize; isLive: boolean; isMidPaste: boolean }>();

  const emulator = createEmulator({
    size: spec.size,
    scrollbackLines: SCROLLBACK_LINES,
    answer(bytes) {
      if (typist.waitingBytes() < UNREAD_ANSWER_BYTES_MAX) typist.type(Buffer.from(bytes, "latin1")).catch(() => {});
    },
  });
  const child = startChild(spec, clock, { output: onOutput, exited: onExited });
  const typist = createTypist(child.write);

  return {
    pid: child.pid,
    birth: child.birth,

    async write(bytes, ifViewerInputs) {
      if (hasEnded) throw gone();
      const isPersonTyping = ifViewerInputs !== viewerInputs || [...seats].some((seat) => seat.isMidPaste);
      if (ifViewerInputs !== null && isPersonTyping) {
        throw new SignalboxError(
          "conflict",
          "A person has typed into the terminal meanwhile.",
          "Look at the screen again.",
        );
      }
      if (typist.waitingBytes() + bytes.length > UNWRITTEN_BYTES_MAX) {
        throw new SignalboxError(
          "terminal_unavailable",
          "The program has not read what was typed into it before; nothing was added.",
          "Wait until it reads again, or end it.",
        );
      }
      await withPatience(clock, typist.type(bytes));
    },

    async screen() {
      await frameEnd();
      return new Promise((resolve) => {
        emulator.whenParsed(() => {
          isArmed = true;
          resolve(emulator.screen({ outputBytes: parsedBytes, viewerInputs }));
        });
      });
    },

    tail: (from) => tail.read(from),

    resize(size) {
      ownSize = size;
      takeSize(size);
    },

    signal: (name, group) => child.signal(name, { group }),

    rearm() {
      isArmed = true;
    },

    attach(viewer, size) {
      const seat = { viewer, size, isLive: false, isMidPaste: false };
      seats.add(seat);
      takeSize(size);
      catchUp();
      return {
        async keys({ bytes, isTyped, isMidPaste }) {
          if (isTyped) viewerInputs++;
          seat.isMidPaste = isMidPaste;
          if (bytes.length > 0) await typist.type(bytes).catch(() => {});
        },
        resize(newSize) {
          seat.size = newSize;
          takeSize(newSize);
        },
        skip() {
          seat.isLive = false;
        },
        catchUp,
        leave() {
          seats.delete(seat);
          takeSize([...seats].at(-1)?.size ?? ownSize);
        },
      };

      function catchUp(): void {
        emulator.whenParsed(() => {
          if (!seats.has(seat)) return;
          viewer.output(Buffer.from(emulator.repaint(), "utf8"));
          seat.isLive = true;
        });
      }
    },
  };

  function onOutput(chunk: Buffer): void {
    tail.push(chunk);
    unparsedBytes += chunk.length;
    unrestedBytes += chunk.length;
    if (unparsedBytes > UNPARSED_BYTES_MAX) isBehind = true;
    if (unrestedBytes > BYTES_WITHOUT_REST && !isResting) rest();
    if (isBehind) child.pause();
    emulator.write(chunk, () => {
      parsedBytes += chunk.length;
      unparsedBytes -= chunk.length;
      if (isBehind && unparsedBytes <= UNPARSED_BYTES_MAX / 2) {
        isBehind = false;
        readOn();
      }
      // Viewers get output when it is parsed, so that a repaint and what follows it fit without gap or overlap.
      for (const seat of seats) if (seat.isLive) seat.viewer.output(chunk);
      if (isArmed) {
        isArmed = false;
        events.activity();
      }
    });
  }

  function rest(): void {
    isResting = true;
    child.pause();
    clock.after(REST_MS, () => {
      isResting = false;
      unrestedBytes = 0;
      readOn();
    });
  }

  function readOn(): void {
    if (!isResting && !isBehind) child.resume();
  }

  function onExited(exit: ExitStatus): void {
    hasEnded = true;
    emulator.whenParsed(() => {
      const screen = emulator.screen({ outputBytes: parsedBytes, viewerInputs });
      tail.cutTo(TAIL_BYTES_AFTER_EXIT);
      for (const { viewer, isLive } of seats) {
        if (!isLive) viewer.output(Buffer.from(emulator.repaint(), "utf8")); // what it missed
        viewer.exited(exit);
      }
      seats.clear();
      events.ended({ exit, pid: child.pid, screen, tail: tail.read });
    });
  }

  function takeSize(size: TerminalSize): void {
    const { cols, rows } = size;
    if (!isUsableSize(size)) return;
    child.resize({ cols, rows });
    emulator.resize({ cols, rows });
  }

  /** A look in the middle of a frame would see half of it. */
  async function frameEnd(): Promise<void> {
    const deadline = clock.monotonicMs() + FRAME_PATIENCE_MS;
    await new Promise<void>((resolve) => emulator.whenParsed(resolve));
    while (emulator.isMidFrame() && clock.monotonicMs() < deadline) {
      await new Promise<void>((resolve) => clock.after(5, resolve));
      await new Promise<void>((resolve) => emulator.whenParsed(resolve));
    }
  }
}

interface Typist {
  /** Pieces go in whole and in order, whoever typed them: a person's key waits until an injection is in, and no longer. */
  type(bytes: Buffer): Promise<void>;
  waitingBytes(): number;
}

function createTypist(write: (bytes: Buffer) => Promise<void>): Typist {
  let last: Promise<void> = Promise.resolve();
  let waitingBytes = 0;
  return {
    type(bytes) {
      waitingBytes += bytes.length;
      const mine = last.then(() => write(bytes));
      last = mine
        .catch(() => {})
        .then(() => {
          waitingBytes -= bytes.length;
        });
      return mine.catch((cause) => {
        throw gone(cause);
      });
    },
    waitingBytes: () => waitingBytes,
  };
}

async function withPatience(clock: Clock, typed: Promise<void>): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const timer = clock.after(WRITE_PATIENCE_MS, () => {
      reject(
        new SignalboxError(
          "timeout",
          "The program does not read; what was typed stays queued and may still arrive.",
          "Look at the screen before typing again.",
          { retryable: false },
        ),
      );
    });
    typed.then(resolve, reject).finally(() => timer.cancel());
  });
}

function gone(cause?: unknown): SignalboxError {
  return new SignalboxError("terminal_unavailable", "The terminal's process has ended.", "Start it again.", { cause });
}
