// What it costs that accepted means on the disk: a commit, its sync, and the audit row in it, through the daemon's own storage.

import { join } from "node:path";
import { createAuditLog } from "../src/audit/log.ts";
import { systemClock } from "../src/kernel/clock.ts";
import { openDatabase } from "../src/storage/database.ts";
import { migrate } from "../src/storage/migrate.ts";
import { migrations } from "../src/storage/migrations/index.ts";
import { legRow } from "./delivery.ts";
import { freshDir, remove } from "./house.ts";
import { nowMs, percentile, round, spread } from "./measure.ts";
import type { Part } from "./report.ts";

const COMMITS = 400;
const AT_ONCE = 50;

export async function measureDisk(): Promise<Part> {
  const dir = freshDir();
  const db = openDatabase({ file: join(dir, "bench.db"), key: Buffer.alloc(32, 1) });
  migrate(db, migrations);
  const audit = createAuditLog(db, systemClock);
  const body = "x".repeat(300);
  let number = 0;
  const note = () => db.run("INSERT INTO settings (name, value) VALUES (?, ?)", [`n${++number}`, body]);
  const entry = {
    actor: "local",
    role: "operator",
    tool: "bench",
    target: null,
    outcome: "ok",
    detail: { bytes: 300 },
  };
  const times = { plain: [] as number[], audited: [] as number[], synced: [] as number[], together: [] as number[] };
  const timed = async (into: number[], work: () => unknown) => {
    const startedMs = nowMs();
    await work();
    into.push(nowMs() - startedMs);
  };
  for (let i = 0; i < COMMITS; i++) {
    await timed(times.plain, () => db.transaction(note));
    await db.durable();
    await timed(times.audited, () =>
      db.transaction(() => {
        note();
        audit.append(entry);
      }),
    );
    await timed(times.synced, () => db.durable());
  }
  for (let i = 0; i < COMMITS / AT_ONCE; i++) {
    await timed(times.together, () => {
      const waiting = Array.from({ length: AT_ONCE }, () => {
        db.transaction(note);
        return db.durable();
      });
      return Promise.all(waiting);
    });
  }
  db.close();
  await remove(dir);
  const [plain, audited, synced] = [times.plain, times.audited, times.synced].map((one) => percentile(one, 0.5)) as [
    number,
    number,
    number,
  ];
  return {
    title: "The disk",
    how: "The daemon's own encrypted storage, in rounds of one commit each. A sync serves everybody who waits for it.",
    rows: [
      legRow("commit of one row", spread(times.plain)),
      legRow("commit of one row and its audit row (hash chain)", spread(times.audited)),
      legRow("sync of a commit (off the event loop)", spread(times.synced)),
      {
        what: "audit's share of a commit that is synced (p50)",
        measured: `${round(((audited - plain) / (audited + synced)) * 100)} %`,
        budget: "-",
        kept: null,
      },
      legRow(`${AT_ONCE} commits at once, each waiting for the disk: all of them`, spread(times.together)),
    ],
  };
}
