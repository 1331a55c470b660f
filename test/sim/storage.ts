// The real database under the simulated daemon: encrypted SQLite in memory-backed files. Commits survive the death of a
// life, everything else does not; before and after each commit is a place where a life may end. Triggers write down every
// move of a message as the database committed it, so that the checkers see what was true and not what was logged.

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, type OpenOptions, openDatabase, type SqlValue } from "../../src/storage/database.ts";
import { asStorageError } from "../../src/storage/failure.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { migrations } from "../../src/storage/migrations/index.ts";
import { createLateDisk, type Opened } from "./late-disk.ts";
import { Killed, type Life } from "./life.ts";
import type { Sim } from "./sim.ts";

const KEY = Buffer.alloc(32, 7);

const WITNESS = `
  CREATE TABLE sim_moves (number INTEGER PRIMARY KEY, message_id TEXT NOT NULL, was TEXT NOT NULL, became TEXT NOT NULL);
  CREATE TRIGGER sim_moved AFTER UPDATE OF state ON messages WHEN old.state <> new.state
    BEGIN INSERT INTO sim_moves (message_id, was, became) VALUES (new.message_id, old.state, new.state); END;
  CREATE TRIGGER sim_added AFTER INSERT ON messages
    BEGIN INSERT INTO sim_moves (message_id, was, became) VALUES (new.message_id, '', new.state); END;
  CREATE TRIGGER sim_started AFTER UPDATE OF terminal_ref ON agents WHEN new.terminal_ref IS NOT old.terminal_ref
    AND new.terminal_ref IS NOT NULL
    BEGIN INSERT INTO sim_moves (message_id, was, became) VALUES (new.terminal_ref, 'start', 'begun'); END;
`;

export interface Disk {
  /** The database as a newly started daemon opens it. The handle of the one before is closed. */
  open(life: Life): Opened;
  /** The machine has lost its power: the next to open finds what was synced, perhaps more. */
  powerCut(): void;
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

let handle: Database | null = null;

const databaseFile = () => join(simFolder(), "sim.db");

function openFile(more: Pick<OpenOptions, "sync"> = {}, between: () => void = () => {}): Database {
  handle?.close();
  between();
  handle = openDatabase({ file: databaseFile(), key: KEY, ...more });
  return handle;
}

/** Everything but the schema is gone: a new seed begins on an empty house. */
function empty(db: Database): void {
  const tables = db.all<{ name: string }>(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
  );
  // Children first: the schema knows only these two references.
  const names = tables.map((table) => table.name).sort((a, b) => rank(a) - rank(b));
  db.exec(names.map((name) => `DELETE FROM ${name}`).join(";"));
}

function rank(table: string): number {
  return ["agents", "sessions"].indexOf(table);
}

/** Set while the open handle is one of a disk that refuses or delays. */
let isHandleStrange = false;

/** An empty database. All seeds of a process share one file, one after the other. */
export function createDisk(sim: Sim): Disk {
  const isFirst = handle === null;
  const db = isHandleStrange || handle === null ? openFile() : handle;
  if (isFirst) {
    migrate(db, migrations);
    db.exec(WITNESS);
  }
  empty(db);
  isHandleStrange = sim.variant.syncsLater;
  if (sim.variant.syncsLater) {
    db.get("PRAGMA wal_checkpoint(TRUNCATE)");
    return createLateDisk(sim, databaseFile(), (sync, between) => openFile({ sync }, between));
  }
  let isOpened = false;
  return {
    open() {
      const opened = isOpened || handle === null ? openFile() : handle;
      isOpened = true;
      return { db: opened, committed() {} };
    },
    powerCut() {},
  };
}

/** The database as one life sees it. */
export function guard({ db: real, committed }: Opened, life: Life, sim: Sim): Database {
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
    committed();
    if (life.fails("daemon_killed_after_commit", what) || life.fails("power_cut_after_commit", what))
      throw new Killed();
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
    async durable() {
      alive();
      if (!sim.variant.syncsLater) return;
      await real.durable();
      alive();
    },
    get inTransaction() {
      return real.inTransaction;
    },
  };
}
