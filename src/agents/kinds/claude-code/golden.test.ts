// What each recorded screen of the real program means. The screens are recorded by test/support/record-claude-screens.ts;
// a new version is taken up by recording it and reading this table against what it shows.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Screen } from "../../../terminals/terminal.ts";
import type { DialogSeen } from "../../kind.ts";
import { readScreen } from "./screen.ts";

interface DialogMeant {
  dialog: DialogSeen["kind"];
  tool?: string;
  /** Stands in the summary. */
  about: string;
  /** Each label begins so. */
  options: readonly string[];
  selected: number;
}
type Meaning = "empty" | "nothing" | { draft: string | RegExp } | DialogMeant;

const BASH: Omit<DialogMeant, "selected"> = {
  dialog: "permission",
  tool: "Bash",
  about: "touch here.txt",
  options: ["Yes", "Yes, and always allow access to", "No"],
};
const BASH_WITH_AUTO = { ...BASH, options: ["Yes", "Yes, and always", "Yes, and switch to auto mode", "No"] };

/** A list where the versions differ: the older one first. */
const MEANINGS: Record<string, Meaning | readonly [older: Meaning, newer: Meaning]> = {
  "idle-fresh": "empty",
  "idle-named": "empty",
  "idle-after-turn": "empty",
  "idle-after-menu-like-reply": "empty",
  "plan-idle": "empty",
  "auto-idle": "empty",
  "bypass-idle": "empty",
  "help-open": "empty",
  "stashed-draft": "empty",
  busy: "empty",
  "busy-queued": "empty",
  interrupted: "empty",
  "api-retry": "empty",
  "api-failed": "empty",
  "interrupted-before-first-byte": { draft: "think of nothing" },
  "draft-one-line": { draft: "half a thought" },
  "draft-three-lines": { draft: "first line\nsecond line\nthird line" },
  "draft-wrapped": { draft: /^a long sentence that goes on [\s\S]*and ends here$/ },
  "draft-blank": { draft: "" },
  "draft-pasted-big": { draft: "[Pasted text #1 +59 lines]" },
  "draft-slash-menu": { draft: "/" },
  "draft-shell-mode": { draft: "!ls" },
  "invisible-characters": { draft: /^plain .?turned.? and .?more.?$/ },
  "usage-panel": "nothing",
  "permission-bash": [
    { ...BASH, selected: 0 },
    { ...BASH_WITH_AUTO, selected: 0 },
  ],
  "permission-second-option": [
    { ...BASH, selected: 1 },
    { ...BASH_WITH_AUTO, selected: 1 },
  ],
  "permission-bash-long": [
    { ...BASH, about: "step 11", options: ["Yes", "Yes, and don't ask again", "No"], selected: 0 },
    { ...BASH_WITH_AUTO, about: "step 11", options: ["Yes", "Yes, and don't", "Yes, and switch", "No"], selected: 0 },
  ],
  "permission-write": { ...BASH, tool: "Write", about: "x.txt", options: ["Yes", "Yes, ", "No"], selected: 0 },
  "plan-exit": { dialog: "permission", about: "Exit plan mode?", options: ["Yes", "No"], selected: 0 },
  question: {
    dialog: "question",
    tool: "AskUserQuestion",
    about: "Which colour?",
    options: ["Red", "Blue", "Type something.", "Chat about this"],
    selected: 0,
  },
  trust: [
    { dialog: "trust", about: "/project", options: ["Yes, I trust this folder", "No, exit"], selected: 0 },
    { dialog: "trust", about: "/project", options: ["No, exit", "Yes, I trust this folder"], selected: 0 },
  ],
  "api-key": { dialog: "startup", about: "custom API key", options: ["Yes", "No (recommended)"], selected: 1 },
  "bypass-warning": { dialog: "startup", about: "WARNING", options: ["No, exit", "Yes, I accept"], selected: 0 },
  "settings-warning": {
    dialog: "startup",
    about: "Settings Warning",
    options: ["Continue", "Fix with Claude", "Exit and fix manually"],
    selected: 0,
  },
  "model-menu": [
    {
      dialog: "other",
      about: "Select model",
      options: ["Default (recommended)", "Opus", "Sonnet", "Sonnet 5", "Haiku"],
      selected: 0,
    },
    {
      dialog: "other",
      about: "Select model",
      options: ["Default (recommended)", "Opus", "Fable", "Sonnet", "Haiku"],
      selected: 0,
    },
  ],
  "rewind-menu": { dialog: "other", about: "Rewind", options: ["(current)"], selected: 0 },
};

