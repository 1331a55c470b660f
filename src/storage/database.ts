// The one encrypted database. Here lies how it is opened, read, written, copied and given a new key; never what is in it
// (each room keeps its own SQL) and never where the key comes from (keyring.ts). Everything is synchronous, so that no
// `await` can slip between reading a state and moving it. Only the disk is waited for apart, by whoever is about to tell
// somebody outside what was committed (`durable`): one fsync then serves all who wait, and nobody else stands still for it.

import { closeSync, existsSync, fdatasync, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import Sqlite from "better-sqlite3-multiple-ciphers";
import { assert, SignalboxError } from "../kernel/errors.ts";
import { asStorageError, fileTrouble } from "./failure.ts";

export type SqlValue = string | number | bigint | Uint8Array | null;

export interface Database {
  /** The first row, or undefined when there is none. */
  get<Row>(sql: string, params?: readonly SqlValue[]): Row | undefined;
  all<Row>(sql: string, params?: readonly SqlValue[]): Row[];
  /** One statement that writes. Outside a transaction it commits by itself, as a transaction does. `rowid` is that of the row last
   *  inserted. */
  run(sql: string, params?: readonly SqlValue[]): { changes: number; rowid: number };
  /** Several statements without parameters, for schemas. */
  exec(sql: string): void;
  /** Runs `work` between BEGIN IMMEDIATE and COMMIT; what it wrote then survives the death of this process, and a power cut
   *  once `durable` has resolved. If it throws, nothing of it remains. `work` must be synchronous and must not open another
   *  transaction; both are broken invariants. */
  transaction<T>(work: () => T): T;
  /** Resolves when everything committed before the call is on the disk. Rejects with `storage_error` when the disk refuses; what
   *  it holds is unknown from then on, so nothing is written any more until the next start. */
  durable(): Promise<void>;
  /** True while `transaction` runs its work. */
  readonly inTransaction: boolean;
  /** Reads every page. Throws `storage_error` when one of them is damaged. */
  check(): void;
  /** Writes a copy, encrypted with the same key, to `file`, which must not exist yet. */
  backupTo(file: string): void;
  /** Encrypts everything anew. Whoever calls has already put `newKey` where the next start finds it (open.ts). */
  rekey(newKey: Buffer): void;
  close(): void;
}

export interface OpenOptions {
  file: string;
  key: Buffer;
  /** How the log is brought to the disk, given its open descriptor; the simulator brings a disk of its own. */
  sync?: (descriptor: number) => Promise<void>;
}

/** 256 bits, what the aegis cipher takes as a raw key. */
export const KEY_BYTES = 32;

/** Of a database made anew; one that is there keeps its own. Our rows are some hundred bytes long and every commit writes whole
 *  pages: with half of SQLite's usual 4 KiB, and no page for a counter (migration 7), a message's commits
 *  take a third less time and write half the bytes (measured). */
const PAGE_BYTES = 2_048;

/** How long a statement waits for another process's lock. The daemon is alone with its file; this covers a person with
 *  another copy of signalbox, and is short enough that a request still gets an answer. */
const BUSY_WAIT_MS = 5_000;

/** The SQL of the whole house is constant text, some hundred statements; a cache that reaches this has a leak in it. */
const STATEMENTS_MAX = 1_000;

/** Opens `file`, creating it (0600) when it is not there. Throws `storage_error` when the key is not the one it was made
 *  with or the file cannot be used; then nothing has been changed. */
export function openDatabase({ file, key, sync = promisify(fdatasync) }: OpenOptions): Database {
  try {
    // SQLite gives -wal and -shm the mode of the database, and would itself create it readable for everybody.
    closeSync(openSync(file, "a", 0o600));
  } catch (error) {
    throw fileTrouble(`${file} cannot be opened`, "Make the state directory writable for this user.", error);
  }
  try {
    return wrap(openHandle(file, key), file, sync);
  } catch (error) {
    throw asStorageError(error, file);
  }
}

function openHandle(file: string, key: Buffer): Sqlite.Database {
  const handle = new Sqlite(file, { timeout: BUSY_WAIT_MS });
  try {
    // The cipher and the key must come before anything that touches a page.
    handle.pragma("cipher='aegis'");
    handle.pragma(`key="${rawKey(key)}"`);
    handle.pragma(`page_size=${PAGE_BYTES}`);
    handle.prepare("SELECT count(*) FROM sqlite_schema").get(); // the first read: a wrong key shows here
    // The daemon is alone with its file. Unless told so, SQLite asks the kernel for a lock twice per statement that reads and six
    // times per commit (43 calls per message, measured).
    handle.pragma("locking_mode=EXCLUSIVE");
    const mode = handle.pragma("journal_mode=WAL", { simple: true });
    if (mode !== "wal") {
      throw fileTrouble(
        `The file system below ${file} cannot hold a write-ahead log`,
        "Use a state directory on a local disk (--state-dir).",
      );
    }
    // The log is synced by `durable`, once for all who wait, and by SQLite itself before each checkpoint. With FULL every commit
    // would sync alone, on the event loop: seven times per message, 60 % of the daemon's time under load (measured).
    handle.pragma("synchronous=NORMAL");
    handle.pragma("fullfsync=ON"); // macOS: a plain fsync leaves the data in the drive's own cache
    handle.pragma("checkpoint_fullfsync=ON");
    handle.pragma("cache_size=-16384"); // 16 MiB of decrypted pages: what a busy house reads again and again
    handle.pragma("foreign_keys=ON");
    handle.pragma("temp_store=MEMORY"); // temporary files would not be encrypted
    handle.pragma("secure_delete=ON"); // what was deleted is not there for a later holder of the key
    return handle;
  } catch (error) {
    handle.close();
    throw error;
  }
}

function rawKey(key: Buffer): string {
  assert(key.length === KEY_BYTES, `a database key has ${KEY_BYTES} bytes`);
  return `x'${key.toString("hex")}'`;
}

function wrap(handle: Sqlite.Database, file: string, sync: (descriptor: number) => Promise<void>): Database {
  const statements = new Map<string, Sqlite.Statement>();
  const log = createLogSync(`${file}-wal`, sync);
  let isInside = false;
  // Parsed once: with `exec` these four words cost a tenth of the daemon's time under load (measured).
  const [begin, commit, rollback] = ["BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"].map((sql) => handle.prepare(sql)) as [
    Sqlite.Statement,
    Sqlite.Statement,
    Sqlite.Statement,
  ];

  const guarded = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw asStorageError(error, file);
    }
  };
  const prepared = (sql: string): Sqlite.Statement => {
    // SQLite rolls back by itself when the disk is full. Whoever caught that error and went on would be writing without a
    // transaction, each row for itself.
    assert(!isInside || handle.inTransaction, "nothing is written after a transaction was rolled back");
    log.assertSound();
    let statement = statements.get(sql);
    if (statement === undefined) {
      assert(statements.size < STATEMENTS_MAX, "SQL is constant text with parameters, never built from values");
      statement = handle.prepare(sql);
      statements.set(sql, statement);
    }
    return statement;
  };

  const database: Database = {
    get: <Row>(sql: string, params: readonly SqlValue[] = []) =>
      guarded(() => prepared(sql).get(...params) as Row | undefined),
    all: <Row>(sql: string, params: readonly SqlValue[] = []) => guarded(() => prepared(sql).all(...params) as Row[]),
    run: (sql, params = []) =>
      guarded(() => {
        const { changes, lastInsertRowid } = prepared(sql).run(...params);
        if (!isInside) log.written();
        return { changes, rowid: Number(lastInsertRowid) };
      }),
    exec(sql) {
      guarded(() => handle.exec(sql));
      log.written();
    },
    transaction<T>(work: () => T): T {
      assert(!isInside, "a transaction does not open another one");
      return guarded(() => {
        begin.run();
        isInside = true;
        try {
          const result = work();
          assert(!isPromise(result), "a transaction's work is synchronous");
          commit.run();
          log.written();
          return result;
        } catch (error) {
          if (handle.inTransaction) rollback.run();
          throw error;
        } finally {
          isInside = false;
        }
      });
    },
    durable: () => log.synced(),
    get inTransaction() {
      return isInside;
    },
    check() {
      const findings = guarded(() => handle.pragma("quick_check(1)", { simple: true }));
      if (findings !== "ok") {
        throw asStorageError(Object.assign(new Error(String(findings)), { code: "SQLITE_CORRUPT" }), file);
      }
    },
    backupTo(target) {
      assert(!isInside, "a backup is taken outside of transactions");
      copyTo(target, (partial) => guarded(() => handle.prepare("VACUUM INTO ?").run(partial)));
    },
    rekey(newKey) {
      assert(!isInside, "the key is changed outside of transactions");
      guarded(() => {
        handle.pragma(`rekey="${rawKey(newKey)}"`);
        handle.pragma("wal_checkpoint(TRUNCATE)"); // no page sealed with the old key stays behind in the log
      });
    },
    close() {
      statements.clear();
      log.close();
      guarded(() => handle.close()); // the last one to close moves the log into the database and syncs it
    },
  };
  return database;
}

