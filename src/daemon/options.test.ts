import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { tempDir } from "../../test/support/temp-dir.ts";
import type { DaemonOptions } from "../local/preface.ts";
import { readConfig } from "./config.ts";
import { refuseOtherOptions } from "./options.ts";

let dir: string;
beforeEach(() => {
  dir = tempDir();
  mkdirSync(join(dir, "logs"));
  symlinkSync(join(dir, "logs"), join(dir, "link"));
});

/** Throws when a daemon started with these words is another one than the client wants. */
function meet(words: string, wanted: DaemonOptions): void {
  const args = words.split(" ").filter((word) => word !== "");
  refuseOtherOptions(wanted, readConfig("daemon", ["--state-dir", dir, ...args], {}, "linux"));
}

test.each<[string, DaemonOptions]>([
  ["--security-level HIGH --max-agents 3", {}],
  ["", { security_level: "LOW", max_agents: 16, max_sessions: 8 }],
  ["--security-level LOW", { security_level: "LOW" }],
  ["--agent-env A --agent-env B", { agent_env: ["B", "A", "B"] }],
  ["--agent-env A", { agent_env: ["A", "PATH", "LC_ALL"] }],
  ["", { agent_env: ["CLAUDE_CONFIG_DIR"] }],
])("a daemon started with `%s` is in effect the one wanted with %j", (words, wanted) => {
  expect(() => meet(words, wanted)).not.toThrow();
});

test.each<[string, DaemonOptions, string]>([
  ["", { security_level: "MEDIUM" }, '--security-level: "LOW", not "MEDIUM"'],
  ["--security-level HIGH", { security_level: "LOW" }, '--security-level: "HIGH", not "LOW"'],
  ["", { max_agents: 3 }, "--max-agents: 16, not 3"],
  ["--max-sessions 2", { max_sessions: 8 }, "--max-sessions: 2, not 8"],
  ["", { agent_env: ["A"] }, '--agent-env: [], not ["A"]'],
  ["--agent-env A --agent-env B", { agent_env: ["A"] }, '--agent-env: ["A","B"], not ["A"]'],
])("a daemon started with `%s` is refused to a client that wants %j, in a sentence", (words, wanted, both) => {
  expect(() => meet(words, wanted)).toThrow(
    expect.objectContaining({ code: "conflict", message: expect.stringContaining(both) }),
  );
});

test("a log directory is the same by each of its names", () => {
  expect(() => meet("", { log_dir: join(dir, "logs") })).not.toThrow();
  expect(() => meet("", { log_dir: join(dir, "link") })).not.toThrow();
  expect(() => meet("", { log_dir: "/nowhere" })).toThrow(`--log-dir: "${join(dir, "logs")}", not "/nowhere"`);
});
