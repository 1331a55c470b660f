// Rows that were read or written lately, so that a question asked twenty times between two writes goes to SQLite once at most.
// Holds only what is committed: nothing is kept that was read or written inside a transaction, which may still be rolled back.
// Whoever writes a row says so here before anybody can read it again; a room keeps such a cache only for tables that it alone
// writes.

import type { Database } from "./database.ts";

/** Rows of a few hundred bytes; with a house of 256 agents all that is asked again and again fits in. */
const ENTRIES_MAX = 1_024;
/** UTF-16 units of text, all entries together: a few messages of the largest size. */
const TEXT_MAX = 8 * 1024 * 1024;

export interface RowCache<Value> {
  /** What `read` gave for this key the last time, if nothing was forgotten since. The value is frozen and shared. */
  get(key: string, read: () => Value): Value;
  /** A row that the value was made of is about to change, or has changed. To be called before the write, so that one that
   *  fails leaves nothing behind. */
  forget(key: string): void;
  /** What the write that was just done has made of the value. */
  put(key: string, value: Value): void;
}

/** `textOf` says how much text a value keeps in memory. */
export function createRowCache<Value>(
  db: Pick<Database, "inTransaction">,
  textOf: (value: Value) => number = () => 0,
): RowCache<Value> {
  const kept = new Map<string, Value>();
  let text = 0;

  const forget = (key: string) => {
    const value = kept.get(key);
    if (value !== undefined) text -= textOf(value);
    kept.delete(key);
  };

  const put = (key: string, value: Value) => {
    forget(key);
    deepFreeze(value);
    if (db.inTransaction) return;
    const more = textOf(value);
    // All at once instead of the oldest one: it is seldom reached, and an empty cache is a correct one.
    if (kept.size >= ENTRIES_MAX || text + more > TEXT_MAX) {
      kept.clear();
      text = 0;
    }
    kept.set(key, value);
    text += more;
  };

  return {
    get(key, read) {
      // Inside a transaction too: what is still kept was committed before it began, and it has not written that row.
      if (kept.has(key)) return kept.get(key) as Value;
      const value = read();
      put(key, value);
      return value;
    },
    forget,
    put,
  };
}

/** Rows and lists of rows: two levels are all there are. */
function deepFreeze<Value>(value: Value): Value {
  if (Array.isArray(value)) for (const one of value) Object.freeze(one);
  return Object.freeze(value);
}
