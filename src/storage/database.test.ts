import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, it, onTestFinished } from "vitest";
import { tempDir } from "../../test/support/temp-dir.ts";
import { SignalboxError } from "../kernel/errors.ts";
import { type Database, openDatabase } from "./database.ts";

const key = Buffer.alloc(32, 7);
const otherKey = Buffer.alloc(32, 8);

function open(file: string, withKey = key): Database {
  const db = openDatabase({ file, key: withKey });
  onTestFinished(() => db.close());
  return db;
}

function withNotes(dir = tempDir()): { db: Database; dir: string; file: string } {
  const file = join(dir, "signalbox.db");
  const db = open(file);
  db.exec("CREATE TABLE notes (n INTEGER PRIMARY KEY, body TEXT NOT NULL UNIQUE) STRICT");
  return { db, dir, file };
}

const add = (db: Database, body: string) => db.run("INSERT INTO notes (body) VALUES (?)", [body]).changes;
const bodies = (db: Database) => db.all<{ body: string }>("SELECT body FROM notes ORDER BY n").map((row) => row.body);

function storageErrorOf(work: () => unknown): SignalboxError {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(SignalboxError);
    expect((error as SignalboxError).code).toBe("storage_error");
    return error as SignalboxError;
  }
  throw new Error("expected a storage_error");
}

it("gives back what was written, also after it was closed", () => {
  const { db, file } = withNotes();
  expect(add(db, "one")).toBe(1);
  db.close();
  const again = open(file);
  expect(bodies(again)).toEqual(["one"]);
  expect(again.get("SELECT 1 AS x FROM notes WHERE body = ?", ["two"])).toBeUndefined();
});

it("is opened to be durable, consistent and without temporary files", () => {
  const { db } = withNotes();
  const pragma = (name: string) => Object.values(db.get<Record<string, unknown>>(`PRAGMA ${name}`) ?? {})[0];
  const settings = ["cipher", "journal_mode", "synchronous", "foreign_keys", "temp_store", "secure_delete"];
  expect(settings.map(pragma)).toEqual(["aegis", "wal", 1, 1, 2, 1]);
});

it("syncs its log for whoever is about to tell of a commit, and keeps serving after many waited at once", async () => {
  const { db } = withNotes();
  await db.durable();
  const waiting = Array.from({ length: 50 }, (_, i) => {
    add(db, `note ${i}`);
    return db.durable();
  });
  await Promise.all(waiting);
  expect(bodies(db)).toHaveLength(50);
});

it("leaves no readable byte in any file, while open, after a backup, and after it was closed", () => {
  const { db, dir } = withNotes();
  const canary = "the-canary-that-must-not-be-read";
  const readable = () => readdirSync(dir).filter((name) => readFileSync(join(dir, name)).includes(canary));
  db.transaction(() => {
    for (let i = 0; i < 300; i++) add(db, `${canary} ${i} ${"x".repeat(200)}`);
  });
  expect(readdirSync(dir).sort()).toEqual(["signalbox.db", "signalbox.db-wal"]);
  expect(statSync(join(dir, "signalbox.db-wal")).size).toBeGreaterThan(60_000);
  db.transaction(() => {
    add(db, `${canary} uncommitted`);
    expect(readable()).toEqual([]);
  });
  db.backupTo(join(dir, "copy.db"));
  expect(readable()).toEqual([]);
  db.close();
  expect(readdirSync(dir).sort()).toEqual(["copy.db", "signalbox.db"]);
  expect(readable()).toEqual([]);
});

it("makes every file for its owner alone, whatever the umask", () => {
  const before = process.umask(0o022);
  onTestFinished(() => void process.umask(before));
  const { db, dir } = withNotes();
  db.backupTo(join(dir, "copy.db"));
  for (const name of readdirSync(dir)) expect([name, statSync(join(dir, name)).mode & 0o777]).toEqual([name, 0o600]);
});

it("tells a wrong key from damage, says what to do, and changes nothing", () => {
  const { db, file } = withNotes();
  db.close();
  const before = readFileSync(file);
  const error = storageErrorOf(() => openDatabase({ file, key: otherKey }));
  expect(error.message).toContain("key does not open");
  expect(error.nextStep).toContain("SIGNALBOX_KEY_FILE");
  expect(error.retryable).toBe(false);
  expect(readFileSync(file).equals(before)).toBe(true);
});

