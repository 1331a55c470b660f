// What a daemon is started with: its command line and environment, parsed once. Wrong usage is refused with one sentence;
// nothing is opened here.

import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { SignalboxError } from "../kernel/errors.ts";
import { stateDirFor } from "../kernel/paths.ts";

export interface Config {
  stateDir: string;
  logDir: string;
  /** MCP and hooks for other clients, with `serve --transport http`; null: only what the agents need, on a port of our own. */
  http: { host: string; port: number } | null;
  securityLevel: "LOW" | "MEDIUM" | "HIGH" | null;
  maxAgents: number;
  maxSessions: number;
  /** Options as given, to be compared with what a client asks for. */
  given: Record<string, unknown>;
  /** The environment agents start from. */
  agentEnv: Record<string, string>;
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
  const given = {
    ...(values["security-level"] === undefined ? {} : { security_level: level(values["security-level"]) }),
    ...(values["max-agents"] === undefined ? {} : { max_agents: count("--max-agents", values["max-agents"]) }),
    ...(values["max-sessions"] === undefined ? {} : { max_sessions: count("--max-sessions", values["max-sessions"]) }),
    ...(values["log-dir"] === undefined ? {} : { log_dir: resolve(values["log-dir"]) }),
    ...(names.length === 0 ? {} : { agent_env: names }),
  };
  return {
    stateDir,
    logDir: given.log_dir ?? resolve(stateDir, "logs"),
    http: httpOf(values),
    securityLevel: given.security_level ?? null,
    maxAgents: given.max_agents ?? DEFAULT_MAX_AGENTS,
    maxSessions: given.max_sessions ?? DEFAULT_MAX_SESSIONS,
    given,
    agentEnv: agentEnvironment(env, names),
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
  const allowed = [...AGENT_ENV, ...SCRIPTED_ENV, ...extraNames];
  const isAllowed = (name: string) =>
    allowed.some((one) => (one.endsWith("*") ? name.startsWith(one.slice(0, -1)) : one === name));
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined && isAllowed(entry[0])),
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

function level(text: string): "LOW" | "MEDIUM" | "HIGH" {
  if (text === "LOW" || text === "MEDIUM" || text === "HIGH") return text;
  throw usage(`--security-level takes LOW, MEDIUM or HIGH, not ${text}`);
}

function count(option: string, text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw usage(`${option} takes a number, not ${text}`);
}

function usage(message: string): SignalboxError {
  return new SignalboxError("invalid_input", `${message}.`, "signalbox serve --help lists the options.");
}
