// What a part of the benchmark hands over, and how BENCHMARKS.md shows it. Nothing is measured here.

export interface Row {
  what: string;
  /** As it stands in the table, units included. */
  measured: string;
  /** What was promised; "-" where nothing was. */
  budget: string;
  /** null: there is no budget to keep. */
  kept: boolean | null;
}

export interface Part {
  title: string;
  /** How it was measured, in a sentence or two. */
  how: string;
  rows: Row[];
}

export function markdownOf(part: Part): string {
  const rows = part.rows.map(
    ({ what, measured, budget, kept }) => `| ${what} | ${measured} | ${budget} | ${wordFor(kept)} |`,
  );
  const head = ["| what | measured | budget | |", "|---|---|---|---|"];
  return [`## ${part.title}`, "", part.how, "", ...head, ...rows, ""].join("\n");
}

function wordFor(kept: boolean | null): string {
  return kept === null ? "" : kept ? "kept" : "**missed**";
}
