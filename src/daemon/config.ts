// What a daemon is started with: its command line and environment, parsed once. Wrong usage is refused with one sentence;
// nothing is opened here.

import { resolve } from "node:path";
import { parseArgs } from "node:util";
import type { SecurityLevel } from "../agents/registry.ts";
import { SignalboxError } from "../kernel/errors.ts";
import { stateDirFor } from "../kernel/paths.ts";

export interface Config {
  stateDir: string;
  logDir: string;
  /** MCP and hooks for other clients, with `serve --transport http`; null: only what the agents need, on a port of our own. */
  http: { host: string; port: number } | null;
  /** In effect: while no sandbox is on board, an option that was not given means LOW. */
  leastLevel: SecurityLevel;
  maxAgents: number;
  maxSessions: number;
  /** The environment agents start from. */
  agentEnv: Record<string, string>;
  /** What was to be handed to them beyond what they get anyway. */
  agentEnvNames: string[];
  keyFile: string | undefined;
  /** Where to say that we serve; null: nobody waits. */
  readyFd: number | null;
  /** True for `serve`: a person watches stderr. */
  isForeground: boolean;
}

export const DEFAULT_MAX_AGENTS = 16;
export const DEFAULT_MAX_SESSIONS = 8;

/** The allowlist of CONTRACT section 1; a star ends a prefix. */
const AGENT_ENV = [
  "PATH HOME USER SHELL LANG LC_* TERM COLORTERM TZ TMPDIR XDG_* ANTHROPIC_* CLAUDE_* DISABLE_* AWS_* GOOGLE_*",
  "HTTP_PROXY HTTPS_PROXY NO_PROXY NODE_EXTRA_CA_CERTS",
]
  .join(" ")
  .split(" ");
/** What the stand-in agent reads; it belongs to signalbox itself. */
const SCRIPTED_ENV = ["SIGNALBOX_SCRIPT", "SIGNALBOX_SCRIPTED_HOME", "SIGNALBOX_SCRIPTED_LOG"];

type Env = Readonly<Record<string, string | undefined>>;

/** Throws `invalid_input` with one sentence on wrong usage. `verb` is `serve` or `daemon`. */
export function readConfig(
  verb: "serve" | "daemon",
  args: readonly string[],
  env: Env,
  platform: NodeJS.Platform,
): Config {
  const values = parse(args);
  const stateDir = stateDirFor(env, platform, values["state-dir"]);
  const names = values["agent-env"] ?? [];
  const wrong = names.find((name) => !/^[A-Za-z_]\w*$/.test(name));
  if (wrong !== undefined) throw usage(`--agent-env takes a variable's name, not ${wrong}`);
  return {
    stateDir,
    logDir: values["log-dir"] === undefined ? resolve(stateDir, "logs") : resolve(values["log-dir"]),
    http: httpOf(values),
    leastLevel: level(values["security-level"] ?? "LOW"),
    maxAgents: atLeastOne("--max-agents", values["max-agents"]) ?? DEFAULT_MAX_AGENTS,
    maxSessions: atLeastOne("--max-sessions", values["max-sessions"]) ?? DEFAULT_MAX_SESSIONS,
    agentEnv: agentEnvironment(env, names),
    agentEnvNames: names,
    keyFile:
      env.SIGNALBOX_KEY_FILE === undefined || env.SIGNALBOX_KEY_FILE === ""
        ? undefined
        : resolve(env.SIGNALBOX_KEY_FILE),
    readyFd: values["ready-fd"] === undefined ? null : count("--ready-fd", values["ready-fd"]),
    isForeground: verb === "serve",
  };
}

/** The part of the environment an agent gets: the allowlist and the names asked for. */
export function agentEnvironment(env: Env, extraNames: readonly string[]): Record<string, string> {
  const isHanded = (name: string) => isAllowed(name) || extraNames.includes(name);
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined && isHanded(entry[0])),
  );
}

/** Those of the names that the allowlist lacks, each once, in order. */
export function beyondAllowlist(names: readonly string[]): string[] {
  return [...new Set(names)].filter((name) => !isAllowed(name)).sort();
}

function isAllowed(name: string): boolean {
  return [...AGENT_ENV, ...SCRIPTED_ENV].some((one) =>
    one.endsWith("*") ? name.startsWith(one.slice(0, -1)) : one === name,
  );
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        transport: { type: "string" },
        host: { type: "string" },
        port: { type: "string" },
        "security-level": { type: "string" },
        "max-agents": { type: "string" },
        "max-sessions": { type: "string" },
        "log-dir": { type: "string" },
        "state-dir": { type: "string" },
        "agent-env": { type: "string", multiple: true },
        "ready-fd": { type: "string" },
      },
    }).values;
  } catch (error) {
    throw usage((error as Error).message.split("\n")[0] ?? "the options do not fit");
  }
}

function httpOf(values: { transport?: string; host?: string; port?: string }): Config["http"] {
  const { transport, host = "127.0.0.1", port = "8000" } = values;
  if (transport === undefined) {
    if (values.host !== undefined || values.port !== undefined)
      throw usage("--host and --port go with --transport http");
    return null;
  }
  if (transport !== "http") throw usage(`--transport takes http, not ${transport}`);
  const number = count("--port", port);
  if (number > 65_535) throw usage("--port takes a number up to 65535");
  return { host, port: number };
}

function level(text: string): SecurityLevel {
  if (text === "LOW" || text === "MEDIUM" || text === "HIGH") return text;
  throw usage(`--security-level takes LOW, MEDIUM or HIGH, not ${text}`);
}

function count(option: string, text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw usage(`${option} takes a number, not ${text}`);
}

function atLeastOne(option: string, text: string | undefined): number | null {
  const number = text === undefined ? null : count(option, text);
  if (number === 0) throw usage(`${option} takes a number from 1 on`);
  return number;
}

function usage(message: string): SignalboxError {
  return new SignalboxError("invalid_input", `${message}.`, "`signalbox serve --help` lists the options.");
}
