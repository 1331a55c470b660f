// The whole product with the real agent program in it: the built signalbox, an official client in front, the real Claude Code
// CLI inside and the scripted model behind it. No test framework is imported, because the soak runs on it too. For Linux,
// as its process table is.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type IPty, spawn as spawnPty } from "@lydell/node-pty";
import { Client as ModernClient } from "@modelcontextprotocol/client";
import { StdioClientTransport as ModernStdio } from "@modelcontextprotocol/client/stdio";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as OldStdio } from "@modelcontextprotocol/sdk/client/stdio.js";
import { CallToolResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { isAlive, killIfAlive, processTable } from "./process-table.ts";
import { CLAUDE_VERSION, ensureRealClaude, freshClaudeHome } from "./real-claude.ts";
import { type ModelRequest, type ScriptedModel, startScriptedModel } from "./scripted-model/index.ts";

const SIGNALBOX = resolve(import.meta.dirname, "../../bin/signalbox");

/** Bounds waits for what never comes. The real program starts in under a second; a starved machine takes many. */
const WITHIN_MS = 30_000;
const LOOK_MS = 25;
/** Longer than any wait_s used here. */
const CALL_MS = 200_000;

/** Answers are JSON; tests read them as their clients do. */
export type Answer = Record<string, any>;

/** A failed call, in the words of the contract's error shape. */
export class CallFailed extends Error {
  readonly code: string;
  readonly nextStep: string;
  constructor(error: Answer) {
    super(`${error.code}: ${error.message}`);
    this.code = error.code;
    this.nextStep = error.next_step;
  }
}

export type Sdk = "SDK 1" | "SDK 2";

/** An official client, connected through `signalbox mcp`. */
export interface McpClient {
  /** Rejects with CallFailed when the answer is an error, with the client's own error when the connection broke. */
  call(name: string, input?: Answer): Promise<Answer>;
  tools(): Promise<string[]>;
  close(): Promise<void>;
}

export interface Process {
  pid: number;
  what: "daemon" | "host" | "agent" | "bridge" | "other";
  commandLine: string;
}

/** A person in front of an agent's terminal. */
export interface Person {
  type(keys: string): void;
  leave(): Promise<void>;
}

export interface RealProduct {
  readonly model: ScriptedModel;
  /** The codebase: an empty git repository. */
  readonly root: string;
  readonly home: string;
  readonly stateDir: string;
  readonly env: Readonly<Record<string, string>>;
  connect(sdk?: Sdk): Promise<McpClient>;
  /** On a standing client of SDK 2; a new one is connected when the daemon behind the last went away. */
  call(name: string, input?: Answer): Promise<Answer>;
  /** A trusted session with agents, all ready. */
  withAgents(count?: number, more?: Answer): Promise<{ session: Answer; agents: Answer[] }>;
  send(agentId: string, message: string, more?: Answer): Promise<Answer>;
  /** The message's receipt once it is `processed` or can no longer be. */
  end(messageId: string): Promise<Answer>;
  /** The agent as get_session_status shows it. */
  agent(agentId: string): Promise<Answer>;
  /** Runs `signalbox …` to its end. */
  cli(...words: string[]): { code: number | null; stdout: string; stderr: string };
  /** `signalbox attach` in a real terminal; resolves when the agent's screen shows `shows`. */
  attach(agentId: string, shows: string): Promise<Person>;
  /** Every living process that belongs to this product, agents and their tools included. */
  processes(what?: Process["what"]): Process[];
  /** Sends SIGKILL. Resolves when the process is gone. */
  kill(pid: number): Promise<void>;
  /** How many turns of a conversation this message began; see turnsOf. */
  turns(messageId: string): number;
  /** Ends everything and removes it. Answers what had to be killed although the daemon had been asked to stop. */
  stop(): Promise<void>;
}

export async function startRealProduct(
  options: {
    version?: string;
    /** Claude's own settings say that the codebase is trusted. */
    trusted?: boolean;
    env?: Record<string, string>;
    model?: ScriptedModel;
  } = {},
): Promise<RealProduct> {
  const claude = await ensureRealClaude(options.version ?? CLAUDE_VERSION);
  const model = options.model ?? (await startScriptedModel());
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "sbx-real-")));
  const root = join(dir, "code");
  mkdirSync(root);
  execFileSync("git", ["init", "-q", root]);
  const stateDir = join(dir, "state");
  const claudeHome = await freshClaudeHome({ modelUrl: model.url, trusted: options.trusted ? [root] : [] });
  const { home } = claudeHome;
  const env: Record<string, string> = {
    ...claudeHome.env,
    PATH: `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`,
    SIGNALBOX_HOME: stateDir,
    SIGNALBOX_CLAUDE: claude,
    ...options.env,
  };
  const clients = new Set<McpClient>();
  const persons = new Set<IPty>();
  let standing: Promise<McpClient> | null = null;

  const connect = async (sdk: Sdk = "SDK 2"): Promise<McpClient> => {
    const client = await connectWith(sdk, { command: SIGNALBOX, args: ["mcp"], env, cwd: dir, stderr: "ignore" });
    clients.add(client);
    return client;
  };

  const call: RealProduct["call"] = async (name, input = {}) => {
    standing ??= connect();
    const used = standing;
    try {
      return await (await used).call(name, input);
    } catch (error) {
      if (!(error instanceof CallFailed) && standing === used) standing = null;
      throw error;
    }
  };

  const processes: RealProduct["processes"] = (what) =>
    processTable()
      .filter((one) => one.places.includes(dir) || one.places.includes(home))
      .map(({ pid, argv, commandLine }) => ({ pid, what: roleOf(argv, claude), commandLine }))
      .filter((one) => what === undefined || one.what === what);

  const kill: RealProduct["kill"] = async (pid) => {
    killIfAlive(pid);
    await until(`process ${pid} is gone`, () => !isAlive(pid));
  };

  return {
    model,
    root,
    home,
    stateDir,
    env,
    connect,
    call,
    processes,
    kill,
    turns: (messageId) => turnsOf(model.requests, messageId),
    send: (agentId, message, more = {}) => call("send_message_to_agent", { agent_id: agentId, message, ...more }),
    end: (messageId) => call("get_message", { message_id: messageId, wait_for: "processed", wait_s: 30 }),
    async withAgents(count = 1, more = {}) {
      const session = await call("create_session", { root_path: root, trust: true });
      const agents: Answer[] = [];
      for (let n = 0; n < count; n++) {
        const agent = await call("create_agent", { session_id: session.session_id, wait_s: 60, ...more });
        if (agent.state !== "ready") throw new Error(`the agent is ${agent.state}: ${agent.state_reason}`);
        agents.push(agent);
      }
      return { session, agents };
    },
    async agent(agentId) {
      const { sessions } = await call("get_session_status");
      const agents: Answer[] = sessions.flatMap((session: Answer) => session.agents);
      const found = agents.find((one) => one.agent_id === agentId);
      if (found === undefined) throw new Error(`there is no agent ${agentId}`);
      return found;
    },
    cli(...words) {
      const { status, stdout, stderr } = spawnSync(SIGNALBOX, words, { env, cwd: dir, encoding: "utf8" });
      return { code: status, stdout, stderr };
    },
    async attach(agentId, shows) {
      const pty = spawnPty(SIGNALBOX, ["attach", agentId], { env, cwd: dir, cols: 120, rows: 40 });
      persons.add(pty);
      let shown = "";
      pty.onData((data) => {
        shown += data;
      });
      const gone = new Promise<void>((resolve) => pty.onExit(() => resolve()));
      await until(`the terminal shows ${shows}`, () => shown.includes(shows));
      return {
        type: (keys) => pty.write(keys),
        leave() {
          pty.write("\x1d");
          return gone;
        },
      };
    },
    async stop() {
      for (const client of clients) await client.close().catch(() => undefined);
      for (const pty of persons) pty.kill("SIGKILL");
      // Again and again: what is being killed may just have started something.
      await until("everything is gone", () => {
        const living = processes();
        for (const { pid } of living) killIfAlive(pid);
        return living.length === 0;
      });
      if (options.model === undefined) await model.stop();
      await claudeHome.remove();
      rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}

/** Resolves with the first answer that is neither null, undefined nor false. */
export async function until<T>(
  what: string,
  look: () => T | null | undefined | false | Promise<T | null | undefined | false>,
  withinMs = WITHIN_MS,
): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (seen !== null && seen !== undefined && seen !== false) return seen;
    if (performance.now() > end) throw new Error(`waited ${withinMs} ms in vain until ${what}`);
    await sleep(LOOK_MS);
  }
}

