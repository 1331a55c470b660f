import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { tempDir } from "../../test/support/temp-dir.ts";
import { openDatabase } from "./database.ts";
import { migrate } from "./migrate.ts";
import { migrations } from "./migrations/index.ts";

const first = { number: 1, sql: "CREATE TABLE notes (body TEXT) STRICT; INSERT INTO notes VALUES ('one')" };
const second = { number: 2, sql: "ALTER TABLE notes ADD COLUMN place TEXT; UPDATE notes SET place = 'here'" };
const broken = { number: 2, sql: "INSERT INTO notes VALUES ('half'); INSERT INTO nowhere VALUES (1)" };

function emptyDatabase() {
  const db = openDatabase({ file: join(tempDir(), "x.db"), key: Buffer.alloc(32) });
  onTestFinished(() => db.close());
  return db;
}

it("applies each step once, and later only what is new", () => {
  const db = emptyDatabase();
  expect(migrate(db, [first])).toEqual({ from: 0, to: 1 });
  expect(migrate(db, [first])).toEqual({ from: 1, to: 1 });
  expect(migrate(db, [first, second])).toEqual({ from: 1, to: 2 });
  expect(db.all("SELECT * FROM notes")).toEqual([{ body: "one", place: "here" }]);
});

it("undoes a step that fails and goes on from there next time", () => {
  const db = emptyDatabase();
  expect(() => migrate(db, [first, broken])).toThrow("nowhere");
  expect(db.all("SELECT * FROM notes")).toEqual([{ body: "one" }]);
  expect(migrate(db, [first, second])).toEqual({ from: 1, to: 2 });
});

it("refuses a database that a newer version wrote, and leaves it alone", () => {
  const db = emptyDatabase();
  migrate(db, [first, second]);
  expect(() => migrate(db, [first])).toThrow(
    expect.objectContaining({
      code: "storage_error",
      retryable: false,
      message: expect.stringContaining("newer signalbox"),
    }),
  );
  expect(db.get("PRAGMA user_version")).toEqual({ user_version: 2 });
});

it("refuses a list with a gap", () => {
  expect(() => migrate(emptyDatabase(), [second])).toThrow("numbered");
});

it("keeps messages and their numbers when their table is made anew", () => {
  const db = emptyDatabase();
  migrate(db, migrations.slice(0, 6));
  db.exec(`
    INSERT INTO sessions VALUES ('ses_1', 's', '/', 'LOW', 'pty', 'shared', 0, 1, NULL);
    INSERT INTO agents (agent_id, session_id, name, kind, permission_mode, cwd, desired, state_since, created_at)
      VALUES ('agt_1', 'ses_1', 'a', 'claude', 'default', '/', 'running', 1, 1);
    INSERT INTO messages (seq, message_id, agent_id, sender, sender_label, body, priority, hops, state, accepted_at, refused_prompts)
      VALUES (7, 'msg_1', 'agt_1', 'owner', 'operator', 'hello', 'normal', 0, 'queued', 1, ' p1');`);
  const before = db.all("SELECT * FROM messages");
  migrate(db, migrations.slice(0, 7));
  expect(db.all("SELECT * FROM messages")).toEqual(before);
  const { rowid } = db.run(
    `INSERT INTO messages (message_id, agent_id, sender, sender_label, body, priority, hops, state, accepted_at)
       VALUES ('msg_2', 'agt_1', 'owner', 'operator', 'hello', 'normal', 0, 'queued', 2)`,
  );
  expect(rowid).toBe(8);
});

it("brings an empty database to this version's schema", () => {
  const db = emptyDatabase();
  expect(migrate(db, migrations)).toEqual({ from: 0, to: migrations.length });
  expect(db.all("PRAGMA foreign_key_check")).toEqual([]);
});
