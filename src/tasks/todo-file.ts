// Reads the ADDER+ protocol's files as people and agents really write them: TODO.md with tables, checklists, headings or
// assignment lines, one task file, or the JSON some projects keep instead. Pure text in, facts out; it never writes, knows
// no paths, and judges nothing: a task marked COMPLETE with open boxes is completed, because its status says so.

import {
  plain,
  readAssigned,
  readPriority,
  readStatus,
  splitStatus,
  type TaskPriority,
  type TaskStatus,
  taskIdsIn,
} from "./todo-words.ts";

export interface TodoTask {
  /** `TASK_<n>` with the digits as written; in JSON files the file's own id. */
  id: string;
  /** The id again where the file gives no title. */
  title: string;
  status: TaskStatus;
  /** One name, or several joined by ", " as the file has them; null when nobody is named. */
  assigned: string | null;
  priority: TaskPriority | null;
  dependencies: string[];
  /** Counted from 1: the line of the place that was believed most; 1 for every task of a JSON file. */
  line: number;
}

export interface TaskCounts {
  /** Skipped tasks are left out, so that done === total means that nothing is left to do. */
  total: number;
  done: number;
  in_progress: number;
  blocked: number;
}

/** Every task the text names, in order of first appearance. Never throws; text that is no task list has none. Time and
 *  result grow in proportion to the text. */
export function readTodo(text: string): { tasks: TodoTask[] } {
  const bare = text.startsWith("\uFEFF") ? text.slice(1) : text;
  return { tasks: readJson(bare) ?? readMarkdown(bare) };
}

export function countTasks(tasks: readonly TodoTask[]): TaskCounts {
  const count = (status: TaskStatus) => tasks.filter((task) => task.status === status).length;
  return {
    total: tasks.length - count("skipped"),
    done: count("completed"),
    in_progress: count("in_progress"),
    blocked: count("blocked"),
  };
}

/** The first task in progress under that agent's name (upper and lower case alike), or null. */
export function currentTaskOf(tasks: readonly TodoTask[], agentName: string): TodoTask | null {
  const wanted = agentName.toLowerCase();
  const isMine = (assigned: string) => assigned.toLowerCase().split(", ").includes(wanted);
  return tasks.find((task) => task.status === "in_progress" && task.assigned !== null && isMine(task.assigned)) ?? null;
}

/** How far each kind of place is believed where two disagree: agents keep the table and the assignment lines up to date
 *  and forget the status below a description. At equal strength the first place wins. */
const BELIEF = { checklist: 1, heading: 2, assignment: 3, table: 4 } as const;
type Place = keyof typeof BELIEF;

/** Titles are best where they were written once and for people. */
const TITLE_BELIEF: Record<Place, number> = { assignment: 1, checklist: 2, table: 3, heading: 4 };

/** A status we cannot read gives way to any that we can. */
const UNKNOWN_BELIEF = 0.5;

interface Claim {
  title?: string | undefined;
  status?: TaskStatus | undefined;
  assigned?: string | null | undefined;
  priority?: TaskPriority | undefined;
  dependencies?: string[] | undefined;
}

/** What the reader knows while it walks down the lines. */
interface Walk {
  drafts: Map<string, Draft>;
  /** The heading of a task we are below, its level, and whether the task is certain (see `beginHeading`). */
  under: { id: string; level: number; line: number; isCertain: boolean; title: string } | null;
  sectionPriority: TaskPriority | undefined;
  isInAssignments: boolean;
  columns: Columns | null;
}

