// The lock that makes a daemon the only one of its state directory: an exclusive transaction on a file of its own, held for
// the daemon's life. The kernel releases it however the daemon dies, so there is no stale lock to judge.

import { closeSync, openSync } from "node:fs";
import DatabaseConstructor from "better-sqlite3-multiple-ciphers";
import { asStorageError } from "./failure.ts";

export interface Lock {
  release(): void;
}

/** Takes the lock at `file` (made 0600), or answers null when another process holds it. Two who ask in the same instant can
 *  both get null: ask again after a pause of your own. */
export function takeLock(file: string): Lock | null {
  try {
    closeSync(openSync(file, "a", 0o600));
    const db = new DatabaseConstructor(file, { timeout: 0 });
    try {
      db.pragma("journal_mode = DELETE");
      db.exec("BEGIN EXCLUSIVE");
    } catch (error) {
      db.close();
      if ((error as { code?: string }).code?.startsWith("SQLITE_BUSY")) return null;
      throw error;
    }
    return { release: () => db.close() };
  } catch (error) {
    throw asStorageError(error, file);
  }
}
