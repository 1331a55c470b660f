// One process on a pseudoterminal, as far as bytes, sizes and its end go. Two promises are kept here that node-pty does not
// make: a write says when the kernel has all of it, and the end is told only after the last byte of output.

import { closeSync, openSync, writeSync } from "node:fs";
import type { Socket } from "node:net";
import { type IPty, spawn } from "@lydell/node-pty";
import { type Clock, sleep } from "../../kernel/clock.ts";
import { processBirth, refuseHopelessStart, signalName, unavailable } from "../processes.ts";
import type { ExitStatus, OpenSpec, TerminalSize } from "../terminal.ts";
import type { SignalName } from "./protocol.ts";

export interface Child {
  readonly pid: number;
  /** Tells this process from a later one with the same pid; null where the system does not say. */
  readonly birth: string | null;
  /** Resolves when the kernel has taken all bytes; rejects when the terminal closed before. */
  write(bytes: Uint8Array): Promise<void>;
  /** Stops reading the program's output; the program itself then blocks in its next write. */
  pause(): void;
  resume(): void;
  resize(size: TerminalSize): void;
  /** To the process, or to its whole group. Does nothing once the end was told. */
  signal(name: SignalName, options: { group: boolean }): void;
}

export interface ChildEvents {
  output(chunk: Buffer): void;
  /** Once, after the last output. */
  exited(exit: ExitStatus): void;
}

/** Descriptors kept free when a terminal is opened, for connections and files the host still needs. */
const FD_RESERVE = 16;
/** A process that has ended cannot write any more, but a background process it left may hold the terminal open for ever. So
 *  reading goes on until the terminal has been silent this long, */
const SILENCE_AFTER_EXIT_MS = 50;
/** or this much was read: more than Linux buffers for one terminal (640 KiB). */
const BYTES_AFTER_EXIT_MAX = 1024 * 1024;
/** Between attempts to write into a full terminal (4 KiB on Linux): a reading program empties it in microseconds, one that
 *  does not read costs twenty looks a second, and only while something waits to be typed. */
const WRITE_PAUSE_MIN_MS = 1;
const WRITE_PAUSE_MAX_MS = 50;

/** Starts the process as leader of its own session and group. Throws `terminal_unavailable` with the reason. */
export function startChild(spec: OpenSpec, clock: Clock, events: ChildEvents): Child {
  refuseHopelessStart(spec);
  refuseWithoutReserve();
  const [file, ...args] = spec.argv;
  let pty: IPty;
  try {
    pty = spawn(file, args, {
      name: "xterm-256color",
      env: { ...spec.env, TERM: "xterm-256color", COLORTERM: "truecolor" },
      cwd: spec.cwd,
      cols: spec.size.cols,
      rows: spec.size.rows,
      encoding: null, // raw bytes: a character may be cut by a chunk's edge
    });
  } catch (cause) {
    throw unavailable("The system gave no pseudoterminal", "Close terminals or raise the limit of open files.", cause);
  }

  const socket = socketOf(pty);
  const reading = readToTheEnd(socket, clock);
  let hasExited = false;
  pty.onData((chunk) => events.output(chunk as unknown as Buffer));
  pty.onExit(({ exitCode, signal }) => {
    hasExited = true;
    // node-pty reports exit code 0 along with a signal, so the signal is asked first.
    events.exited(signal ? { exitCode: null, signal: signalName(signal) } : { exitCode, signal: null });
  });

  return {
    pid: pty.pid,
    birth: processBirth(pty.pid),
    write: (bytes) => writeAll(bytes, { fd: fdOf(pty), isClosed: () => hasExited || socket.destroyed, clock }),
    pause: () => reading.setPaused(true),
    resume: () => reading.setPaused(false),
    resize({ cols, rows }) {
      if (hasExited || socket.destroyed) return; // node-pty would throw EBADF
      try {
        pty.resize(cols, rows);
      } catch {
        // It ended in this very moment; the exit is on its way.
      }
    },
    signal(name, { group }) {
      if (hasExited) return; // the pid may be somebody else's by now
      try {
        process.kill(group ? -pty.pid : pty.pid, name);
      } catch {
        // Gone already; the exit is on its way.
      }
    },
  };
}

