// The built product as a person has it: bin/signalbox, run in a home, a state directory and an environment of its own, with
// the stand-in for agents and official clients in front. What a test started is gone when the test is.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client as ModernClient } from "@modelcontextprotocol/client";
import { StdioClientTransport as ModernStdio } from "@modelcontextprotocol/client/stdio";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as OldStdio } from "@modelcontextprotocol/sdk/client/stdio.js";
import { CallToolResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { onTestFinished } from "vitest";
import { killIfAlive, type TableRow, withoutForks } from "./process-table.ts";
import { tempDir } from "./temp-dir.ts";

export const SIGNALBOX = resolve(import.meta.dirname, "../../bin/signalbox");

/** Bounds a wait for what never comes; nothing is measured with it. */
const WITHIN_MS = 30_000;
const LOOK_MS = 20;

export type Structured = Record<string, any>;

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** One running `signalbox …`. */
export interface Running {
  child: ChildProcess;
  said: { stdout: string; stderr: string };
  ended: Promise<Ended>;
}

/** An official client, connected through `signalbox mcp`. */
export interface McpClient {
  call(name: string, input?: Structured, onprogress?: (message: string) => void): Promise<Structured>;
  tools(): Promise<string[]>;
  close(): Promise<void>;
}

export type Sdk = "SDK 1" | "SDK 2, initialize" | "SDK 2, 2026-07-28";
export const SDKS: readonly Sdk[] = ["SDK 1", "SDK 2, initialize", "SDK 2, 2026-07-28"];

export interface Product {
  /** Holds everything else; every process of the product but the agents names it in its arguments. */
  dir: string;
  stateDir: string;
  /** The codebase. */
  root: string;
  env: Record<string, string>;
  start(words: readonly string[], env?: Record<string, string>): Running;
  /** Runs to its end. */
  cli(...words: string[]): Promise<Ended>;
  /** The answer of a command line that must succeed. */
  json(...words: string[]): Promise<Structured>;
  connect(sdk?: Sdk, words?: readonly string[]): Promise<McpClient>;
  /** A session on the codebase and one ready agent in it. */
  withAgent(client: McpClient): Promise<{ session: Structured; agent: Structured }>;
  /** What the agents saw, as they wrote it down themselves. */
  oracle(): Structured[];
  /** How often a prompt with these words reached an agent. */
  timesHeard(words: string): number;
  /** Process ids of daemons and terminal hosts of this product. */
  processes(kind: "daemon" | "host"): number[];
}

/** `script` is what the stand-in does; `path` the directories of PATH besides our node's own. */
export function installProduct(options: { script?: Structured; path?: string; home?: string } = {}): Product {
  const dir = tempDir();
  const [home, root, stateDir] = ["home", "code", "state"].map((name) => join(dir, name)) as [string, string, string];
  for (const path of [home, root]) mkdirSync(path);
  const oracleFile = join(dir, "oracle.jsonl");
  const script = join(dir, "script.json");
  writeFileSync(script, JSON.stringify(options.script ?? {}));
  const env = {
    PATH: [dirname(process.execPath), options.path ?? "/usr/bin:/bin"].join(delimiter),
    HOME: home,
    LANG: "C.UTF-8",
    SIGNALBOX_HOME: stateDir,
    SIGNALBOX_SCRIPT: script,
    SIGNALBOX_SCRIPTED_HOME: join(dir, "stand-in"),
    SIGNALBOX_SCRIPTED_LOG: oracleFile,
  };

  const start: Product["start"] = (words, more = {}) => run(words, { env: { ...env, ...more }, cwd: dir });
  const cli: Product["cli"] = (...words) => start(words).ended;
  const oracle = () =>
    existsSync(oracleFile)
      ? readFileSync(oracleFile, "utf8")
          .split("\n")
          .filter((line) => line !== "")
          .map((line) => JSON.parse(line))
      : [];
  const agentPids = () => [...new Set(oracle().map(({ pid }) => pid as number))].filter(isAlive);
  onTestFinished(() => endEverything(() => [...commandLinesNaming(dir).map(({ pid }) => pid), ...agentPids()]));
  return {
    dir,
    stateDir,
    root,
    env,
    start,
    cli,
    async json(...words) {
      const { code, stdout, stderr } = await cli(...words, "--json");
      if (code !== 0) throw new Error(`signalbox ${words.join(" ")} ended with ${code}: ${stderr}`);
      return JSON.parse(stdout);
    },
    connect: (sdk = "SDK 2, 2026-07-28", words = []) => connect(sdk, { words, env, cwd: dir }),
    async withAgent(client) {
      const session = await client.call("create_session", { root_path: root, trust: true });
      const agent = await client.call("create_agent", { session_id: session.session_id, kind: "scripted" });
      if (agent.state !== "ready") throw new Error(`the agent is ${JSON.stringify(agent)}`);
      return { session, agent };
    },
    oracle,
    timesHeard: (words) => oracle().filter(({ event, text }) => event === "prompt" && text.includes(words)).length,
    processes: (kind) =>
      commandLinesNaming(dir)
        .filter(({ commandLine }) => commandLine.includes(kind === "daemon" ? " daemon --state-dir" : "pty-host"))
        .map(({ pid }) => pid),
  };
}

function run(words: readonly string[], { env, cwd }: { env: Record<string, string>; cwd: string }): Running {
  const child = spawn(SIGNALBOX, [...words], { env, cwd, stdio: ["pipe", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const said = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => {
    said.stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    said.stderr += chunk;
  });
  child.stdin.on("error", () => {}); // a program that refuses at once reads nothing
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, ...said }));
  return { child, said, ended };
}