it("finds one flipped bit in any page, on reading and on checking", () => {
  const { db, file } = withNotes();
  for (let i = 0; i < 50; i++) add(db, `${i} ${"x".repeat(500)}`);
  const page = db.get<{ page_size: number }>("PRAGMA page_size")?.page_size ?? 0;
  db.check();
  db.close();
  const sound = readFileSync(file);
  expect(sound.length / page).toBeGreaterThan(10);
  for (let start = page; start < sound.length; start += page) {
    const bytes = Buffer.from(sound);
    bytes[start + page / 2] = (bytes[start + page / 2] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    const damaged = open(file);
    const readAll = () => [...bodies(damaged), ...damaged.all("SELECT body FROM notes ORDER BY body")];
    expect(storageErrorOf(readAll).message).toContain("damaged");
    expect(storageErrorOf(() => damaged.check()).nextStep).toContain("an earlier copy of the state directory");
    damaged.close();
  }
});

it("refuses a file that is no database and a place it cannot open", () => {
  const dir = tempDir();
  writeFileSync(join(dir, "text"), "no database ".repeat(1_000));
  storageErrorOf(() => openDatabase({ file: join(dir, "text"), key }));
  storageErrorOf(() => openDatabase({ file: join(dir, "missing", "x.db"), key }));
  storageErrorOf(() => openDatabase({ file: dir, key }));
});

it("commits a transaction whole or not at all", () => {
  const { db } = withNotes();
  expect(db.transaction(() => add(db, "kept"))).toBe(1);
  const thrown = new Error("changed my mind");
  expect(() =>
    db.transaction(() => {
      add(db, "dropped");
      expect(db.inTransaction).toBe(true);
      throw thrown;
    }),
  ).toThrow(thrown);
  expect(db.inTransaction).toBe(false);
  expect(bodies(db)).toEqual(["kept"]);
});

it("refuses transactions within transactions and asynchronous work", () => {
  const { db } = withNotes();
  expect(() => db.transaction(() => db.transaction(() => add(db, "inner")))).toThrow("invariant broken");
  expect(() => db.transaction(async () => add(db, "later"))).toThrow("synchronous");
  expect(bodies(db)).toEqual([]);
});

it("lets a broken constraint through as the bug it is", () => {
  const { db } = withNotes();
  add(db, "once");
  expect(() => add(db, "once")).toThrow(expect.objectContaining({ code: "SQLITE_CONSTRAINT_UNIQUE" }));
});

it("keeps what was there when the disk is full, and writes nothing outside the lost transaction", () => {
  const { db } = withNotes();
  add(db, "before");
  const pages = db.get<{ page_count: number }>("PRAGMA page_count")?.page_count ?? 0;
  db.exec(`PRAGMA max_page_count = ${pages + 2}`);
  const fill = () => db.transaction(() => Array.from({ length: 50 }, (_, i) => add(db, `${i} ${"x".repeat(1_000)}`)));
  const error = storageErrorOf(fill);
  expect(error.message).toContain("no room");
  expect(error.retryable).toBe(true);
  const stubborn = () =>
    db.transaction(() => {
      expect(() => Array.from({ length: 50 }, (_, i) => add(db, `${i} ${"x".repeat(1_000)}`))).toThrow("no room");
      add(db, "as if nothing had happened");
    });
  expect(stubborn).toThrow("rolled back");
  expect(bodies(db)).toEqual(["before"]);
  db.exec("PRAGMA max_page_count = 100000");
  fill();
  expect(bodies(db)).toHaveLength(51);
});

it("backs up to a file that opens with the same key, and never over another file", () => {
  const { db, dir } = withNotes();
  add(db, "kept");
  const copy = join(dir, "copy.db");
  db.backupTo(copy);
  const opened = open(copy);
  expect(bodies(opened)).toEqual(["kept"]);
  opened.close();
  storageErrorOf(() => openDatabase({ file: copy, key: otherKey }));
  expect(() => db.backupTo(copy)).toThrow(expect.objectContaining({ code: "invalid_input" }));
  storageErrorOf(() => db.backupTo(join(dir, "missing", "copy.db")));
  expect(existsSync(`${copy}.partial`)).toBe(false);
});

it("after a new key the old one opens nothing, also not a copy taken while running", () => {
  const { db, dir, file } = withNotes();
  add(db, "kept");
  db.rekey(otherKey);
  expect(bodies(db)).toEqual(["kept"]);
  add(db, "later");
  const copied = join(tempDir(), "signalbox.db");
  for (const name of readdirSync(dir)) copyFileSync(join(dir, name), copied + name.slice("signalbox.db".length));
  db.close();
  storageErrorOf(() => openDatabase({ file, key }));
  storageErrorOf(() => openDatabase({ file: copied, key }));
  expect(bodies(open(copied, otherKey))).toEqual(["kept", "later"]);
  expect(bodies(open(file, otherKey))).toEqual(["kept", "later"]);
});

it("has everything that was committed before its process was killed", { timeout: 60_000 }, async () => {
  const { db, file } = withNotes();
  db.close();
  const module = new URL("./database.ts", import.meta.url).href;
  const program = `
    import { openDatabase } from ${JSON.stringify(module)};
    const db = openDatabase({ file: ${JSON.stringify(file)}, key: Buffer.alloc(32, 7) });
    for (let n = 1; ; n++) {
      db.transaction(() => db.run("INSERT INTO notes (n, body) VALUES (?, ?)", [n, "row " + n]));
      process.stdout.write(n + "\\n");
    }`;
  const writer = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void writer.kill("SIGKILL"));
  let committed = 0;
  for await (const line of createInterface({ input: writer.stdout })) {
    committed = Number(line);
    if (committed === 200) writer.kill("SIGKILL"); // what is still in the pipe was committed as well
  }
  if (writer.exitCode === null && writer.signalCode === null) await once(writer, "exit");
  const after = open(file);
  after.check();
  const found = after.get<{ count: number; last: number }>("SELECT count(*) AS count, max(n) AS last FROM notes");
  expect(committed).toBeGreaterThanOrEqual(200);
  expect(found?.last).toBeGreaterThanOrEqual(committed);
  expect(found?.count).toBe(found?.last);
});
