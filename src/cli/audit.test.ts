import { describe, expect, test } from "vitest";
import { newestRows } from "./audit.ts";

/** A log of `rows` rows of which every `nth` passes the filter; like the daemon's it grows by one row with each reading. */
function logOf(rows: number, nth = 1, given: { limit?: number } = {}) {
  let headSeq = rows;
  const asked: Record<string, unknown>[] = [];
  const read = async (wanted: Record<string, unknown>) => {
    asked.push(wanted);
    const fields = { limit: 100, ...given, ...wanted };
    const all = Array.from({ length: headSeq }, (_, i) => ({ seq: i + 1 }));
    const left = all.filter(({ seq }) => seq % nth === 0 && seq > Number(wanted.cursor ?? 0));
    const entries = left.slice(0, fields.limit);
    const next_cursor = left.length > entries.length ? String(entries.at(-1)?.seq) : null;
    const answer = { entries, next_cursor, head: { seq: headSeq } };
    headSeq += 1;
    return answer;
  };
  return { read, asked };
}

const seqs = (answer: Record<string, unknown>) => (answer.entries as { seq: number }[]).map(({ seq }) => seq);

describe("the newest rows of the audit log", () => {
  test("are the last hundred in order, without our own readings, after two of them", async () => {
    const { read, asked } = logOf(250);
    const answer = await newestRows(read);
    expect(seqs(answer)).toEqual(Array.from({ length: 100 }, (_, i) => 151 + i));
    expect(answer).toMatchObject({ next_cursor: null, head: { seq: 250 } });
    expect(asked).toEqual([{}, { cursor: "150", limit: 1_000 }]);
  });

  test("are all of a short log, after one reading", async () => {
    const { read, asked } = logOf(3);
    expect(seqs(await newestRows(read))).toEqual([1, 2, 3]);
    expect(asked).toHaveLength(1);
    expect(seqs(await newestRows(logOf(0).read))).toEqual([]);
  });

  test("are looked for further back where a filter leaves few, until there are enough or no more", async () => {
    expect(seqs(await newestRows(logOf(5_000, 1_000, { limit: 2 }).read))).toEqual([4_000, 5_000]);
    expect(seqs(await newestRows(logOf(5_000, 1_000, { limit: 4 }).read))).toEqual([2_000, 3_000, 4_000, 5_000]);
  });

  test("are the last ones too where a look finds more than a page", async () => {
    expect(seqs(await newestRows(logOf(3_000, 2, { limit: 900 }).read)).at(0)).toBe(1_202);
  });
});
