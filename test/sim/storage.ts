// The real database under the simulated daemon: encrypted SQLite in memory-backed files. Commits survive the death of a
// life, everything else does not; before and after each commit is a place where a life may end. Triggers write down every
// move of a message as the database committed it, so that the checkers see what was true and not what was logged.

import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, openDatabase, type SqlValue } from "../../src/storage/database.ts";
import { asStorageError } from "../../src/storage/failure.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { migrations } from "../../src/storage/migrations/index.ts";
import { Killed, type Life } from "./life.ts";
import type { Sim } from "./sim.ts";

const KEY = Buffer.alloc(32, 7);

const WITNESS = `
  CREATE TABLE sim_moves (number INTEGER PRIMARY KEY, message_id TEXT NOT NULL, was TEXT NOT NULL, became TEXT NOT NULL);
  CREATE TRIGGER sim_moved AFTER UPDATE OF state ON messages WHEN old.state <> new.state
    BEGIN INSERT INTO sim_moves (message_id, was, became) VALUES (new.message_id, old.state, new.state); END;
  CREATE TRIGGER sim_added AFTER INSERT ON messages
    BEGIN INSERT INTO sim_moves (message_id, was, became) VALUES (new.message_id, '', new.state); END;
`;

export interface Disk {
  /** The database as a newly started daemon opens it. The handle of the one before is closed. */
  open(): Database;
  close(): void;
}

let template: string | null = null;

function templateFile(dir: string): string {
  template ??= join(dir, "template.db");
  if (existsSync(template)) return template;
  const db = openDatabase({ file: template, key: KEY });
  migrate(db, migrations);
  db.exec(WITNESS);
  db.close();
  return template;
}

let folder: string | null = null;

/** One folder per process, on memory-backed storage where the machine has it, so that no disk sets the pace. */
function simFolder(): string {
  if (folder !== null) return folder;
  const made = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "signalbox-sim-"));
  process.on("exit", () => rmSync(made, { recursive: true, force: true }));
  folder = made;
  return made;
}

let diskCount = 0;

export function createDisk(): Disk {
  const dir = simFolder();
  diskCount += 1;
  const file = join(dir, `${diskCount}.db`);
  copyFileSync(templateFile(dir), file);
  let handle: Database | null = null;
  return {
    open() {
      handle?.close();
      handle = openDatabase({ file, key: KEY });
      return handle;
    },
    close() {
      handle?.close();
      for (const suffix of ["", "-wal", "-shm"]) rmSync(`${file}${suffix}`, { force: true });
    },
  };
}

/** The database as one life sees it. */
export function guard(real: Database, life: Life, sim: Sim): Database {
  const alive = () => {
    if (life.isDead) throw new Killed();
  };
  const refuseWhenFull = () => {
    if (!sim.machine.isDiskFull) return;
    sim.count("disk_full.writes_refused");
    throw asStorageError(Object.assign(new Error("database or disk is full"), { code: "SQLITE_FULL" }), "simulated");
  };
  const committing = <T>(what: string, write: () => T, commit: (work: () => T) => T): T => {
    alive();
    let isDying = false;
    const result = ((): T => {
      try {
        return commit(() => {
          const value = write();
          isDying = life.fails("daemon_killed_before_commit", what);
          if (isDying) throw new Killed();
          return value;
        });
      } catch (error) {
        if (isDying || life.isDead) throw new Killed();
        throw error;
      }
    })();
    if (life.fails("daemon_killed_after_commit", what)) throw new Killed();
    return result;
  };
  const brief = (sql: string) => sql.trim().replaceAll(/\s+/g, " ").slice(0, 40);
  return {
    ...real,
    get: <Row>(sql: string, params: readonly SqlValue[] = []) => {
      alive();
      return real.get<Row>(sql, params);
    },
    all: <Row>(sql: string, params: readonly SqlValue[] = []) => {
      alive();
      return real.all<Row>(sql, params);
    },
    run(sql, params = []) {
      alive();
      refuseWhenFull();
      if (real.inTransaction) return real.run(sql, params);
      return committing(brief(sql), () => real.run(sql, params), real.transaction);
    },
    transaction: <T>(work: () => T) => committing("transaction", work, real.transaction),
    get inTransaction() {
      return real.inTransaction;
    },
  };
}