/** An open terminal must not take the last descriptors. */
function refuseWithoutReserve(): void {
  const reserve: number[] = [];
  try {
    for (let i = 0; i < FD_RESERVE; i++) reserve.push(openSync("/dev/null", "r"));
  } catch (cause) {
    throw unavailable("The limit of open files is reached", "Close terminals or raise the limit (ulimit -n).", cause);
  } finally {
    for (const fd of reserve) closeSync(fd);
  }
}

/** Writes as fast as the program reads. node-pty's own write goes through libuv, which spins for ever inside one call when
 *  the terminal is full, and with it the whole host; so the bytes are handed over here, and a full terminal is tried again
 *  after a pause that grows while nothing moves. */
async function writeAll(
  bytes: Uint8Array,
  { fd, isClosed, clock }: { fd: number; isClosed(): boolean; clock: Clock },
): Promise<void> {
  let written = 0;
  let pauseMs = WRITE_PAUSE_MIN_MS;
  while (written < bytes.length) {
    // Asked right before each write: a closed descriptor's number may belong to another terminal by now.
    if (isClosed()) throw new Error("the terminal is closed");
    const moved = writeSome(fd, bytes.subarray(written));
    written += moved;
    pauseMs = moved > 0 ? WRITE_PAUSE_MIN_MS : Math.min(pauseMs * 2, WRITE_PAUSE_MAX_MS);
    if (written < bytes.length) await sleep(clock, pauseMs);
  }
}

function writeSome(fd: number, bytes: Uint8Array): number {
  try {
    return writeSync(fd, bytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EAGAIN") return 0;
    throw error;
  }
}

function fdOf(pty: IPty): number {
  const { fd } = pty as unknown as { fd?: number }; // there, but not in node-pty's types
  if (fd === undefined) throw new Error("node-pty has no descriptor any more");
  return fd;
}

/** node-pty keeps its socket to itself, but the end of the output can only be had there. */
function socketOf(pty: IPty): Socket {
  const socket = (pty as unknown as { _socket?: Socket })._socket;
  if (typeof socket?.destroy !== "function") throw new Error("node-pty has no socket any more");
  socket.on("error", () => {}); // node-pty throws into the event loop when it is the only listener
  return socket;
}

/** node-pty destroys its socket 200 ms after the process ended, and node destroys it at the first read error; both throw
 *  away what was not read yet. Here `destroy` first hands over what is there. */
function readToTheEnd(socket: Socket, clock: Clock): { setPaused(paused: boolean): void } {
  const destroy = socket.destroy.bind(socket);
  let isPaused = false;
  let isLingering = false;
  let bytesAfterExit = 0;

  socket.on("data", (chunk: Buffer) => {
    if (isLingering) bytesAfterExit += chunk.length;
  });
  socket.destroy = (error?: Error) => {
    const isTimer = error === undefined && !socket.readableEnded;
    if (isTimer) {
      if (!isLingering) linger();
      return socket;
    }
    return finish(error);
  };
  return { setPaused };

  function setPaused(paused: boolean): void {
    isPaused = paused;
    if (paused) socket.pause();
    else socket.resume();
  }

  function linger(): void {
    isLingering = true;
    let seen = -1;
    const look = () => {
      if (socket.destroyed) return;
      const isSilent = bytesAfterExit === seen && !isPaused;
      if (isSilent || bytesAfterExit >= BYTES_AFTER_EXIT_MAX) {
        finish();
        return;
      }
      seen = bytesAfterExit;
      clock.after(SILENCE_AFTER_EXIT_MS, look);
    };
    look();
  }

  function finish(error?: Error): Socket {
    // Reading by hand gives what a paused stream still holds to the same listeners.
    while (socket.read() !== null);
    return destroy(error);
  }
}
