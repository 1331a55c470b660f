// What backends agree on about names, sizes and the directory their sockets are in.

import { createHash } from "node:crypto";
import { chmodSync, lstatSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { SignalboxError } from "../kernel/errors.ts";
import type { TerminalSize } from "./terminal.ts";

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

export function assertUsableSize(size: TerminalSize): void {
  if (isUsableSize(size)) return;
  throw new SignalboxError(
    "invalid_input",
    "A terminal has 2 to 1000 columns and 1 to 1000 rows.",
    "Correct the size.",
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
export function socketPath(runDir: string, host: string, suffix: "sock" | "tmux"): string {
  assertName(host, "A terminal host's name");
  const digest = createHash("sha256").update(host).digest("hex").slice(0, 20);
  const plain = join(runDir, `${host}.${suffix}`);
  const short = join(runDir, `h_${digest}.${suffix}`);
  // Room for the short name is asked of every directory: a host binds under a temporary name of up to that length.
  if (Buffer.byteLength(short) <= SOCKET_PATH_BYTES_MAX) {
    return Buffer.byteLength(plain) <= SOCKET_PATH_BYTES_MAX ? plain : short;
  }
  throw new SignalboxError(
    "terminal_unavailable",
    `The directory for terminal sockets is too long: ${runDir} leaves no room in the ${SOCKET_PATH_BYTES_MAX} bytes of a socket path.`,
    "Choose a shorter state directory with --state-dir or SIGNALBOX_HOME.",
    { retryable: false },
  );
}

/** The directory through which programs can be typed into belongs to us alone, or nothing is started in it. */
export function ensurePrivate(runDir: string): void {
  mkdirSync(runDir, { recursive: true, mode: 0o700 });
  const stat = lstatSync(runDir);
  if (!stat.isDirectory() || (process.getuid && stat.uid !== process.getuid())) {
    throw new SignalboxError(
      "terminal_unavailable",
      `${runDir} is not a directory of ours.`,
      "Somebody else made it; choose another state directory.",
      { retryable: false },
    );
  }
  if ((stat.mode & 0o077) !== 0) chmodSync(runDir, 0o700);
}
