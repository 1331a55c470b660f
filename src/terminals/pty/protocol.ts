// What the daemon and a terminal host say to each other, and where they meet. Both ends come from one version of the
// package, but a host outlives the daemon that started it, so the greeting names the protocol's number and a daemon that
// does not speak it says "cannot tell" instead of guessing.
//
// A connection begins with the host's hello. Then the daemon asks and the host answers by id; events come in between.
// `attach` turns its connection into a viewer's: from then on it carries that terminal's output one way and keys the other,
// and the socket's own back-pressure tells the host how fast the viewer is.

import { createHash } from "node:crypto";
import { join } from "node:path";
import { type ErrorBody, SignalboxError } from "../../kernel/errors.ts";
import type { ExitStatus, OpenSpec, OutputTail, Screen, TerminalSize } from "../terminal.ts";

export const PROTOCOL = 1;

export type SignalName = "SIGTERM" | "SIGHUP" | "SIGINT" | "SIGKILL";

/** Each request with its arguments and its answer. Bytes travel as base64. */
export interface Requests {
  open: { ask: { spec: OpenSpec }; answer: Opened };
  find: { ask: { ref: string }; answer: Found };
  write: { ask: { ref: string; data: string; ifViewerInputs: number | null }; answer: null };
  screen: { ask: { ref: string }; answer: Screen };
  tail: { ask: { ref: string; from: number }; answer: OutputTail };
  resize: { ask: { ref: string; size: TerminalSize }; answer: null };
  signal: { ask: { ref: string; name: SignalName; group: boolean }; answer: null };
  attach: { ask: { ref: string; size: TerminalSize }; answer: null };
  /** Ends every process of the host. The answer comes when they are gone; the host follows. */
  close: { ask: Record<never, never>; answer: null };
}

export type RequestName = keyof Requests;

export interface Opened {
  pid: number;
  /** Tells this process from a later one with the same pid; null where the system does not say. */
  birth: string | null;
}

export type Found =
  | { is: "running"; pid: number; birth: string | null }
  | { is: "exited"; pid: number; exit: ExitStatus }
  | { is: "unknown" };

export type Request = { [Name in RequestName]: { id: number; do: Name } & Requests[Name]["ask"] }[RequestName];

/** From a viewer's connection, without an answer. */
export type ViewerMessage = { do: "keys"; data: string } | { do: "viewer_size"; size: TerminalSize };

export type Reply = { id: number; ok: unknown } | { id: number; error: ErrorBody };

export type HostEvent =
  | { event: "hello"; protocol: number; host: string; pid: number; instance: string }
  | { event: "activity"; ref: string }
  | { event: "exit"; ref: string; exit: ExitStatus }
  | { event: "output"; data: string };

/** What a host is started with, as one JSON argument. Nothing secret: arguments can be read by everybody. */
export interface HostStart {
  socketPath: string;
  hostName: string;
  /** How long it stays without terminals and without a daemon. */
  idleMs: number;
  /** Where it writes one line, "ready" or why not; closed afterwards. */
  readyFd: number;
}

const NAME = /^[A-Za-z0-9_-]{1,128}$/;

/** Refs and host names become file names and keys; anything else is a caller's mistake. */
export function assertName(name: string, what: string): void {
  if (NAME.test(name)) return;
  throw new SignalboxError(
    "invalid_input",
    `${what} must be 1 to 128 letters, digits, _ or -.`,
    "Use a generated name.",
  );
}

/** Sizes a program can live with; beyond them an emulator's memory is the limit. */
export function isUsableSize({ cols, rows }: TerminalSize): boolean {
  return Number.isInteger(cols) && Number.isInteger(rows) && cols >= 2 && rows >= 1 && cols <= 1000 && rows <= 1000;
}

/** sockaddr_un holds 104 bytes with its NUL on macOS, 108 on Linux; a longer path would be cut or refused by the kernel. */
const SOCKET_PATH_BYTES_MAX = 103;

/** Where the host of this name listens. A long name is replaced by its hash; a run directory that leaves no room even for
 *  that is refused. */
export function socketPath(runDir: string, host: string): string {
  assertName(host, "A terminal host's name");
  const plain = join(runDir, `${host}.sock`);
  if (Buffer.byteLength(plain) <= SOCKET_PATH_BYTES_MAX) return plain;
  const digest = createHash("sha256").update(host).digest("hex").slice(0, 20);
  const short = join(runDir, `h_${digest}.sock`);
  if (Buffer.byteLength(short) <= SOCKET_PATH_BYTES_MAX) return short;
  throw new SignalboxError(
    "terminal_unavailable",
    `The directory for terminal sockets is too long: ${runDir} leaves no room in the ${SOCKET_PATH_BYTES_MAX} bytes of a socket path.`,
    "Choose a shorter state directory with --state-dir or SIGNALBOX_HOME.",
    { retryable: false },
  );
}

/** The temporary name a host binds before it moves onto its real one; no longer than the shortest real name. */
export function bindingPath(path: string, pid: number): string {
  return join(path, "..", `b_${pid}.sock`);
}
