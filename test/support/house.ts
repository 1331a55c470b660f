// A whole house in the test's own process: real storage, real terminals, the real HTTP edge for hooks, the scripted agent.
// What a daemon adds (lock, sockets, command line) is left out; test/e2e covers it.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Principal } from "../../src/access/principal.ts";
import { createExecutables } from "../../src/agents/executables.ts";
import { scripted } from "../../src/agents/kinds/scripted/index.ts";
import { type Outside, realOutside } from "../../src/agents/outside.ts";
import type { Limits } from "../../src/commands/house.ts";
import { takeHook } from "../../src/commands/signals.ts";
import { type Composed, compose } from "../../src/daemon/compose.ts";
import { agentEnvironment } from "../../src/daemon/config.ts";
import { programPath } from "../../src/daemon/programs.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import { createIds } from "../../src/kernel/ids.ts";
import { type Log, silentLog } from "../../src/kernel/log.ts";
import { openDatabase } from "../../src/storage/database.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { migrations } from "../../src/storage/migrations/index.ts";
import { createPtyBackend } from "../../src/terminals/pty/backend.ts";
import type { BackendName, TerminalBackend } from "../../src/terminals/terminal.ts";
import { listenHttp } from "../../src/web/http-server.ts";
import { tempDir } from "./temp-dir.ts";

export const OPERATOR: Principal = { role: "operator", sessionId: null, agentId: null, actor: "local" };
export const OWNER: Principal = { ...OPERATOR, role: "owner" };
export const OBSERVER: Principal = { ...OPERATOR, role: "observer" };

export interface TestHouse extends Composed {
  dir: string;
  /** A directory agents may work in. */
  root: string;
  /** Where hooks go. */
  url: string;
  call(name: string, input?: Record<string, unknown>, principal?: Principal): Promise<Record<string, any>>;
  /** What the scripted agents saw: one entry per line of their log. */
  oracle(): Record<string, any>[];
  /** Lets go of everything, as a daemon that ends; agents keep running. */
  leave(): Promise<void>;
}

/** `after`: the next daemon on the same state, when that one has left. */
export async function startHouse(
  options: {
    script?: Record<string, unknown>;
    maxAgents?: number;
    maxSessions?: number;
    leastLevel?: Limits["leastLevel"];
    log?: Log;
    after?: TestHouse;
    /** What is different about the world. */
    outside?: (real: Outside) => Outside;
  } = {},
): Promise<TestHouse> {
  const dir = options.after?.dir ?? tempDir();
  const root = options.after?.root ?? tempDir();
  const db = openDatabase({ file: join(dir, "test.db"), key: Buffer.alloc(32, 7) });
  migrate(db, migrations);
  const clock = systemClock;
  const log = options.log ?? silentLog;
  const backend = createPtyBackend({
    runDir: join(dir, "run"),
    hostScript: programPath("pty-host"),
    node: process.execPath,
    clock,
    log,
    hostIdleMs: 500,
  });
  const oracleFile = join(dir, "oracle.jsonl");
  const env = {
    PATH: process.env.PATH ?? "",
    HOME: dir,
    LANG: "C.UTF-8",
    SIGNALBOX_SCRIPTED_HOME: join(dir, "scripted"),
    SIGNALBOX_SCRIPTED_LOG: oracleFile,
    ...(options.script === undefined ? {} : { SIGNALBOX_SCRIPT: writeScript(dir, options.script) }),
  };
  let url = "";
  const composed = compose({
    clock,
    ids: createIds(clock),
    log,
    db,
    backends: new Map<BackendName, TerminalBackend>([["pty", backend]]),
    kinds: new Map([["scripted", scripted]]),
    limits: {
      maxAgents: options.maxAgents ?? 16,
      maxSessions: options.maxSessions ?? 8,
      leastLevel: options.leastLevel ?? "LOW",
    },
    version: "0.0.0-test",
    pid: process.pid,
    outside: (options.outside ?? ((real) => real))(
      realOutside(
        createExecutables({ env, node: process.execPath, ownProgram: () => programPath("scripted-agent") }),
        env,
        join(dir, "prompts"),
      ),
    ),
    worktreesDir: join(dir, "worktrees"),
    agentEnv: agentEnvironment(env, []),
    hookHelper: [process.execPath, programPath("hook-helper")],
    hooksUrl: () => `${url}/hooks`,
    mcpUrl: () => `${url}/mcp`,
    notice: () => null,
  });
  const http = await listenHttp({
    host: "127.0.0.1",
    port: options.after === undefined ? 0 : Number(new URL(options.after.url).port),
    log,
    hooks: async ({ secret, payload, signal }) => {
      const taken = await takeHook(composed.house, { secret, payload, gone: signal });
      return taken.is === "unknown_secret" ? taken : { is: "answered", body: taken.body };
    },
    mcp: async () => new Response(null, { status: 404 }),
  });
  url = http.url;
  let hasLeft = false;
  const leave = async () => {
    hasLeft = true;
    composed.detach();
    backend.disconnect();
    await http.close();
    db.close();
  };
  onTestFinished(async () => {
    if (hasLeft) return;
    const sessions = composed.house.registry.sessions();
    composed.detach();
    for (const session of sessions) await backend.closeHost(session.session_id);
    await leave();
  });
  const context = () => ({ signal: new AbortController().signal, progress() {} });
  return {
    ...composed,
    dir,
    root,
    url,
    leave,
    call: (name, input = {}, principal = OPERATOR) => composed.commands.execute(principal, name, input, context()),
    oracle: () =>
      readFileSync(oracleFile, { encoding: "utf8", flag: "a+" })
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line)),
  };
}

/** A session on the house's root with one ready scripted agent. */
export async function withAgent(house: TestHouse, input: Record<string, unknown> = {}) {
  const session = await house.call("create_session", { root_path: house.root, terminal: "pty" });
  const agent = await house.call("create_agent", { session_id: session.session_id, kind: "scripted", ...input });
  return { session, agent };
}

function writeScript(dir: string, script: Record<string, unknown>): string {
  const path = join(dir, "script.json");
  writeFileSync(path, JSON.stringify(script));
  return path;
}
