// bin/signalbox in an installation of its own, where dist/ is a stand-in that tells how it was called.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { tempDir } from "../support/temp-dir.ts";

const bin = fileURLToPath(new URL("../../bin", import.meta.url));

const BRIDGE = `exports.runBridge = (args) => {
  const loaded = Object.keys(require.cache).map((path) => path.split("/").slice(-2).join("/"));
  console.log(JSON.stringify({ bridge: args, loaded }));
};`;
const DAEMON = `exports.main = async (verb, args) => {
  console.log(JSON.stringify({ daemon: [verb, ...args] }));
  return 5;
};`;
const MAIN = `
  const verb = process.argv[2];
  if (verb === "exit") process.exitCode = Number(process.argv[3]);
  if (verb === "stay") setInterval(() => {}, 60_000);
  if (verb === "stay" && process.argv[3] === "politely") process.on("SIGTERM", () => process.exit(7));
  const stdin = verb === "read" ? await text() : null;
  console.log(JSON.stringify({ main: process.argv.slice(2), version: process.versions.node, stdin }));
  async function text() {
    let all = "";
    for await (const chunk of process.stdin) all += chunk;
    return all;
  }`;

interface Installation {
  door: string;
  /** Run before the door, this makes node say that it is an old one. */
  pretendOld: string;
}

function install({ isBuilt = true, hasNode = true } = {}): Installation {
  const dir = tempDir();
  cpSync(bin, join(dir, "bin"), { recursive: true });
  writeFileSync(join(dir, "package.json"), '{ "type": "module" }');
  if (isBuilt) {
    mkdirSync(join(dir, "dist"));
    writeFileSync(join(dir, "dist", "bridge.cjs"), BRIDGE);
    writeFileSync(join(dir, "dist", "daemon.cjs"), DAEMON);
    writeFileSync(join(dir, "dist", "main.js"), MAIN);
  }
  if (hasNode) {
    mkdirSync(join(dir, "node_modules", "node", "bin"), { recursive: true });
    symlinkSync(process.execPath, join(dir, "node_modules", "node", "bin", "node"));
  }
  const pretendOld = join(dir, "old.cjs");
  const versions = 'Object.assign({}, process.versions, { node: "18.20.0" })';
  writeFileSync(pretendOld, `Object.defineProperty(process, "versions", { value: ${versions} });`);
  return { door: join(dir, "bin", "signalbox"), pretendOld };
}

function start(args: string[]): { child: ChildProcess; output: () => string; ended: Promise<unknown[]> } {
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (output += chunk));
  return { child, output: () => output, ended: once(child, "close") };
}

async function run(args: string[], input = "") {
  const { child, output, ended } = start(args);
  child.stdin?.end(input);
  const [code, signal] = await ended;
  return { code, signal, output: output() };
}

const said = (output: string) => JSON.parse(output.split("\n")[0] ?? "");

describe("on a supported Node", () => {
  it("loads the bridge and nothing else for `mcp`", async () => {
    const { door } = install();
    const { output } = await run([door, "mcp", "--role", "owner"]);
    expect(said(output)).toEqual({ bridge: ["--role", "owner"], loaded: ["bin/signalbox", "dist/bridge.cjs"] });
  });

  it.each(["serve", "daemon"])("starts the daemon from its own file for `%s` and ends as it ended", async (verb) => {
    const { code, output } = await run([install().door, verb, "--state-dir", "/x"]);
    expect({ code, said: said(output) }).toEqual({ code: 5, said: { daemon: [verb, "--state-dir", "/x"] } });
  });

  it.each([
    [["mcp", "--help"]],
    [["mcp", "--role", "owner", "--version"]],
    [["serve", "-h"]],
    [["serve", "--version"]],
    [["status", "--json"]],
    [[]],
  ])("leaves %j to main", async (args) => {
    expect(said((await run([install().door, ...args])).output).main).toEqual(args);
  });

  it("works through symbolic links", async () => {
    const { door } = install();
    const link = join(tempDir(), "signalbox");
    symlinkSync(door, link);
    expect(said((await run([link, "status"])).output).main).toEqual(["status"]);
    expect(said((await run([link, "mcp"])).output).bridge).toEqual([]);
  });

  it.each([[["mcp"]], [["serve"]], [["status"]]])("says in one sentence that it is not built, for %j", async (args) => {
    const { code, output } = await run([install({ isBuilt: false }).door, ...args]);
    expect(code).toBe(1);
    expect(output).toMatch(/^signalbox: it is not built yet\. Run `npm ci` .*\n$/);
  });
});

describe("on an older Node", () => {
  it("says in one sentence what it needs when it has no Node of its own", async () => {
    const { door, pretendOld } = install({ hasNode: false });
    const { code, output } = await run(["--require", pretendOld, door, "mcp"]);
    expect({ code, output }).toEqual({
      code: 1,
      output: "signalbox: it needs Node.js 22.19 or newer, and this is 18.20.0.\n",
    });
  });

  it("runs again with its own Node, with the same arguments and standard streams", async () => {
    const { door, pretendOld } = install();
    const { output } = await run(["--require", pretendOld, door, "read", "a b", ""], "typed");
    expect(said(output)).toEqual({ main: ["read", "a b", ""], version: process.versions.node, stdin: "typed" });
  });

  it("hands on the exit code", async () => {
    const { door, pretendOld } = install();
    expect(await run(["--require", pretendOld, door, "exit", "3"])).toMatchObject({ code: 3, signal: null });
  });

  it.each([
    ["politely", { code: 7, signal: null }],
    ["at once", { code: null, signal: "SIGTERM" }],
  ])("hands on a signal to a program that ends %s", async (manner, end) => {
    const { door, pretendOld } = install();
    const { child, ended } = start(["--require", pretendOld, door, "stay", manner]);
    await once(child.stdout as NodeJS.ReadableStream, "data");
    child.kill("SIGTERM");
    const [code, signal] = await ended;
    expect({ code, signal }).toEqual(end);
  });
});
