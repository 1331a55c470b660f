// The command line knows no room but the socket, so what it says of the commands and of the two processes is written down a
// second time. Here the two are held against each other.

import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import { runCli } from "../src/cli/cli.ts";
import { VERBS } from "../src/cli/verbs.ts";
import type { Io } from "../src/cli/world.ts";
import { COMMAND_TABLE } from "../src/commands/table.ts";
import { readConfig } from "../src/daemon/config.ts";
import { readArguments } from "../src/local/mcp-arguments.ts";

test("every command of the table is a verb, and every verb a command", () => {
  expect(Object.keys(VERBS).sort()).toEqual(COMMAND_TABLE.map(({ name }) => name).sort());
});

describe.each(COMMAND_TABLE.map((command) => [command.name, command] as const))("%s", (name, command) => {
  const { words, flags } = VERBS[name] ?? { words: [], flags: [] };
  const fields = command.input.shape as Record<string, { safeParse(value: unknown): { success: boolean } }>;

  test("each field of its input is a word or a flag, once", () => {
    expect([...words, ...flags].map(({ field }) => field).sort()).toEqual(Object.keys(fields).sort());
  });

  test("the choices offered are those it takes", () => {
    for (const { flags: written, field, choices } of flags) {
      for (const choice of choices ?? []) {
        const value = written.includes("...") ? [choice] : choice;
        expect([choice, fields[field]?.safeParse(value).success]).toEqual([choice, true]);
      }
    }
  });

  test("a word or flag that may be left out is one it does without", () => {
    for (const { field, optional } of words) {
      expect([field, fields[field]?.safeParse(undefined).success]).toEqual([field, optional === true]);
    }
    for (const { field, required } of flags) {
      expect([field, fields[field]?.safeParse(undefined).success]).toEqual([field, required !== true]);
    }
  });
});

async function optionsInHelp(verb: string): Promise<string[]> {
  const stdout = new PassThrough();
  const io = { stdin: new PassThrough(), stdout, stderr: new PassThrough() } as unknown as Io;
  expect(await runCli([verb, "--help"], {}, io)).toBe(0);
  return [...String(stdout.read()).matchAll(/^ +(--[a-z-]+) </gm)].map((found) => found[1] as string);
}

/** A value each option takes. */
const VALUES: Record<string, string> = {
  "--security-level": "HIGH",
  "--role": "observer",
  "--transport": "http",
  "--port": "0",
};
const sample = (option: string) => VALUES[option] ?? (option.startsWith("--max") ? "3" : "NAME");

describe("the help of the processes", () => {
  test("names the options that mcp takes", async () => {
    const options = await optionsInHelp("mcp");
    expect(options.length).toBe(7);
    expect(readArguments(options.flatMap((option) => [option, sample(option)]))).toMatchObject({
      is: "run",
      role: "observer",
    });
  });

  test("names the options that serve takes", async () => {
    const options = await optionsInHelp("serve");
    expect(options.length).toBe(9);
    const config = readConfig(
      "serve",
      options.flatMap((option) => [option, sample(option)]),
      {},
      "linux",
    );
    expect(config).toMatchObject({ leastLevel: "HIGH", maxAgents: 3, http: { port: 0 } });
  });
});

test.each(["--max-agents 0", "--max-sessions 0", "--max-agents -1", "--security-level low"])(
  "%s is wrong usage of mcp and of serve alike",
  (line) => {
    expect(readArguments(line.split(" "))).toMatchObject({ is: "wrong" });
    expect(() => readConfig("serve", line.split(" "), {}, "linux")).toThrow(
      expect.objectContaining({ code: "invalid_input" }),
    );
  },
);
