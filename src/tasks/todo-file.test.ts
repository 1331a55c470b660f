import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { countTasks, currentTaskOf, readTodo, type TodoTask } from "./todo-file.ts";

const MASTER = `# TODO Master Tracker - Ledger Service

**Last Updated**: 2026-11-22 by Agent_1 (TASK_3 started)
**Status**: 25% complete

## Task Overview
- **Total Tasks**: 4
- **Quality**: 1/1 ✅ **COMPLETED** (TASK_99 COMPLETED ✅ - someone's praise)

## Current Assignments
- **Agent_1**: TASK_3 (csv_importer) - IN_PROGRESS
- **Agent_2**: TASK_2 (schema) - COMPLETED ✅ (**MASTERY**: TASK_50-60 methodology)
- **Current Phase**: everything - COMPLETED

## Priority Queue

### HIGH PRIORITY
| Task | Status | Assigned | Dependencies | Est. Duration |
|------|--------|:--------:|--------------|---------------|
| **TASK_2** | **✅ COMPLETED** | **Agent_2** | **None (foundation)** | **2 hours** ✅ |
| TASK_3 | IN_PROGRESS ⚡ | Agent_1 | TASK_2 | 3 hours |

### MEDIUM PRIORITY
| Task | Status | Assigned | Dependencies | Est. Duration |
|------|--------|----------|--------------|---------------|
| TASK_4 | NOT_STARTED | Unassigned | TASK_2, TASK_3 | 2 hours |
| TASK_5 | BLOCKED | Agent_1 | TASK_2-4 (all of them) | 2 hours |

## Task Descriptions
### TASK_3: CSV importer - Bank exports
**Focus**: Parse bank exports safely
**Status**: NOT_STARTED

\`\`\`markdown
### TASK_77: an example
- **Status**: IN_PROGRESS
\`\`\`

<thinking>
### TASK_78: a thought
- **Status**: IN_PROGRESS
</thinking>
`;

function only(text: string): TodoTask {
  const { tasks } = readTodo(text);
  expect(tasks).toHaveLength(1);
  return tasks[0] as TodoTask;
}

describe("the master tracker", () => {
  const { tasks } = readTodo(MASTER);

  test("names each task once, in order of first appearance, and none from praise, fences or thoughts", () => {
    expect(tasks.map((task) => task.id)).toEqual(["TASK_3", "TASK_2", "TASK_4", "TASK_5"]);
  });

  test("the table is believed over the description, and the description has the title", () => {
    expect(tasks[0]).toEqual({
      id: "TASK_3",
      title: "CSV importer - Bank exports",
      status: "in_progress",
      assigned: "Agent_1",
      priority: "high",
      dependencies: ["TASK_2"],
      line: MASTER.split("\n").findIndex((line) => line.startsWith("| TASK_3")) + 1,
    });
  });

  test("bold cells, ticks, notes in parentheses, ranges and Unassigned read as what they mean", () => {
    expect(tasks[1]).toMatchObject({ title: "schema", status: "completed", assigned: "Agent_2", dependencies: [] });
    expect(tasks[2]).toMatchObject({ status: "not_started", assigned: null, priority: "medium" });
    expect(tasks[3]).toMatchObject({ status: "blocked", dependencies: ["TASK_2", "TASK_3", "TASK_4"] });
  });

  test("is counted, and knows what each agent is at", () => {
    expect(countTasks(tasks)).toEqual({ total: 4, done: 1, in_progress: 1, blocked: 1 });
    expect(currentTaskOf(tasks, "agent_1")?.id).toBe("TASK_3");
    expect(currentTaskOf(tasks, "Agent_2")).toBeNull();
    expect(currentTaskOf(tasks, "Agent_")).toBeNull();
  });
});

describe("every way a status is written", () => {
  test.each([
    ["COMPLETE", "completed"],
    ["COMPLETED  ", "completed"],
    ["COMPLETED ✅", "completed"],
    ["✅ COMPLETED - works", "completed"],
    ["✅ **COMPLETED**", "completed"],
    ["COMPLETE ✅ **WITH LONG PRAISE**", "completed"],
    ["COMPLETED (see notes)", "completed"],
    ["**✅ MAJOR SUCCESS**", "completed"],
    ["✅", "completed"],
    ["100% complete", "completed"],
    ["70% complete", "in_progress"],
    ["IN_PROGRESS ⚡", "in_progress"],
    ["In Progress", "in_progress"],
    ["CLAIMED_BY_AGENT_2", "in_progress"],
    ["NOT_STARTED", "not_started"],
    ["PENDING", "not_started"],
    ["READY FOR IMPLEMENTATION ✅", "not_started"],
    ["SKIPPED (on request)", "skipped"],
    ["BLOCKED", "blocked"],
    ["REVIEW_READY", "review"],
    ["INCOMPLETE", "unknown"],
    ["MAJOR BREAKTHROUGH ⚡", "unknown"],
  ])("%s", (written, status) => {
    expect(only(`# TASK_1: T\n**Status**: ${written}\n`).status).toBe(status);
    expect(only(`| Task | Status |\n|---|---|\n| TASK_1 | ${written} |\n`).status).toBe(status);
  });

  test("an unreadable status gives way to a readable one, wherever it stands", () => {
    const text =
      "## Assignments\n- **Agent_1**: TASK_7 (x) - HUGE LEAP\n## List\n### TASK_7: X\n- **Status**: BLOCKED\n";
    expect(only(text)).toMatchObject({ status: "blocked", assigned: "Agent_1", title: "X" });
  });
});