/**
 * How many turns a message began, honestly: a resumed conversation shows the model its old prompts again, so appearing in a
 * request proves nothing. A message begins a turn with each request in which it is the newest letter and nothing has
 * been answered to it yet, and it was submitted twice if one request holds it twice. Counts API retries as turns, so it
 * is exact only where the model does not fail.
 */
export function turnsOf(requests: readonly ModelRequest[], messageId: string): number {
  const marker = `[signalbox ${messageId} from `;
  let begun = 0;
  let most = 0;
  for (const { kind, texts, newUserText } of requests) {
    if (kind !== "main") continue;
    const times = texts
      .filter(({ role }) => role !== "assistant")
      .reduce((sum, { text }) => sum + text.split(marker).length - 1, 0);
    most = Math.max(most, times);
    if (lettersIn(newUserText).at(-1) === messageId) begun += 1;
  }
  return Math.max(begun, most);
}

/** The ids of the letters in a text, in order. A backslash before the bracket marks a quoted header. */
function lettersIn(text: string): string[] {
  return [...text.matchAll(/(?<!\\)\[signalbox (msg_[0-9a-z]+) from /g)].map(([, id]) => id ?? "");
}

function roleOf(argv: readonly string[], claude: string): Process["what"] {
  if (argv[0] === claude) return "agent";
  const words = argv.map((word) => word.replace(/^.*\//, ""));
  if (words.includes("pty-host.js")) return "host";
  if (words.includes("signalbox") && argv.includes("daemon")) return "daemon";
  return words.includes("signalbox") && argv.includes("mcp") ? "bridge" : "other";
}

type Stdio = { command: string; args: string[]; env: Record<string, string>; cwd: string; stderr: "ignore" };

async function connectWith(sdk: Sdk, stdio: Stdio): Promise<McpClient> {
  const options = { timeout: CALL_MS };
  if (sdk === "SDK 1") {
    const client = new OldClient({ name: "real", version: "1" });
    await client.connect(new OldStdio(stdio));
    return {
      call: async (name, input = {}) =>
        answerIn(await client.callTool({ name, arguments: input }, CallToolResultSchema, options)),
      tools: async () => (await client.listTools()).tools.map((tool) => tool.name),
      close: () => client.close(),
    };
  }
  const client = new ModernClient({ name: "real", version: "1" }, { versionNegotiation: { mode: "auto" } });
  await client.connect(new ModernStdio(stdio));
  return {
    call: async (name, input = {}) => answerIn(await client.callTool({ name, arguments: input }, options)),
    tools: async () => (await client.listTools()).tools.map((tool) => tool.name),
    close: () => client.close(),
  };
}

function answerIn(result: Answer): Answer {
  if (result.isError)
    throw new CallFailed(result.structuredContent?.error ?? { code: "?", message: JSON.stringify(result) });
  return result.structuredContent;
}