async function connect(
  sdk: Sdk,
  { words, env, cwd }: { words: readonly string[]; env: Record<string, string>; cwd: string },
): Promise<McpClient> {
  const stdio = { command: SIGNALBOX, args: ["mcp", ...words], env, cwd };
  if (sdk === "SDK 1") {
    const client = new OldClient({ name: "test", version: "1" });
    await closedInTheEnd(client, client.connect(new OldStdio(stdio)));
    return {
      call: async (name, input = {}, onprogress) =>
        structured(await client.callTool({ name, arguments: input }, CallToolResultSchema, listening(onprogress))),
      tools: async () => (await client.listTools()).tools.map((tool) => tool.name),
      close: () => client.close(),
    };
  }
  const mode = sdk === "SDK 2, initialize" ? ("legacy" as const) : { pin: "2026-07-28" };
  const client = new ModernClient({ name: "test", version: "1" }, { versionNegotiation: { mode } });
  await closedInTheEnd(client, client.connect(new ModernStdio(stdio)));
  return {
    call: async (name, input = {}, onprogress) =>
      structured(await client.callTool({ name, arguments: input }, listening(onprogress))),
    tools: async () => (await client.listTools()).tools.map((tool) => tool.name),
    close: () => client.close(),
  };
}

/** Also when the test ends while the client still connects: what it is starting must be there to be ended. */
function closedInTheEnd(client: { close(): Promise<void> }, connected: Promise<void>): Promise<void> {
  onTestFinished(async () => {
    await connected.catch(() => {});
    await client.close();
  });
  return connected;
}

function listening(onprogress: ((message: string) => void) | undefined) {
  if (onprogress === undefined) return {};
  return { onprogress: ({ message }: { message?: string | undefined }) => onprogress(message ?? "") };
}

/** The structured answer, of a refusal too; in both cases the text must say the same. */
function structured(result: Structured): Structured {
  const { content, structuredContent } = result;
  if (content[0].text !== JSON.stringify(structuredContent)) throw new Error("text and structured content differ");
  return structuredContent;
}

/** Resolves with the first answer that is neither null, undefined nor false. */
export async function until<T>(
  what: string,
  look: () => T | null | undefined | false | Promise<T | null | undefined | false>,
): Promise<T> {
  const end = performance.now() + WITHIN_MS;
  for (;;) {
    const seen = await look();
    if (seen !== null && seen !== undefined && seen !== false) return seen;
    if (performance.now() > end) throw new Error(`waited ${WITHIN_MS} ms in vain until ${what}`);
    await sleep(LOOK_MS);
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  // Where nobody collects the ended children of ended parents, as in many containers, they stay as zombies.
  return !/^Z/.test(ps("-o", "stat=", "-p", String(pid)).trim());
}

/** Every file below the directory with its mode; sockets and directories too. */
export function walk(dir: string): { path: string; mode: number; isFile: boolean }[] {
  const paths = [dir, ...readdirSync(dir, { recursive: true, encoding: "utf8" }).map((name) => join(dir, name))];
  return paths.map((path) => {
    const stats = statSync(path);
    return { path, mode: stats.mode & 0o777, isFile: stats.isFile() };
  });
}

/** Until nothing is found any more: a daemon that is being killed may just have started something. */
async function endEverything(pids: () => number[]): Promise<void> {
  await until("everything has ended", () => {
    const found = pids();
    for (const pid of found) killIfAlive(pid);
    return found.length === 0;
  });
}

function commandLinesNaming(dir: string): TableRow[] {
  const rows = ps("-axww", "-o", "pid=,ppid=,stat=,command=")
    .split("\n")
    .map((line) => /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line))
    .filter((found) => found !== null)
    .filter(([, , , state]) => !state?.startsWith("Z"))
    .map(([, pid, parent, , commandLine = ""]) => ({ pid: Number(pid), parent: Number(parent), commandLine }));
  return withoutForks(rows).filter(({ commandLine }) => commandLine.includes(dir));
}

function ps(...words: string[]): string {
  try {
    return execFileSync("ps", words, { encoding: "utf8" });
  } catch {
    return ""; // ps ends with 1 when it finds nothing
  }
}
