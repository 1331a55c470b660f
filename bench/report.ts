// What a part of the benchmark hands over, and how BENCHMARKS.md shows it. Nothing is measured here. The file has two authors:
// `npm run bench` for all but the last section, `npm run soak` for that one, and neither touches the other's.

import { readFileSync, writeFileSync } from "node:fs";

const REPORT = new URL("../BENCHMARKS.md", import.meta.url);
const SOAK_TITLE = "## Soak";

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

/** Writes everything but the soak's section. */
export function writeBenchmarks(text: string): void {
  writeFileSync(
    REPORT,
    [text.trimEnd(), readReport().soak]
      .filter((part) => part !== "")
      .join("\n\n")
      .concat("\n"),
  );
}

/** Writes the soak's section, without its title. */
export function writeSoak(text: string): void {
  writeFileSync(REPORT, `${readReport().benchmarks}\n\n${SOAK_TITLE}\n\n${text.trim()}\n`);
}

function readReport(): { benchmarks: string; soak: string } {
  const text = readFileSync(REPORT, "utf8");
  const at = text.indexOf(`\n${SOAK_TITLE}\n`);
  if (at < 0) return { benchmarks: text.trimEnd(), soak: "" };
  return { benchmarks: text.slice(0, at).trimEnd(), soak: text.slice(at + 1).trimEnd() };
}

function wordFor(kept: boolean | null): string {
  return kept === null ? "" : kept ? "kept" : "**missed**";
}
