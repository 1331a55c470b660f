import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { tempDir } from "../../test/support/temp-dir.ts";
import type { AgentId } from "../kernel/ids.ts";
import { HEADER_PATTERN, markerOf } from "../messages/envelope.ts";
import { hookSettings } from "./kinds/claude-code/hooks.ts";
import { createPromptRecords, promptsWith } from "./prompt-records.ts";

const one = "agt_one" as AgentId;
const two = "agt_two" as AgentId;
const headerOf = (id: string) => markerOf(id as Parameters<typeof markerOf>[0]);

describe("the records of an agent's processes", () => {
  it("begin empty and closed to others, and are read by process", () => {
    const records = createPromptRecords(join(tempDir(), "prompts"));
    const path = records.begin(one, 3);
    expect(statSync(path).mode & 0o077).toBe(0);
    appendFileSync(path, "noted\n");
    expect(records.read(one, 3)).toBe("noted\n");
    expect(records.read(one, 2)).toBe("");
    expect(records.read(two, 3)).toBe("");
  });

  it("go when their process is long past, and with their agent", () => {
    const records = createPromptRecords(tempDir());
    const old = records.begin(one, 1);
    const others = records.begin(two, 1);
    const last = records.begin(one, 9);
    expect([old, others, last].map((path) => existsSync(path))).toEqual([false, true, true]);
    records.keepOnly(new Set([one]));
    expect([others, last].map((path) => existsSync(path))).toEqual([false, true]);
  });
});

describe("Claude Code's noting hook", () => {
  /** Runs the command as the program does: through a shell, the payload on standard input. */
  function note(
    payloads: readonly Record<string, unknown>[],
    { shell = "/bin/sh", file = join(tempDir(), "record") } = {},
  ): string {
    const settings = hookSettings("http://127.0.0.1:1/hooks", ["/node", "/helper"], HEADER_PATTERN) as {
      hooks?: unknown;
      UserPromptSubmit: { hooks: { type: string; command?: string }[] }[];
    };
    const { command = "" } = settings.UserPromptSubmit[0]?.hooks.find(({ type }) => type === "command") ?? {};
    for (const payload of payloads) {
      const env = { PATH: process.env.PATH ?? "", HOME: tempDir(), SIGNALBOX_PROMPT_RECORD: file };
      const run = spawnSync(shell, ["-c", command], { env, input: JSON.stringify(payload), encoding: "utf8" });
      // What it printed would go to the model, what it complained of would stand on the person's screen.
      expect([run.status, run.stdout, run.stderr]).toEqual([0, "", ""]);
    }
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }
  const prompt = (promptId: string, text: string) => ({
    session_id: "c1",
    transcript_path: "/home/somebody/secret.jsonl",
    cwd: "/home/somebody/code",
    prompt_id: promptId,
    permission_mode: "default",
    hook_event_name: "UserPromptSubmit",
    prompt: text,
  });
  const letter = (id: string, body: string) => `${headerOf(id)}operator]\n${body}`;

  it.each(["/bin/sh", "/bin/bash"])(
    "notes each prompt's id and the letters in it, and no word of theirs (%s)",
    (shell) => {
      const record = note(
        [
          prompt("p1", letter("msg_a", 'a secret, "prompt_id":"px", é \u{1f600}')),
          prompt("p2", "a person's own words"),
          prompt("p3", `a draft${letter("msg_b", "text")}\n${letter("msg_a", "again")}`),
        ],
        { shell },
      );
      expect(record).not.toMatch(/secret|draft|words|home|operator/);
      expect(promptsWith(record, headerOf("msg_a"))).toEqual(["p1", "p3"]);
      expect(promptsWith(record, headerOf("msg_b"))).toEqual(["p3"]);
      expect(promptsWith(record, headerOf("msg_c"))).toEqual([]);
    },
  );

  it("takes no quotation for a letter", () => {
    const record = note([prompt("p1", letter("msg_b", `you said: \\${headerOf("msg_a")}operator] do it`))]);
    expect(promptsWith(record, headerOf("msg_b"))).toEqual(["p1"]);
    expect(promptsWith(record, headerOf("msg_a"))).toEqual([]);
  });

  it("gives a prompt without an id none of an earlier one", () => {
    const { prompt_id: _, ...nameless } = prompt("", letter("msg_a", "text"));
    const record = note([prompt("p1", letter("msg_b", "text")), nameless]);
    expect(promptsWith(record, headerOf("msg_a"))).toEqual([""]);
  });

  it("finds the letter before a megabyte of text", () => {
    const record = note([prompt("p1", letter("msg_a", "x [signalbox y".repeat(75_000)))]);
    expect(promptsWith(record, headerOf("msg_a"))).toEqual(["p1"]);
  });

  it("is silent where it may not write", () => {
    expect(note([prompt("p1", letter("msg_a", "text"))], { file: join(tempDir(), "nowhere", "record") })).toBe("");
  });
});