function readMarkdown(text: string): TodoTask[] {
  const walk: Walk = {
    drafts: new Map(),
    under: null,
    sectionPriority: undefined,
    isInAssignments: false,
    columns: null,
  };
  const lines = text.replaceAll("\r\n", "\n").split("\n");
  const isHidden = hiddenLines(lines);
  for (const [index, line] of lines.entries()) {
    if (isHidden(index)) continue;
    const at = index + 1;
    const heading = /^ {0,3}(#{1,6})[ \t]+(.*)$/.exec(line);
    const isTableRow = /^\s*\|/.test(line);
    if (!isTableRow) walk.columns = null;
    if (heading) beginHeading(walk, heading[1]?.length ?? 1, plain(heading[2] ?? ""), at);
    else if (isTableRow) readTableRow(walk, cellsOf(line), at);
    else if (walk.under) readFields(walk, walk.under, line);
    else if (walk.isInAssignments) readAssignment(walk, line, at);
    else readChecklist(walk, line, at);
  }
  return [...walk.drafts.values()].map((draft) => draft.task());
}

/** Code fences, HTML comments and <thinking> blocks show examples, not tasks. A fence left open hides the rest, as every
 *  Markdown renderer has it; the other two only hide when they are closed, for a tag may merely be talked about. */
function hiddenLines(lines: readonly string[]): (index: number) => boolean {
  const hidden = new Uint8Array(lines.length);
  const lastLineWith = (mark: string) => lines.findLastIndex((line) => line.toLowerCase().includes(mark));
  const blocks = [
    { opens: "<thinking>", closes: "</thinking>", lastClose: lastLineWith("</thinking>") },
    { opens: "<!--", closes: "-->", lastClose: lastLineWith("-->") },
  ];
  let fence: string | null = null;
  let closes: string | null = null;
  for (const [index, line] of lines.entries()) {
    const trimmed = line.trim().toLowerCase();
    const fenceMark: string | undefined = closes ? undefined : /^(?:`{3,}|~{3,})/.exec(trimmed)?.[0];
    const isOpening = (b: (typeof blocks)[number]) => trimmed.startsWith(b.opens) && b.lastClose >= index;
    const block: (typeof blocks)[number] | undefined = fence || closes ? undefined : blocks.find(isOpening);
    hidden[index] = fence || closes || fenceMark || block ? 1 : 0;
    if (fence) {
      if (fenceMark?.startsWith(fence) && trimmed === fenceMark) fence = null;
    } else if (fenceMark) fence = fenceMark;
    else if (closes) closes = trimmed.includes(closes) ? null : closes;
    else if (block && !trimmed.includes(block.closes)) closes = block.closes;
  }
  return (index) => hidden[index] === 1;
}

/** `### TASK_1: Title`, or `## ✅ 1. Title - COMPLETED`. A bare number may be any chapter, so it only becomes a task when
 *  a status or a field of a task follows; below a TASK heading it is one of that task's own chapters. */
function beginHeading(walk: Walk, level: number, heading: string, line: number): void {
  if (walk.under && level > walk.under.level && !/^TASK[_ -]?\d/i.test(heading)) return;
  walk.under = null;
  walk.sectionPriority = readPriority(/\b(?:critical|high|medium|low) priority\b/i.exec(heading)?.[0] ?? "");
  walk.isInAssignments = /\bassignments?\b/i.test(heading);
  const named = /^TASK[_ -]?(\d+)\b(.*)$/i.exec(heading);
  const numbered = named ? null : /^(\d{1,6})\.\s+(.*)$/.exec(heading);
  const found = named ?? numbered;
  if (!found) return;
  const { title, status } = splitStatus(found[2] ?? "");
  const under = { id: `TASK_${found[1]}`, level, line, isCertain: named !== null || status !== undefined, title };
  walk.under = under;
  if (under.isCertain) draftOf(walk, under.id).claim("heading", line, { title: title || undefined });
  // The status beside a title is the lesser word: a Status field below it is what gets edited.
  if (status) draftOf(walk, under.id).claim("checklist", line, { status });
}

/** `**Priority**: HIGH | **Assigned**: Agent_1`, `- **Status:** ✅ COMPLETED - note`, `Status: DONE`. */
function readFields(walk: Walk, under: NonNullable<Walk["under"]>, line: string): void {
  for (const piece of line.split(" | ")) {
    const field =
      /^\s*(?:[-*+]\s+)?\*\*([^*:]{1,40}):?\*\*\s*:?(.*)$/.exec(piece) ??
      /^\s*(?:[-*+]\s+)?([A-Za-z][A-Za-z ]{1,20}):(.*)$/.exec(piece);
    const claim = field ? claimOfField((field[1] ?? "").trim().toLowerCase(), field[2] ?? "") : null;
    if (!claim) continue;
    if (!under.isCertain) {
      under.isCertain = true;
      draftOf(walk, under.id).claim("heading", under.line, { title: under.title || undefined });
    }
    draftOf(walk, under.id).claim("heading", under.line, claim);
  }
}

function claimOfField(name: string, value: string): Claim | null {
  switch (name) {
    case "status":
    case "current status":
      return { status: readStatus(value) };
    case "assigned":
    case "assigned to":
    case "assignee":
    case "owner":
      return { assigned: readAssigned(plain(value)) };
    case "priority":
      return { priority: readPriority(plain(value)) };
    case "dependencies":
    case "depends on":
      return { dependencies: taskIdsIn(value) };
    default:
      return null;
  }
}

type Columns = Partial<Record<"id" | "title" | "status" | "assigned" | "priority" | "dependencies", number>>;

const COLUMN_NAMES: Record<string, keyof Columns> = {
  task: "id",
  "task id": "id",
  id: "id",
  "#": "id",
  title: "title",
  name: "title",
  description: "title",
  status: "status",
  assigned: "assigned",
  "assigned to": "assigned",
  assignee: "assigned",
  agent: "assigned",
  owner: "assigned",
  priority: "priority",
  dependencies: "dependencies",
  "depends on": "dependencies",
};

function readTableRow(walk: Walk, cells: readonly string[], line: number): void {
  if (!walk.columns) {
    walk.columns = {};
    for (const [index, cell] of cells.entries()) {
      const column = COLUMN_NAMES[plain(cell).toLowerCase()];
      if (column && walk.columns[column] === undefined) walk.columns[column] = index;
    }
    return;
  }
  const columns = walk.columns;
  const cell = (column: keyof Columns) => {
    const raw = columns[column] === undefined ? undefined : cells[columns[column]];
    return raw === undefined ? undefined : plain(raw);
  };
  const status = columns.status === undefined ? undefined : cells[columns.status];
  const named = /^TASK[_ -]?(\d+)\b(.*)$/i.exec(cell("id") ?? "");
  if (!named || status === undefined) return;
  const assigned = cell("assigned");
  const priority = cell("priority");
  const dependencies = cell("dependencies");
  draftOf(walk, `TASK_${named[1]}`).claim("table", line, {
    title: cell("title") || splitStatus(named[2] ?? "").title || undefined,
    status: readStatus(status),
    assigned: assigned === undefined ? undefined : readAssigned(assigned),
    priority: (priority ? readPriority(priority) : undefined) ?? walk.sectionPriority,
    dependencies: dependencies === undefined ? undefined : taskIdsIn(dependencies),
  });
}

/** The cells of `| a | **b** |` as written; `\|` is a bar inside a cell. */
function cellsOf(row: string): string[] {
  const trimmed = row.trim().replace(/^\|/, "");
  const cells = trimmed.split(/(?<!\\)\|/);
  if (cells.at(-1)?.trim() === "") cells.pop();
  return cells.map((cell) => cell.replaceAll("\\|", "|"));
}

/** `- **Agent_1**: TASK_3 (csv_importer) - IN_PROGRESS (note)` or `- **TASK_6**: Agent_1 - COMPLETE (note)`. Only ids in
 *  front of the status count: the notes behind it mention other tasks freely. */
function readAssignment(walk: Walk, line: string, at: number): void {
  const entry = /^\s*[-*+]\s+\*\*([^*:]{1,60}):?\*\*\s*:?(.*)$/.exec(line);
  if (!entry) return;
  const subject = plain(entry[1] ?? "");
  const rest = entry[2] ?? "";
  const dash = rest.indexOf(" - ");
  const before = plain(dash < 0 ? rest : rest.slice(0, dash));
  const status = dash < 0 ? undefined : readStatus(rest.slice(dash + 3));
  const subjectIds = /^TASK[_ -]?\d/i.test(subject) ? taskIdsIn(subject) : [];
  const ids = subjectIds.length > 0 ? subjectIds : taskIdsIn(before);
  const title = subjectIds.length > 0 ? undefined : /\(([^()]*)\)/.exec(before)?.[1];
  for (const id of ids) {
    draftOf(walk, id).claim("assignment", at, {
      title: title && taskIdsIn(title).length === 0 && ids.length === 1 ? title : undefined,
      status,
      assigned: readAssigned(subjectIds.length > 0 ? before : subject),
    });
  }
}

/** `- [x] **TASK_1** - Title [COMPLETE] ✅`. The word in brackets says more than the box. */
function readChecklist(walk: Walk, line: string, at: number): void {
  const item = /^\s*[-*+]\s+\[([ xX])\]\s+(.*)$/.exec(line);
  const named = item ? /^TASK[_ -]?(\d+)\b(.*)$/i.exec(plain(item[2] ?? "")) : null;
  if (!item || !named) return;
  const { title, status } = splitStatus(named[2] ?? "");
  draftOf(walk, `TASK_${named[1]}`).claim("checklist", at, {
    title: title || undefined,
    status: status ?? (item[1] === " " ? "not_started" : "completed"),
    priority: walk.sectionPriority,
  });
}

/** One task while its places are still being gathered. */
class Draft {
  readonly #id: string;
  readonly #claim: Required<Claim> = {
    title: undefined,
    status: undefined,
    assigned: undefined,
    priority: undefined,
    dependencies: undefined,
  };
  readonly #belief = new Map<string, number>();
  #line = 1;

  constructor(id: string) {
    this.#id = id;
  }

  /** Takes over what the place says, where nothing at least as strong has spoken. */
  claim(place: Place, line: number, claim: Claim): void {
    if (this.#isStronger("line", BELIEF[place])) this.#line = line;
    for (const field of Object.keys(claim) as (keyof Claim)[]) {
      if (claim[field] === undefined) continue;
      const isUnknown = claim[field] === "unknown";
      const belief = field === "title" ? TITLE_BELIEF[place] : isUnknown ? UNKNOWN_BELIEF : BELIEF[place];
      if (this.#isStronger(field, belief)) Object.assign(this.#claim, { [field]: claim[field] });
    }
  }

  #isStronger(field: string, belief: number): boolean {
    if (belief <= (this.#belief.get(field) ?? 0)) return false;
    this.#belief.set(field, belief);
    return true;
  }

  task(): TodoTask {
    return {
      id: this.#id,
      title: this.#claim.title ?? this.#id,
      status: this.#claim.status ?? "not_started",
      assigned: this.#claim.assigned ?? null,
      priority: this.#claim.priority ?? null,
      dependencies: this.#claim.dependencies ?? [],
      line: this.#line,
    };
  }
}

function draftOf(walk: Walk, id: string): Draft {
  const known = walk.drafts.get(id);
  if (known) return known;
  const draft = new Draft(id);
  walk.drafts.set(id, draft);
  return draft;
}

/** TODO.json and TASKS.json: an array of tasks, or an object with one under `tasks`. Null when the text is no such file. */
function readJson(text: string): TodoTask[] | null {
  if (!/^\s*[[{]/.test(text)) return null;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return null;
  }
  const list = Array.isArray(parsed) ? parsed : (parsed as { tasks?: unknown }).tasks;
  if (!Array.isArray(list)) return [];
  return list.filter((item) => typeof item === "object" && item !== null).flatMap(readJsonTask);
}

function readJsonTask(item: Record<string, unknown>): TodoTask[] {
  const word = (...names: string[]) => {
    const value = names.map((name) => item[name]).find((v) => typeof v === "string" || typeof v === "number");
    return value === undefined ? undefined : String(value);
  };
  const id = typeof item.id === "number" ? `TASK_${item.id}` : word("id", "task_id");
  if (id === undefined) return [];
  const dependencies = Array.isArray(item.dependencies) ? item.dependencies : [];
  return [
    {
      id,
      title: word("title", "name", "content", "task", "description") ?? id,
      status: readStatus(word("status") ?? "") ?? "not_started",
      assigned: readAssigned(word("assigned", "assigned_to", "assigned_agent", "assignee", "claimed_by") ?? ""),
      priority: readPriority(word("priority") ?? "") ?? null,
      dependencies: dependencies.map((d) => (typeof d === "number" ? `TASK_${d}` : String(d))),
      line: 1,
    },
  ];
}
