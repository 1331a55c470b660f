// The product as its users run it: the built program, a real daemon in a state directory of its own, and a client on its local
// socket. Nothing of this machine's own configuration is read or written; everything started here is ended here.

import { cpSync, mkdtempSync, realpathSync, symlinkSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { socketPathFor } from "../src/kernel/paths.ts";
import { type Caller, connectLocal, createCaller } from "../src/local/client.ts";
import { startDaemon } from "../src/local/start-daemon.ts";

const PACKAGE = fileURLToPath(new URL("..", import.meta.url));
export const PROGRAM = join(PACKAGE, "bin/signalbox");

/** A program that starts keeps a core busy for some 50 ms; more at once only make each other late. */
const STARTED_AT_ONCE = 8;

/** What a command answered, of which only a few fields are read here. */
// biome-ignore lint/suspicious/noExplicitAny: figures are read from answers whose shapes the project's tests hold
export type Answer = Record<string, any>;

export interface Product {
  pid: number;
  stateDir: string;
  /** A directory that agents may work in. */
  root: string;
  env: Record<string, string>;
  call(command: string, input?: Record<string, unknown>): Promise<Answer>;
  /** Another connection, for work that must not queue behind this one. */
  connect(): Promise<Caller>;
  /** A session with that many ready agents. */
  agents(count: number, input?: Record<string, unknown>): Promise<{ sessionId: string; agentIds: string[] }>;
  /** Ends agents, hosts and daemon, and removes everything. */
  stop(): Promise<void>;
}

export function freshDir(): string {
  return realpathSync(mkdtempSync(join(tmpdir(), "sb-bench-")));
}

export function freshEnv(home: string, more: Record<string, string> = {}): Record<string, string> {
  const keyFile = join(home, "key");
  const path = process.env.PATH ?? "/usr/local/bin:/usr/bin:/bin";
  return { PATH: path, HOME: home, LANG: "C.UTF-8", SHELL: "/bin/sh", SIGNALBOX_KEY_FILE: keyFile, ...more };
}

/** A copy of the built program in which one process stands in for the terminal host and all agents in it. */
export async function programWithSimulatedAgents(): Promise<{ program: string; dir: string }> {
  const copy = freshDir();
  for (const part of ["bin", "dist", "package.json"])
    cpSync(join(PACKAGE, part), join(copy, part), { recursive: true });
  symlinkSync(join(PACKAGE, "node_modules"), join(copy, "node_modules"));
  const entry = join(PACKAGE, "bench/simulated-host.ts");
  const outfile = join(copy, "dist/pty-host.js");
  await build({ entryPoints: [entry], outfile, bundle: true, platform: "node", format: "esm", logLevel: "warning" });
  return { program: join(copy, "bin/signalbox"), dir: copy };
}

/** Starts a daemon of the built program. `nodeFlags` go to the daemon's node. */
export async function startProduct(
  options: { env?: Record<string, string>; program?: string; root?: string; nodeFlags?: string[] } = {},
): Promise<Product> {
  const { env = {}, program = PROGRAM, root = freshDir(), nodeFlags = [] } = options;
  const home = freshDir();
  const stateDir = join(home, "state");
  const fullEnv = freshEnv(home, { SIGNALBOX_SCRIPTED_HOME: join(home, "agents"), ...env });
  const launch = {
    command: [process.execPath, ...nodeFlags, program, "daemon"] as [string, ...string[]],
    stateDir,
    options: { max_agents: 256, max_sessions: 64 },
    env: fullEnv,
  };
  await startDaemon(launch);
  const connect = async () => connectLocal({ socketPath: socketPathFor(stateDir), purpose: "call", role: "owner" });
  const connection = await connect();
  const pid = Number(connection.welcome.pid);
  const caller = createCaller(connection);
  const call = (command: string, input: Record<string, unknown> = {}) => caller.call(command, input) as Promise<Answer>;
  return {
    pid,
    stateDir,
    root,
    env: fullEnv,
    call,
    connect: async () => createCaller(await connect()),
    async agents(count, input = {}) {
      const session = await call("create_session", { root_path: root, terminal: "pty", trust: true });
      const agentIds: string[] = [];
      const make = async () => {
        const id = session.session_id;
        const agent = await call("create_agent", {
          session_id: id,
          kind: "scripted",
          adder_plus: false,
          wait_s: 120,
          ...input,
        });
        if (agent.state !== "ready") throw new Error(`an agent is ${agent.state}: ${agent.state_reason}`);
        agentIds.push(agent.agent_id);
      };
      for (let made = 0; made < count; made += STARTED_AT_ONCE) {
        await Promise.all(Array.from({ length: Math.min(STARTED_AT_ONCE, count - made) }, make));
      }
      return { sessionId: session.session_id, agentIds };
    },
    async stop() {
      const { sessions } = await call("get_session_status");
      for (const session of sessions) await call("delete_session", { session_id: session.session_id, force: true });
      await call("stop_daemon");
      caller.close();
      while (isAlive(pid)) await sleep(20);
      await remove(home);
      await remove(root);
    },
  };
}

/** Agents may still be writing their last lines while their directory goes. */
export async function remove(dir: string): Promise<void> {
  await rm(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
