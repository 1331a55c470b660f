// The audit log: one row per command and per refusal, written in the transaction of what it tells. Rows carry ids, codes and
// counts, never message bodies. Each row's hash covers the row before it, so that a change in the middle shows.

import { hash } from "node:crypto";
import type { Clock } from "../kernel/clock.ts";
import { isoTime } from "../kernel/clock.ts";
import type { Database } from "../storage/database.ts";

export interface AuditEntry {
  actor: string;
  role: string;
  tool: string;
  /** The row it was about; of a refusal the id that the caller gave, which need not exist. */
  target: string | null;
  /** "ok" or the error's code. */
  outcome: string;
  /** Small facts a reader needs: ids, sizes, choices. */
  detail: Record<string, string | number | boolean | null>;
}

interface AuditRow {
  seq: number;
  at: number;
  actor: string;
  role: string;
  tool: string;
  target: string | null;
  outcome: string;
  detail: string;
  hash: string;
}

export interface AuditFilter {
  sinceMs: number | null;
  actor: string | null;
  tool: string | null;
  /** Entries after this sequence number. */
  afterSeq: number;
  limit: number;
}

export interface AuditPage {
  entries: Record<string, unknown>[];
  nextCursor: string | null;
  head: { seq: number; hash: string };
}

export interface AuditLog {
  /** Must run inside a transaction: the row stands or falls with what it tells. */
  append(entry: AuditEntry): void;
  read(filter: AuditFilter): AuditPage;
}

const GENESIS_HASH = "0".repeat(64);

export function createAuditLog(db: Database, clock: Clock): AuditLog {
  const head = () =>
    db.get<{ seq: number; hash: string }>("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", []) ?? {
      seq: 0,
      hash: GENESIS_HASH,
    };
  return {
    append(entry) {
      const last = head();
      const row = {
        seq: last.seq + 1,
        at: clock.now(),
        actor: entry.actor,
        role: entry.role,
        tool: entry.tool,
        target: entry.target,
        outcome: entry.outcome,
        detail: JSON.stringify(entry.detail),
      };
      db.run(
        "INSERT INTO audit (seq, at, actor, role, tool, target, outcome, detail, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
          row.seq,
          row.at,
          row.actor,
          row.role,
          row.tool,
          row.target,
          row.outcome,
          row.detail,
          chainHash(last.hash, row),
        ],
      );
    },
    read(filter) {
      const rows = db.all<AuditRow>(
        `SELECT * FROM audit WHERE seq > ? AND at >= ? AND (? IS NULL OR actor = ?) AND (? IS NULL OR tool = ?)
         ORDER BY seq LIMIT ?`,
        [filter.afterSeq, filter.sinceMs ?? 0, filter.actor, filter.actor, filter.tool, filter.tool, filter.limit + 1],
      );
      const page = rows.slice(0, filter.limit);
      const last = page.at(-1);
      return {
        entries: page.map((row) => ({ ...row, at: isoTime(row.at), detail: JSON.parse(row.detail) })),
        nextCursor: rows.length > page.length && last !== undefined ? String(last.seq) : null,
        head: head(),
      };
    },
  };
}

function chainHash(previous: string, row: Omit<AuditRow, "hash">): string {
  const fields = [row.seq, row.at, row.actor, row.role, row.tool, row.target, row.outcome, row.detail];
  return hash("sha256", previous + JSON.stringify(fields));
}
