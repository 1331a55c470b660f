// Brings a database to the schema this version of signalbox was written for, one numbered step after the other. The number
// reached is kept in the database itself (user_version). A step that has been released is never edited; a new one follows.

import { assert, SignalboxError } from "../kernel/errors.ts";
import type { Database } from "./database.ts";

export interface Migration {
  /** 1, 2, 3, … without gaps. */
  readonly number: number;
  readonly sql: string;
}

/** Applies what is missing, each step in its own transaction: after a crash the next start goes on where it ended. Throws
 *  `storage_error` when the database was written by a newer signalbox; then nothing has been changed. */
export function migrate(db: Database, migrations: readonly Migration[]): { from: number; to: number } {
  migrations.forEach((migration, index) => {
    assert(migration.number === index + 1, "migrations are numbered 1, 2, 3, … in the order of the list");
  });
  const from = schemaNumber(db);
  const to = migrations.length;
  if (from > to) {
    throw new SignalboxError(
      "storage_error",
      `The database was written by a newer signalbox (schema ${from}; this version knows ${to}).`,
      "Install the newer version again, or put back a backup that was made with this one.",
      { retryable: false },
    );
  }
  for (const migration of migrations.slice(from)) {
    db.transaction(() => {
      db.exec(migration.sql);
      db.exec(`PRAGMA user_version = ${migration.number}`);
    });
  }
  return { from, to };
}

function schemaNumber(db: Database): number {
  return db.get<{ user_version: number }>("PRAGMA user_version")?.user_version ?? 0;
}
