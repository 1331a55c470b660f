// The directory signalbox keeps its state in, as a place only its owner can enter. Made and repaired here, and nowhere
// else; what the files in it mean is known by those who write them. Which directory it is, kernel/paths.ts decides.

import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  type Stats,
  statSync,
} from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { assert, SignalboxError } from "../kernel/errors.ts";
import { runDirFor } from "../kernel/paths.ts";
import { fileTrouble } from "./failure.ts";

export interface StateDir {
  readonly path: string;
  readonly databaseFile: string;
  /** Holds the key where no keychain does. */
  readonly keyFile: string;
  /** Names this directory's entry in the keychain; there only when the key is kept in it. */
  readonly keychainIdFile: string;
  /** For sockets: short enough for one, and as private as the rest. */
  readonly runDir: string;
}

/** The names in a state directory. Creates nothing. */
export function stateDirAt(path: string): StateDir {
  assert(isAbsolute(path), "a state directory is named by its absolute path");
  return {
    path,
    databaseFile: join(path, "signalbox.db"),
    keyFile: join(path, "key"),
    keychainIdFile: join(path, "keychain-id"),
    runDir: runDirFor(path),
  };
}

/** Makes the directory (0700) and its run directory, and takes from every file below it what group and others may do.
 *  Throws `storage_error` when it belongs to somebody else, is no directory, or cannot be written. */
export function prepareStateDir(path: string): StateDir {
  const stateDir = stateDirAt(path);
  try {
    makeDirectories(path);
  } catch (error) {
    throw fileTrouble(`The state directory ${path} cannot be made`, CHOOSE_ANOTHER, error);
  }
  // A person may have put a symbolic link here to move their state to another disk, so this one is followed.
  requireOwnDirectory(path, statSync(path));
  makePrivate(path);
  try {
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw fileTrouble(`The state directory ${path} cannot be written`, CHOOSE_ANOTHER, error);
  }
  preparePrivateDir(stateDir.runDir);
  return stateDir;
}

/** Not mkdir's own `recursive`: where a file system answers ENOENT to every mkdir, as /proc does, that one never returns. */
function makeDirectories(path: string): void {
  if (existsSync(path)) return;
  makeDirectories(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Another daemon that starts in this moment was first; which of us stays, the lock decides.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

const CHOOSE_ANOTHER = "Make it writable for this user, or choose another one with --state-dir or SIGNALBOX_HOME.";

/** Makes one directory with mode 0700. It may lie in a shared place such as /tmp, where somebody else could have been first:
 *  a symbolic link or another user's directory is refused with `storage_error`. */
export function preparePrivateDir(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
    return;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
      throw fileTrouble(`The directory ${path} cannot be made`, CHOOSE_ANOTHER, error);
    }
  }
  const stats = lstatSync(path);
  requireOwnDirectory(path, stats);
  if ((stats.mode & 0o077) !== 0) chmodSync(path, 0o700);
}

function requireOwnDirectory(path: string, stats: Stats): void {
  const uid = process.getuid?.();
  const whose = uid !== undefined && stats.uid !== uid ? "belongs to another user" : null;
  const trouble = stats.isDirectory() ? whose : "is not a directory";
  if (trouble === null) return;
  throw new SignalboxError(
    "storage_error",
    `${path} ${trouble}.`,
    "Remove it, or choose another one with --state-dir.",
    {
      retryable: false,
    },
  );
}

/** Group and others lose their bits on everything below. A worktree of a codebase is closed as a whole and not walked: the
 *  modes inside are its own, and there may be a hundred thousand files. */
function makePrivate(dir: string): void {
  if ((statSync(dir).mode & 0o077) !== 0) chmodSync(dir, 0o700);
  const entries = readdirSync(dir, { withFileTypes: true });
  if (entries.some((entry) => entry.name === ".git")) return;
  for (const entry of entries) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) makePrivate(path);
    else if (!entry.isSymbolicLink()) closeToOthers(path);
  }
}

function closeToOthers(path: string): void {
  const mode = lstatSync(path, { throwIfNoEntry: false })?.mode ?? 0; // a socket may go while we look
  if ((mode & 0o077) !== 0) chmodSync(path, mode & 0o700);
}
