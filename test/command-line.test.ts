// The command line knows no room but the socket, so what it says of the commands and of the two processes is written down a
// second time. Here the two are held against each other.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { InvalidArgumentError } from "commander";
import { describe, expect, test } from "vitest";
import { runCli } from "../src/cli/cli.ts";
import { readerOf } from "../src/cli/values.ts";
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

  test("the numbers and times that a flag takes are those it takes", () => {
    const numbers = [0, 0.5, 1, 1.5, 2, 100, 1_000, 1_001, 3_600, 3_601, 5_000, 5_001, 31_536_000, 31_536_001, 1e9];
    for (const flag of flags.filter(({ kind }) => kind === "number" || kind === "duration")) {
      const { field, kind } = flag;
      const read = readerOf(flag, () => 0);
      for (const number of kind === "number" ? numbers : numbers.filter(Number.isInteger)) {
        const isTaken = fields[field]?.safeParse(number).success;
        const given = () => read?.(kind === "number" ? String(number) : `${number}s`);
        if (isTaken) expect([field, given()]).toEqual([field, number]);
        else expect(given, `${field} ${number}`).toThrow(InvalidArgumentError);
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

async function helpOf(words: readonly string[]): Promise<{ code: number; out: string }> {
  const stdout = new PassThrough();
  const io = { stdin: new PassThrough(), stdout, stderr: new PassThrough() } as unknown as Io;
  const code = await runCli([...words, "--help"], {}, io);
  return { code, out: String(stdout.read() ?? "") };
}

async function optionsInHelp(verb: string): Promise<string[]> {
  const { code, out } = await helpOf([verb]);
  expect(code).toBe(0);
  return [...out.matchAll(/^ +(--[a-z-]+) </gm)].map((found) => found[1] as string);
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

describe("what a text tells a person to run", () => {
  const dir = join(import.meta.dirname, "../src");
  const lines = readdirSync(dir, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts"))
    .flatMap((path) => readFileSync(join(dir, path), "utf8").split("\n"));

  test("exists, with its flags", async () => {
    // A backtick that is escaped, or behind an odd number of quotes, stands in a text; others open a template.
    const named = lines.flatMap((line) =>
      [...line.matchAll(/(\\?)`signalbox ([^`\\]*)/g)]
        .filter(({ 1: backslash, index }) => backslash !== "" || line.slice(0, index).split('"').length % 2 === 0)
        .map(({ 2: command = "" }) => command),
    );
    expect(named.length).toBeGreaterThan(15);
    for (const command of new Set(named)) {
      const verb = /^[a-z]+(?: [a-z]+)*/.exec(command)?.[0] ?? "";
      const { code, out } = await helpOf(verb.split(" "));
      expect([command, code, out]).toEqual([command, 0, expect.stringContaining(`Usage: signalbox ${verb}`)]);
      for (const [flag] of command.matchAll(/--[a-z-]+/g)) {
        expect([command, out]).toEqual([command, expect.stringContaining(flag)]);
      }
    }
  });

  test("stands in backticks, where the test above finds it", () => {
    expect(lines.filter((line) => /(?:(?:with|[Ss]ee): |\(|Run )signalbox [a-z]/.test(line))).toEqual([]);
  });
});
