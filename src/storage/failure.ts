// What the disk and SQLite complain about, in words a person can act on. Only operating trouble is translated here; an
// error in our own SQL or a broken constraint is a bug and passes through untouched.

import { SignalboxError } from "../kernel/errors.ts";

interface Trouble {
  message: (file: string) => string;
  nextStep: string;
  retryable: boolean;
}

/** By SQLite's primary result code; extended codes such as SQLITE_IOERR_WRITE are found by their beginning. */
const SQLITE_TROUBLE: Record<string, Trouble> = {
  SQLITE_NOTADB: {
    message: (file) =>
      `The key does not open ${file}: it is another database's key, or the file is no signalbox database.`,
    nextStep:
      "Give the key this state directory was made with (SIGNALBOX_KEY_FILE, or unlock the keychain that holds it). Nothing was changed.",
    retryable: false,
  },
  SQLITE_CORRUPT: {
    message: (file) => `${file} is damaged: a page does not match its seal.`,
    nextStep:
      "Stop signalbox, keep a copy of the damaged file, and go on with an earlier copy of the state directory, or with a new one (--state-dir).",
    retryable: false,
  },
  SQLITE_FULL: {
    message: (file) => `There is no room left to write ${file}.`,
    nextStep: "Free some space on that disk and ask again; nothing half-written was kept.",
    retryable: true,
  },
  SQLITE_READONLY: {
    message: (file) => `${file} cannot be written.`,
    nextStep: "Make the state directory and the files in it writable for this user, then start signalbox again.",
    retryable: false,
  },
  SQLITE_CANTOPEN: {
    message: (file) => `${file} cannot be opened.`,
    nextStep: "Look whether the state directory exists and belongs to this user, then start signalbox again.",
    retryable: false,
  },
  SQLITE_PERM: {
    message: (file) => `This user may not use ${file}.`,
    nextStep: "Make the state directory and the files in it belong to this user, then start signalbox again.",
    retryable: false,
  },
  SQLITE_IOERR: {
    message: (file) => `The disk failed while reading or writing ${file}.`,
    nextStep: "Look at the disk and at its free space, then ask again; what was accepted before is unharmed.",
    retryable: true,
  },
  SQLITE_BUSY: {
    message: (file) => `Another process has been holding ${file} for too long.`,
    nextStep: "End the other program that has the database open, then ask again.",
    retryable: true,
  },
};

/** `thrown` as a `storage_error` where it is operating trouble with `file`, else `thrown` itself. */
export function asStorageError(thrown: unknown, file: string): unknown {
  if (!(thrown instanceof Error) || thrown instanceof SignalboxError) return thrown;
  const code = (thrown as { code?: unknown }).code;
  if (typeof code !== "string" || !code.startsWith("SQLITE_")) return thrown;
  const primary = code.split("_").slice(0, 2).join("_");
  const trouble = SQLITE_TROUBLE[primary];
  if (trouble === undefined) return thrown;
  return new SignalboxError("storage_error", trouble.message(file), trouble.nextStep, {
    cause: thrown,
    retryable: trouble.retryable,
  });
}

/** A `storage_error` about a file or directory, from what the file system threw. */
export function fileTrouble(what: string, nextStep: string, thrown?: unknown): SignalboxError {
  const code = (thrown as NodeJS.ErrnoException | undefined)?.code;
  const reason = code === undefined ? "" : ` (${FILE_REASONS[code] ?? code})`;
  return new SignalboxError("storage_error", `${what}${reason}.`, nextStep, {
    cause: thrown,
    retryable: code === "ENOSPC",
  });
}

const FILE_REASONS: Record<string, string> = {
  EACCES: "permission denied",
  EPERM: "not permitted",
  EROFS: "the file system is read-only",
  ENOSPC: "no space left on the disk",
  ENOENT: "it does not exist",
  ENOTDIR: "a part of its path is not a directory",
  EISDIR: "it is a directory",
  EEXIST: "something else is there",
  ENAMETOOLONG: "the path is too long",
  ELOOP: "its symbolic links go in circles",
};
