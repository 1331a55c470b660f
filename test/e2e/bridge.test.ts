// The bridge as MCP clients meet it: a process with stdin and stdout, and a daemon behind it that it starts when none runs.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Client as ModernClient } from "@modelcontextprotocol/client";
import { StdioClientTransport as ModernStdio } from "@modelcontextprotocol/client/stdio";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as OldStdio } from "@modelcontextprotocol/sdk/client/stdio.js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const BRIDGE = resolve(import.meta.dirname, "../support/bridge-process.ts");
const DAEMON = resolve(import.meta.dirname, "../support/fake-daemon.ts");

let home: string;
let stateDir: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "sbx-bridge-"));
  stateDir = join(home, ".local", "state", "signalbox");
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  for (const { pid } of daemons()) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended already.
    }
  }
  rmSync(home, { recursive: true, force: true });
});

/** Every fake daemon that ever took the lock of this test's state directory. */
function daemons(): { pid: number; argv: string[]; cwd: string }[] {
  const file = join(stateDir, "started");
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

function environment(extra: Record<string, string> = {}): Record<string, string> {
  return { HOME: home, PATH: process.env.PATH ?? "", ...extra };
}

function start(argv: string[] = [], extra: Record<string, string> = {}) {
  const child = spawn(process.execPath, [BRIDGE, DAEMON, ...argv], { env: environment(extra), cwd: home });
  children.push(child);
  const said = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => {
    said.stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    said.stderr += chunk;
  });
  const ended = once(child, "close").then(([code]) => ({ code: code as number, ...said }));
  return { child, ended, said };
}

const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "0" } };
const initialize = `${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params })}\n`;
const readLamp = `${JSON.stringify({ jsonrpc: "2.0", id: 2, method: "tools/call", params: { name: "read_thing", arguments: { name: "lamp" } } })}\n`;

async function firstAnswer(child: ChildProcess): Promise<void> {
  await once(child.stdout as NonNullable<ChildProcess["stdout"]>, "data");
}

describe("official clients reach the daemon through the bridge", () => {
  const stdio = () => ({
    command: process.execPath,
    args: [BRIDGE, DAEMON],
    env: environment(),
    stderr: "inherit" as const,
  });

  it("with SDK 1", async () => {
    const client = new OldClient({ name: "t", version: "0" });
    await client.connect(new OldStdio(stdio()));
    await client.listTools();
    const result = await client.callTool({ name: "read_thing", arguments: { name: "lamp" } });
    expect(result.structuredContent).toEqual({ name: "lamp", length: 4 });
    await client.close();
    expect(daemons()).toHaveLength(1);
  });

  it.each([["legacy" as const], ["auto" as const]])("with SDK 2, %s", async (mode) => {
    const client = new ModernClient({ name: "t", version: "0" }, { versionNegotiation: { mode } });
    await client.connect(new ModernStdio(stdio()));
    await client.listTools();
    const result = await client.callTool({ name: "read_thing", arguments: { name: "lamp" } });
    expect(result.structuredContent).toEqual({ name: "lamp", length: 4 });
    await client.close();
    expect(daemons()).toHaveLength(1);
  });
});

describe("the bridge", () => {
  it("starts a daemon with its options, away from where it stands itself", async () => {
    const { child } = start(["--max-agents", "4", "--agent-env=MY_KEY", "--security-level=LOW"]);
    child.stdin?.write(initialize);
    await firstAnswer(child);
    expect(daemons()[0]).toMatchObject({
      cwd: "/",
      argv: [
        "--state-dir",
        stateDir,
        "--security-level",
        "LOW",
        "--max-agents",
        "4",
        "--agent-env",
        "MY_KEY",
        "--ready-fd",
        "3",
      ],
    });
  });

  it("leaves the daemon running, and the next one finds it", async () => {
    for (let round = 0; round < 2; round++) {
      const { child, ended } = start();
      child.stdin?.end(initialize + readLamp);
      expect(await ended).toMatchObject({ code: 0, stderr: "", stdout: expect.stringContaining('"length":4') });
    }
    expect(daemons()).toHaveLength(1);
  });

  it("answers everything asked before its input ended, and writes nothing but MCP", async () => {
    const { child, ended } = start();
    child.stdin?.end(initialize + readLamp);
    const { stdout } = await ended;
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).id),
    ).toEqual([1, 2]);
  });

  it.each([
    ["at once", "0"],
    ["slowly", "400"],
  ])(
    "ends with one daemon when many start in the same moment and it listens %s",
    { timeout: 30_000 },
    async (_how, delay) => {
      const bridges = Array.from({ length: 5 }, () => start([], { FAKE_LOCK_DELAY_MS: delay }));
      for (const { child } of bridges) child.stdin?.end(initialize + readLamp);
      for (const { ended } of bridges) {
        expect(await ended).toMatchObject({ code: 0, stdout: expect.stringContaining('"length":4') });
      }
      expect(daemons()).toHaveLength(1);
    },
  );

  it("says in one sentence why a daemon does not start", async () => {
    expect(await start([], { FAKE_FAIL: "1" }).ended).toEqual({
      code: 1,
      stdout: "",
      stderr: "signalbox mcp: The disk is full. Free some.\n",
    });
    const { code, stderr } = await start([], { FAKE_CRASH: "1" }).ended;
    expect({ code, lines: stderr.trim().split("\n").length }).toEqual({ code: 1, lines: 1 });
    expect(stderr).toContain("signalbox serve --state-dir");
  });

  it("says that the running daemon has other options", async () => {
    const first = start(["--max-agents", "4"]);
    first.child.stdin?.write(initialize);
    await firstAnswer(first.child);
    expect(await start(["--max-agents", "5"]).ended).toMatchObject({
      code: 1,
      stdout: "",
      stderr: "signalbox mcp: The daemon runs with another --max-agents. Leave the option out.\n",
    });
    const same = start(["--max-agents", "4"]);
    same.child.stdin?.end(initialize);
    expect((await same.ended).code).toBe(0);
  });

  it("refuses wrong usage without touching anything", async () => {
    const { code, stderr } = await start(["--colour", "red"]).ended;
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: "signalbox mcp: There is no option --colour. See `signalbox mcp --help`.\n",
    });
    expect(existsSync(stateDir)).toBe(false);
  });

  it("ends with 1 and a sentence when the daemon is killed, and the next one starts another", async () => {
    const { child, ended } = start();
    child.stdin?.write(initialize);
    await firstAnswer(child);
    process.kill(daemons()[0]?.pid as number, "SIGKILL");
    const { code, stderr } = await ended;
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("The daemon went away.") });
    rmSync(join(stateDir, "lock")); // a real lock dies with its holder
    const next = start();
    next.child.stdin?.end(initialize);
    expect((await next.ended).code).toBe(0);
    expect(daemons()).toHaveLength(2);
  });

  it("carries twelve megabytes both ways and lives on after junk", async () => {
    const { child, ended } = start();
    const long = JSON.parse(readLamp);
    long.id = 3;
    long.params.arguments.name = "x".repeat(12 * 1024 * 1024);
    child.stdin?.end(`${initialize}junk\n\u0000\n${JSON.stringify(long)}\n${readLamp}`);
    const { code, stdout } = await ended;
    const answers = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(code).toBe(0);
    expect(answers.map(({ id }) => id).sort()).toEqual([1, 2, 3, null, null]);
    expect(answers.find(({ id }) => id === 3)).toMatchObject({ result: { isError: true } });
  });
});