/** The write-ahead log as something to be synced. It stays one file for as long as the database is open. */
interface LogSync {
  /** A commit has been written to it. */
  written(): void;
  /** Resolves when all that was written before the call is on the disk. */
  synced(): Promise<void>;
  /** Throws once a sync has failed. */
  assertSound(): void;
  close(): void;
}

function createLogSync(file: string, syncFile: (descriptor: number) => Promise<void>): LogSync {
  let descriptor: number | null = null;
  let written = 1; // What a killed daemon left in it may not be on the disk yet, and is answered for by this one.
  let onDisk = 0;
  let running: Promise<void> | null = null;
  let failure: SignalboxError | null = null;

  const sync = async () => {
    const reached = written;
    try {
      descriptor ??= openSync(file, "r");
      await syncFile(descriptor);
      onDisk = Math.max(onDisk, reached);
    } catch (error) {
      // The kernel may have dropped what it could not write and would call the next try a success.
      failure = fileTrouble(
        "The disk refused what was written",
        "Look at the disk, then start signalbox again.",
        error,
      );
    }
  };

  return {
    written() {
      written += 1;
    },
    async synced() {
      const goal = written;
      while (onDisk < goal) {
        if (failure !== null) throw failure;
        // One that runs already may have begun before our commit: then its end is only the beginning of the next.
        running ??= sync().finally(() => {
          running = null;
        });
        await running;
      }
    },
    assertSound() {
      if (failure !== null) throw failure;
    },
    close() {
      onDisk = Number.POSITIVE_INFINITY; // closing syncs everything
      if (descriptor === null) return;
      const closing = descriptor;
      descriptor = null;
      if (running === null) closeSync(closing);
      else void running.then(() => closeSync(closing)); // its number must not be given to another file meanwhile
    },
  };
}

function isPromise(value: unknown): boolean {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}

/** Whole or not at all: written beside `target`, made durable, then given its name. */
function copyTo(target: string, write: (partial: string) => void): void {
  if (existsSync(target)) {
    throw new SignalboxError("invalid_input", `${target} exists already.`, "Name a file that is not there yet.");
  }
  const partial = `${target}.partial`;
  try {
    rmSync(partial, { force: true }); // left by a backup that was interrupted
    closeSync(openSync(partial, "wx", 0o600));
    write(partial);
    syncPath(partial);
    renameSync(partial, target);
    syncPath(dirname(target));
  } catch (error) {
    rmSync(partial, { force: true });
    if (error instanceof SignalboxError) throw error;
    throw fileTrouble(
      `The backup ${target} cannot be written`,
      "Name a file in a directory with room and access.",
      error,
    );
  }
}

function syncPath(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
