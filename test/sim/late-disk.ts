// A disk that has only what was synced: what a power cut finds. The write-ahead log is never moved into the database here, so
// that it is a list of commits; cut behind one of them, it is what a power cut leaves. Also the books of what was on the disk
// when something was told or done outside, because nothing may be told or done before it is.

import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import type { Database } from "../../src/storage/database.ts";
import { type Life, never } from "./life.ts";
import type { Sim } from "./sim.ts";

export interface Opened {
  db: Database;
  /** To be called after each commit. */
  committed(): void;
}

export interface LateDisk {
  open(life: Life): Opened;
  powerCut(): void;
}

/** SQLite writes its log in frames of a page and a head: less than one of them is not a commit more. */
const TORN_BYTES_MAX = 4_000;

const RANK: Record<string, number> = { queued: 0, sending: 0, delivered: 1 };
const rankOf = (state: string) => RANK[state] ?? 2;

/** `reopen` closes the handle that is open, lets `between` put the files as they are to be, and opens them. */
export function createLateDisk(
  sim: Sim,
  file: string,
  reopen: (sync: () => Promise<void>, between: () => void) => Database,
): LateDisk {
  const { random } = sim;
  const logFile = `${file}-wal`;
  /** How long the log was after each commit. */
  let commits: number[] = [];
  let synced = 0;
  let cut: { logBytes: number; wasLost: number } | null = null;
  /** The commit with which a message came into a state, or a terminal into the books. */
  const commitOf = new Map<string, number>();
  /** What somebody outside was told of a message, or could conclude from what was done. */
  const told = new Map<string, string>();
  /** Syncs under way when their daemon died. */
  let cutShort: (() => void)[] = [];

  sim.restsOn = (effect, keys) => {
    for (const key of keys) {
      const commit = commitOf.get(key);
      if (commit === undefined || commit > synced)
        sim.violate("nothing is told or done before it is on the disk", `${effect}: ${key}, commit ${commit}`);
      const [id = "", state = ""] = key.split(" ");
      if (rankOf(state) >= rankOf(told.get(id) ?? "queued")) told.set(id, state);
    }
  };

  const syncOf = (life: Life) => async () => {
    if (life.fails("power_cut_in_sync", "")) return await never<void>();
    const reached = commits.length;
    if (sim.strikes("sync_refused", 0.02, "")) {
      life.isDiskLost = true;
      life.clock.after(random.between(500, 8_000), () => life.die("a person starts it anew"));
      throw Object.assign(new Error("i/o error, fdatasync"), { code: "EIO" });
    }
    const ms = sim.strikes("sync_slow", 0.1, "") ? random.between(300, 6_000) : random.between(0.2, 6);
    await new Promise<void>((resolve) => {
      cutShort.push(resolve);
      life.clock.after(ms, resolve);
    });
    if (life.isDead) return;
    synced = Math.max(synced, reached);
    if (life.fails("power_cut_after_sync", "")) await never();
  };

  const checkTold = (db: Database) => {
    for (const [id, state] of told) {
      if (!id.startsWith("msg_")) continue;
      const row = db.get<{ state: string }>("SELECT state FROM messages WHERE message_id = ?", [id]);
      if (row === undefined || rankOf(row.state) < rankOf(state))
        sim.violate("what was told is still so after a power cut", `${id} was ${state}, is ${row?.state ?? "gone"}`);
    }
  };

  return {
    open(life) {
      // Closing would sync the log of a killed daemon and move it into the database: a kill -9 does neither.
      const database = readFileSync(file);
      const log = existsSync(logFile) ? readFileSync(logFile) : Buffer.alloc(0);
      const db = reopen(syncOf(life), () => {
        for (const settle of cutShort) settle();
        cutShort = [];
        writeFileSync(file, database);
        writeFileSync(logFile, cut === null ? log : log.subarray(0, cut.logBytes));
      });
      db.get("PRAGMA wal_autocheckpoint=0");
      if (cut !== null) {
        sim.trace(`the disk comes back without ${cut.wasLost} commits`);
        if (cut.wasLost > 0) sim.count("power cuts that took commits away");
        checkTold(db);
      }
      cut = null;
      let lastMove = db.get<{ last: number | null }>("SELECT max(number) AS last FROM sim_moves")?.last ?? 0;
      return {
        db,
        committed() {
          commits.push(statSync(logFile).size);
          for (const move of db.all<{ number: number; message_id: string; became: string }>(
            "SELECT number, message_id, became FROM sim_moves WHERE number > ? ORDER BY number",
            [lastMove],
          )) {
            lastMove = move.number;
            const key = `${move.message_id} ${move.became}`;
            // Accepted is accepted, however often it comes back to the queue.
            if (move.became !== "queued" || !commitOf.has(key)) commitOf.set(key, commits.length);
          }
        },
      };
    },
    powerCut() {
      const kept = random.whole(synced, commits.length);
      const torn = random.whole(0, TORN_BYTES_MAX);
      cut ??= { logBytes: (commits[kept - 1] ?? 0) + torn, wasLost: commits.length - kept };
      commits = commits.slice(0, kept);
      synced = kept;
      for (const [key, commit] of commitOf) if (commit > kept) commitOf.delete(key);
    },
  };
}