const GOLDEN = join(import.meta.dirname, "golden");
const VERSIONS = ["2.1.197", "2.1.330"];

describe.each(VERSIONS)("the screen of Claude Code %s", (version) => {
  const dir = join(GOLDEN, version);
  const screenOf = (name: string) => JSON.parse(readFileSync(join(dir, `${name}.json`), "utf8")) as Screen;

  it("is recorded in every situation", () => {
    expect(readdirSync(dir).sort()).toEqual(
      Object.keys(MEANINGS)
        .map((name) => `${name}.json`)
        .sort(),
    );
  });

  it.each(Object.entries(MEANINGS))("%s", (name, meanings) => {
    const meaning: Meaning = Array.isArray(meanings) ? meanings[VERSIONS.indexOf(version)] : meanings;
    const reading = readScreen(screenOf(name));
    if (meaning === "empty") {
      const isStashed = name === "stashed-draft";
      return expect(reading).toEqual({ promptBox: "empty", draft: "", isStashed, dialog: null });
    }
    if (meaning === "nothing")
      return expect(reading).toEqual({ promptBox: "absent", draft: "", isStashed: false, dialog: null });
    if ("draft" in meaning) {
      expect(reading).toMatchObject({ promptBox: "draft", dialog: null });
      return expect(reading.draft).toEqual(
        meaning.draft instanceof RegExp ? expect.stringMatching(meaning.draft) : meaning.draft,
      );
    }
    expect(reading).toMatchObject({ promptBox: "absent", draft: "", dialog: { kind: meaning.dialog } });
    expect(reading.dialog?.tool).toBe(meaning.tool ?? null);
    expect(reading.dialog?.summary).toContain(meaning.about);
    expect(reading.dialog?.options).toEqual(meaning.options.map((label) => expect.stringMatching(startingWith(label))));
    expect(reading.dialog?.selected).toBe(meaning.selected);
  });
});

describe("a screen nobody recorded", () => {
  const idle = JSON.parse(readFileSync(join(GOLDEN, "2.1.330", "idle-fresh.json"), "utf8")) as Screen;
  const blank = idle.lines.map(() => "");

  it.each([
    ["nothing at all", { lines: blank, brightLines: blank }],
    ["a prompt box without the focus", { cursor: { row: 3, col: 0, visible: true } }],
    ["a prompt sign without rules", { lines: idle.lines.map((line) => (line.startsWith("─") ? "" : line)) }],
  ])("is no prompt box and no dialog: %s", (_what, change) => {
    expect(readScreen({ ...idle, ...change })).toEqual({
      promptBox: "absent",
      draft: "",
      isStashed: false,
      dialog: null,
    });
  });

  it("holds a prompt that was called back from the history: a draft under a rule that says so", () => {
    const [top] = idle.lines.flatMap((line, row) => (line.startsWith("─") ? [row] : [])).slice(-2);
    const rule = `─── History 1/12 ${"─".repeat(idle.size.cols - 17)}`;
    const replaced = (lines: string[], at: number, by: string) => lines.map((line, row) => (row === at ? by : line));
    const box = (top ?? 0) + 1;
    const recalled = {
      ...idle,
      lines: replaced(replaced(idle.lines, top ?? 0, rule), box, "❯ an old prompt"),
      brightLines: replaced(replaced(idle.brightLines, top ?? 0, rule), box, "❯ an old prompt"),
      cursor: { row: box, col: 15, visible: true },
    };
    expect(readScreen(recalled)).toMatchObject({ promptBox: "draft", draft: "an old prompt" });
  });

  it("holds a ghost suggestion: the box is empty until something bright stands in it", () => {
    const row = idle.cursor.row;
    const withText = (lines: string[], text: string) => lines.map((line, i) => (i === row ? `❯ ${text}` : line));
    const ghost = { ...idle, lines: withText(idle.lines, "commit this"), brightLines: withText(idle.brightLines, "c") };
    expect(readScreen(ghost).promptBox).toBe("empty");
    const typed = { ...idle, lines: withText(idle.lines, "c"), brightLines: withText(idle.brightLines, "c") };
    expect(readScreen(typed)).toMatchObject({ promptBox: "draft", draft: "c" });
  });
});

function startingWith(label: string): RegExp {
  return new RegExp(`^${label.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}`);
}