describe("projects without a table", () => {
  test("a checklist: the word in brackets says more than the box, the legend is no task", () => {
    const text = [
      "**Status**: COMPLETE",
      "- [x] **TASK_1** - Domain types [COMPLETE] ✅",
      "- [ ] **TASK_2** - Contracts [IN_PROGRESS]",
      "- [ ] TASK_3: Notes [draft]",
      "- [x] TASK_4",
      "- [x] read the rules",
      "## Task Status Legend",
      "- **NOT_STARTED**: Ready to begin",
      "## Current Assignments",
      "- **TASK_2**: Agent_1, Agent_3 - IN_PROGRESS (Contracts and more)",
      "- **Agent_1**: Platform (TASK_8-9) - COMPLETED ✅",
      "- **Agent_1**: TASK_2 (again) - COMPLETED",
    ].join("\r\n");
    const { tasks } = readTodo(text);
    expect(tasks.map((t) => [t.id, t.title, t.status, t.assigned])).toEqual([
      ["TASK_1", "Domain types", "completed", null],
      ["TASK_2", "Contracts", "in_progress", "Agent_1, Agent_3"],
      ["TASK_3", "Notes [draft]", "not_started", null],
      ["TASK_4", "TASK_4", "completed", null],
      ["TASK_8", "TASK_8", "completed", "Agent_1"],
      ["TASK_9", "TASK_9", "completed", "Agent_1"],
    ]);
    expect(currentTaskOf(tasks, "Agent_3")?.id).toBe("TASK_2");
  });

  test("headings with fields, and boxes below them that are subtasks only", () => {
    const text = [
      "### TASK_1: Fix the server",
      "- **Status**: COMPLETE",
      "- **Assigned**: Agent_1",
      "- **Priority**: HIGH",
      "**Subtasks**:",
      "- [ ] TASK_9 is mentioned here",
      "---",
      "### TASK_2: Write the guide",
      "- **Status**: NOT_STARTED",
      "- **Assigned To**: Unassigned",
      "- **Priority**: P2-MEDIUM",
      "## Summary",
      "**Status**: IN_PROGRESS",
    ].join("\n");
    expect(readTodo(text).tasks.map((t) => [t.id, t.status, t.assigned, t.priority])).toEqual([
      ["TASK_1", "completed", "Agent_1", "high"],
      ["TASK_2", "not_started", null, "medium"],
    ]);
  });

  test("numbered chapters are tasks when a field says so, colon inside the bold or not", () => {
    const text = [
      "## 1. Introduction",
      "Some words.",
      "## ✅ 2. Fix configuration - COMPLETED",
      "- **Dependencies:** None",
      "## 3. Write - really write - tests",
      "- **Dependencies:** Tasks 1, 2 (Browser), Task 7",
      "- **Priority:** MEDIUM - quality",
    ].join("\n");
    expect(readTodo(text).tasks).toMatchObject([
      { id: "TASK_2", title: "Fix configuration", status: "completed", line: 3 },
      { id: "TASK_3", title: "Write - really write - tests", dependencies: ["TASK_1", "TASK_2", "TASK_7"] },
    ]);
  });
});

describe("a task file", () => {
  test("the header may be one line of pipes", () => {
    const text = [
      "# TASK_5: Integration - Importer drops rows",
      "",
      "**Created By**: Agent_1 (Dynamic Detection) | **Priority**: HIGH | **Duration**: 2 hours",
      "## 🚦 Status & Assignment",
      "**Status**: IN_PROGRESS",
      "**Assigned**: Agent_2",
      "**Dependencies**: TASK_3",
      "**Blocking**: TASK_4",
      "## ✅ Resolution Subtasks",
      "### 1. Analysis",
      "- **Status**: validated",
      "- [ ] **Root cause analysis**: trace the splitter",
    ].join("\n");
    expect(only(text)).toEqual({
      id: "TASK_5",
      title: "Integration - Importer drops rows",
      status: "in_progress",
      assigned: "Agent_2",
      priority: "high",
      dependencies: ["TASK_3"],
      line: 1,
    });
  });

  test("or a chapter of its own; COMPLETE with open boxes is completed", () => {
    const text = [
      "# TASK_12: Plugins",
      "## 📋 Task Overview",
      "**Priority**: High  ",
      "## 🚦 Status Tracking",
      "**Current Status**: COMPLETE  ",
      "**Assigned To**: Agent_3  ",
      "**Dependencies**: All TASK_1-3 complete  ",
      "- [ ] still open",
    ].join("\n");
    expect(only(text)).toMatchObject({
      status: "completed",
      assigned: "Agent_3",
      priority: "high",
      dependencies: ["TASK_1", "TASK_2", "TASK_3"],
    });
  });
});

