import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { tempDir } from "../../test/support/temp-dir.ts";
import { type Database, openDatabase } from "./database.ts";
import { createRowCache, type RowCache } from "./row-cache.ts";

interface Row {
  id: string;
  words: string;
}

let db: Database;
let cache: RowCache<Row | undefined>;
let reads: number;

const read = (id: string) =>
  cache.get(id, () => {
    reads += 1;
    return db.get<Row>("SELECT * FROM rows WHERE id = ?", [id]);
  });

const write = (id: string, words: string) => {
  cache.forget(id);
  db.run("INSERT INTO rows VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET words = excluded.words", [id, words]);
};

beforeEach(() => {
  db = openDatabase({ file: join(tempDir(), "test.db"), key: Buffer.alloc(32, 1) });
  db.exec("CREATE TABLE rows (id TEXT PRIMARY KEY, words TEXT NOT NULL) STRICT");
  cache = createRowCache(db, (row) => row?.words.length ?? 0);
  reads = 0;
});

describe("the row cache", () => {
  it("reads once between two writes", () => {
    write("a", "first");
    expect([read("a")?.words, read("a")?.words, reads]).toEqual(["first", "first", 1]);
    write("a", "second");
    expect([read("a")?.words, reads]).toEqual(["second", 2]);
  });

  it("remembers that there is no such row, until there is one", () => {
    expect([read("a"), read("a"), reads]).toEqual([undefined, undefined, 1]);
    write("a", "there");
    expect(read("a")?.words).toBe("there");
  });

  it("keeps nothing of a transaction that was rolled back", () => {
    write("a", "before");
    read("a");
    expect(() =>
      db.transaction(() => {
        write("a", "inside");
        expect(read("a")?.words).toBe("inside");
        throw new Error("no");
      }),
    ).toThrow("no");
    expect(read("a")?.words).toBe("before");
  });

  it("hands out rows that nobody can change", () => {
    write("a", "first");
    expect(() => Object.assign(read("a") ?? {}, { words: "forged" })).toThrow(TypeError);
    expect(read("a")?.words).toBe("first");
  });

  it("stays small: more text than it may hold makes it begin anew, and still answer right", () => {
    const long = "x".repeat(3 * 1024 * 1024);
    for (const id of ["a", "b", "c"]) write(id, `${id}${long}`);
    for (const id of ["a", "b", "c", "c", "a"]) expect(read(id)?.words.slice(0, 1)).toBe(id);
    expect(reads).toBe(4); // the third did not fit beside the first two, and the first had to be read again
  });
});
