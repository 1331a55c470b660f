// `signalbox audit` shows what happened last, while the daemon's log is read from its beginning: so the reading begins near
// its head. What the rows mean is not known here.

/** One reading of the log: the command's own fields in, its own answer out. */
type ReadLog = (fields: Record<string, unknown>) => Promise<Record<string, unknown>>;

interface Page {
  entries: { seq: number }[];
  next_cursor: string | null;
  head: { seq: number };
}

/** The most the daemon gives at once. */
const PAGE_ROWS_MAX = 1_000;

/** Where a filter leaves too few rows, the next look goes this much further back: a log of a million rows takes six looks. */
const FURTHER_BACK = 8;

/** The newest rows that the filters leave, as many as the daemon gives at once, oldest first. Where there are more, they come
 *  without those written while we look, for our own looks are among these. */
export async function newestRows(read: ReadLog): Promise<Record<string, unknown>> {
  const answer = await read({});
  const { entries, next_cursor, head } = answer as unknown as Page;
  if (typeof next_cursor !== "string") return answer;
  const limit = entries.length;
  for (let span = limit; ; span *= FURTHER_BACK) {
    const afterSeq = Math.max(0, head.seq - span);
    const rows = await rowsBetween(read, afterSeq, head.seq);
    if (rows.length >= limit || afterSeq === 0) return { ...answer, entries: rows.slice(-limit), next_cursor: null };
  }
}

async function rowsBetween(read: ReadLog, afterSeq: number, lastSeq: number): Promise<Page["entries"]> {
  const rows: Page["entries"] = [];
  let cursor: string | null = String(afterSeq);
  while (cursor !== null && Number(cursor) < lastSeq) {
    const page = (await read({ cursor, limit: PAGE_ROWS_MAX })) as unknown as Page;
    rows.push(...page.entries.filter(({ seq }) => seq <= lastSeq));
    cursor = page.next_cursor;
  }
  return rows;
}