describe("JSON task lists", () => {
  test("an object with tasks, or the bare array", () => {
    const list = [
      { id: 1, title: "One", status: "in_progress", priority: "high", dependencies: [], assigned_agent: "Agent_1" },
      { id: "task_b", description: "Two", status: "pending", dependencies: [1, "task_a"] },
      "noise",
      { title: "no id" },
    ];
    for (const text of [JSON.stringify({ project: "p", tasks: list }, null, 2), JSON.stringify(list)]) {
      expect(readTodo(text).tasks).toMatchObject([
        { id: "TASK_1", title: "One", status: "in_progress", assigned: "Agent_1", priority: "high" },
        { id: "task_b", title: "Two", status: "not_started", dependencies: ["TASK_1", "task_a"] },
      ]);
    }
  });
});

describe("hostile and careless text", () => {
  test("a range that cannot be meant names its start only", () => {
    expect(only("# TASK_1: T\n**Dependencies**: TASK_2-999999999, TASK_9-3\n").dependencies).toEqual([
      "TASK_2",
      "TASK_9",
    ]);
  });

  test("a tag that is only talked about hides nothing, and an open fence hides the rest", () => {
    expect(readTodo("<thinking> is a tag\n# TASK_1: T\n```\n# TASK_2: T\n").tasks.map((t) => t.id)).toEqual(["TASK_1"]);
  });

  test("a shorter fence inside a longer one does not close it", () => {
    expect(readTodo("````\n```\n# TASK_2: T\n```\n````\n# TASK_1: T\n").tasks.map((t) => t.id)).toEqual(["TASK_1"]);
  });

  test("any text is read without throwing, and every task has a line of it", () => {
    const scraps = fc.constantFrom(
      "# TASK_1: T",
      "| Task | Status |",
      "|---|---|",
      "| TASK_2 | DONE |",
      "- [x] TASK_3",
      "**Status**: X",
      "```",
      "~~~~",
      "<thinking>",
      "</thinking>",
      "<!--",
      "-->",
      "## Current Assignments",
      "- **A**: TASK_1-9 - DONE",
      "## 4. C",
      "| | |",
      "**Dependencies**: Tasks 1, 2,",
      "\\|",
      "{",
      "[1]",
      "\uFEFF",
      "\u0000",
      "## HIGH PRIORITY",
    );
    const text = fc.array(fc.oneof(scraps, fc.string())).map((lines) => lines.join("\n"));
    fc.assert(
      fc.property(text, (todo) => {
        const lines = todo.split("\n").length;
        for (const task of readTodo(todo).tasks) {
          expect(task.line).toBeGreaterThanOrEqual(1);
          expect(task.line).toBeLessThanOrEqual(lines);
        }
      }),
    );
  });
});

describe("five thousand tasks", () => {
  afterEach(() => vi.restoreAllMocks());

  const rowsOf = (n: number) =>
    Array.from(
      { length: n },
      (_, i) => `| **TASK_${i + 1}** | COMPLETED ✅ | Agent_${i % 9} | TASK_${i}-${i + 3} | 2 |`,
    );
  const tableOf = (n: number) =>
    ["| Task | Status | Assigned | Dependencies | Est |", "|-|-|-|-|-|", ...rowsOf(n)].join("\n");
  const headingsOf = (n: number) =>
    Array.from(
      { length: n },
      (_, i) => `### TASK_${i + 1}: Title\n- **Status**: DONE\n\`\`\`\ncode\n\`\`\`\n<thinking>\n`,
    ).join("");

  /** Characters that regular expressions were asked to look at: the reader's own steps, without a clock. */
  function charactersLookedAt(text: string): number {
    let characters = 0;
    const exec = RegExp.prototype.exec;
    vi.spyOn(RegExp.prototype, "exec").mockImplementation(function (this: RegExp, input: string) {
      characters += String(input).length - this.lastIndex;
      return exec.call(this, input);
    });
    expect(readTodo(text).tasks.length).toBeGreaterThan(0);
    vi.restoreAllMocks();
    return characters;
  }

  test.each([
    ["a table", tableOf],
    ["headings", headingsOf],
  ])("are read in steps that grow as the text does: %s", (_, make) => {
    const [half, whole] = [make(2500), make(5000)];
    const growth = charactersLookedAt(whole) / charactersLookedAt(half);
    expect(growth).toBeLessThan((whole.length / half.length) * 1.05);
    expect(readTodo(whole).tasks).toHaveLength(5000);
  });
});
