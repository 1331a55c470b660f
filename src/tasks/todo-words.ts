// The words of the ADDER+ protocol inside one piece of Markdown: statuses, priorities, names and task ids in all their
// spellings. Where such a piece stands in a file is todo-file.ts's business.

export const TASK_STATUSES = [
  "not_started",
  "in_progress",
  "completed",
  "blocked",
  "review",
  "skipped",
  /** Something is written where the status belongs, and it is none of the protocol's words. */
  "unknown",
] as const;
export type TaskStatus = (typeof TASK_STATUSES)[number];
export type TaskPriority = "critical" | "high" | "medium" | "low";

/** Without emphasis, code marks and emoji; words and their order stay. */
export function plain(markdown: string): string {
  return markdown
    .replace(/\*\*|`|\p{Extended_Pictographic}|\uFE0F|\u200D/gu, "")
    .replace(/^[\s*]+/, "")
    .trimEnd();
}

/** The first words that say a status. Order matters only where one begins another. */
const STATUS_WORDS: readonly (readonly [RegExp, TaskStatus])[] = [
  [/^(?:COMPLETED?|DONE|FINISHED|RESOLVED|CLOSED)\b/, "completed"],
  [/^(?:IN PROGRESS|INPROGRESS|WIP|ACTIVE|STARTED|CLAIMED|PARTIALLY|PARTIAL)\b/, "in_progress"],
  [/^(?:NOT STARTED|PENDING|TODO|OPEN|READY|UNASSIGNED|QUEUED)\b/, "not_started"],
  [/^(?:BLOCKED|WAITING|ON HOLD)\b/, "blocked"],
  [/^(?:REVIEW|IN REVIEW)\b/, "review"],
  [/^(?:SKIPPED|CANCELLED|CANCELED|DROPPED|WONTFIX)\b/, "skipped"],
];

/** The status a piece of Markdown begins with; undefined when it says nothing. A tick in front decides where the words
 *  do not (`✅ MAJOR SUCCESS`). */
export function readStatus(markdown: string): TaskStatus | undefined {
  const isTicked = /^[\s*`]*[✅☑✔]/u.test(markdown);
  const words = plain(markdown)
    .toUpperCase()
    .replace(/[_-]/g, " ")
    .replace(/^[^A-Z0-9]+/, "");
  if (words === "") return isTicked ? "completed" : undefined;
  const percent = /^(\d{1,3})(?:\.\d+)?\s?%/.exec(words)?.[1];
  if (percent !== undefined) return percent === "100" ? "completed" : "in_progress";
  const said = STATUS_WORDS.find(([pattern]) => pattern.test(words))?.[1];
  return said ?? (isTicked ? "completed" : "unknown");
}

/** A title with its status taken off: `Title - COMPLETED (note)`, `Title [COMPLETE]`. Only a tail that says nothing but a
 *  status is one, so that "Importer - done right" stays whole. */
export function splitStatus(text: string): { title: string; status: TaskStatus | undefined } {
  const title = text.replace(/^[\s:.–—-]+/, "").trimEnd();
  const bracket = title.endsWith("]") ? title.lastIndexOf("[") : -1;
  const dash = title.lastIndexOf(" - ");
  const cut = bracket >= 0 ? bracket : dash;
  if (cut < 0) return { title, status: undefined };
  const tail = title.slice(bracket >= 0 ? bracket + 1 : dash + 3, bracket >= 0 ? -1 : undefined);
  const word = tail.replace(/\s*\([^()]*\)\s*$/, "").trim();
  const status = /^[A-Z][A-Z_ -]{2,20}$/.test(word) ? readStatus(word) : undefined;
  return status && status !== "unknown"
    ? { title: title.slice(0, cut).trimEnd(), status }
    : { title, status: undefined };
}

export function readAssigned(text: string): string | null {
  const names = text.replace(/\s*\([^()]*\).*$/, "").split(/\s*(?:,|&|\band\b)\s*/);
  const real = names
    .map((name) => name.trim())
    .filter((name) => !/^(?:|unassigned|none|nobody|tbd|n\/a|[-–—])$/i.test(name));
  return real.length > 0 ? real.join(", ") : null;
}

/** `HIGH`, `High`, `P1-CRITICAL`, `HIGH - Blocks other development`; bare P1 to P5 as the later protocol ranks them. */
export function readPriority(text: string): TaskPriority | undefined {
  const found = /^\W*(?:P([1-5])\W*)?(critical|high|medium|low)?\b/i.exec(text);
  if (found?.[2]) return found[2].toLowerCase() as TaskPriority;
  const byRank: readonly TaskPriority[] = ["critical", "high", "medium", "low", "low"];
  return found?.[1] ? byRank[Number(found[1]) - 1] : undefined;
}

/** A range wider than this is a slip of the pen or a date; real ones seen span at most 85. Then only its start counts. */
const RANGE_TASKS_MAX = 100;

/** The ids named in a text, each once: `TASK_1, TASK_2`, `TASK_1-9`, `Macro creation (TASK_10)`, `Tasks 3, 4 (…)`. Prose
 *  without an id names none. */
export function taskIdsIn(text: string): string[] {
  const ids = new Set<string>();
  for (const found of text.matchAll(/\bTASKS?[_ -]?(\d+)(?:[-–](?:TASK[_ ])?(\d+))?((?:, ?\d+\b)*)/gi)) {
    const first = Number(found[1]);
    const last = Number(found[2] ?? found[1]);
    ids.add(`TASK_${found[1]}`);
    if (last - first < RANGE_TASKS_MAX) for (let n = first + 1; n <= last; n++) ids.add(`TASK_${n}`);
    for (const more of (found[3] ?? "").match(/\d+/g) ?? []) ids.add(`TASK_${more}`);
  }
  return [...ids];
}
