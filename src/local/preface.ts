// The first line of every local conversation and its answer, for both ends. What the daemon was started with travels
// along, so that a client who asked for something else is told instead of served differently. No sockets here.

import { type ErrorBody, SignalboxError } from "../kernel/errors.ts";

export const PURPOSES = ["mcp", "call", "attach"] as const;
export type Purpose = (typeof PURPOSES)[number];

/** What a person at this machine may ask to be. An agent comes with a token instead. */
export const LOCAL_ROLES = ["owner", "operator", "observer"] as const;
export type LocalRole = (typeof LOCAL_ROLES)[number];

export const SECURITY_LEVELS = ["LOW", "MEDIUM", "HIGH"] as const;

/** The options of `mcp` and `serve` that belong to the daemon. Absent: the client does not mind. Paths are absolute. */
export interface DaemonOptions {
  security_level?: (typeof SECURITY_LEVELS)[number];
  max_agents?: number;
  max_sessions?: number;
  log_dir?: string;
  agent_env?: string[];
}

export interface Preface {
  /** Version of this conversation. */
  signalbox: 1;
  purpose: Purpose;
  role: LocalRole;
  options: DaemonOptions;
  /** A token in place of the role; null when there is none. */
  token: string | null;
  /** What to attach to, in the daemon's own words; empty unless the purpose is `attach`. */
  target: Record<string, unknown>;
}

export type PrefaceAnswer = ({ ok: true } & Record<string, unknown>) | { ok: false; error: ErrorBody };

/** A preface of known keys and a token is far below this. */
export const PREFACE_BYTES_MAX = 64 * 1024;

const OPTION_CHECKS: Record<keyof DaemonOptions, (value: unknown) => boolean> = {
  security_level: (value) => SECURITY_LEVELS.includes(value as never),
  max_agents: (value) => Number.isSafeInteger(value),
  max_sessions: (value) => Number.isSafeInteger(value),
  log_dir: (value) => typeof value === "string",
  agent_env: (value) => Array.isArray(value) && value.every((name) => typeof name === "string"),
};

/** Reads a preface that came over the wire. Throws `invalid_input` with the reason. */
export function parsePreface(line: string): Preface {
  const sent = parseObject(line);
  if (sent === null) throw refused("The first line must be a JSON object.");
  if (sent.signalbox !== 1)
    throw refused(`This daemon speaks version 1, the client ${JSON.stringify(sent.signalbox)}.`);
  const { purpose, role = "operator", options = {}, token = null, target = {} } = sent;
  if (!PURPOSES.includes(purpose as Purpose)) throw refused(`"purpose" must be one of ${PURPOSES.join(", ")}.`);
  if (!LOCAL_ROLES.includes(role as LocalRole)) throw refused(`"role" must be one of ${LOCAL_ROLES.join(", ")}.`);
  if (token !== null && typeof token !== "string") throw refused('"token" must be a string.');
  if (!isObject(target)) throw refused('"target" must be an object.');
  return {
    signalbox: 1,
    purpose: purpose as Purpose,
    role: role as LocalRole,
    options: parseOptions(options),
    token,
    target,
  };
}

/** Reads the daemon's answer; null when the line is none. */
export function parsePrefaceAnswer(line: string): PrefaceAnswer | null {
  const answer = parseObject(line);
  if (answer?.ok === true) return answer as PrefaceAnswer;
  return answer?.ok === false && isObject(answer.error) ? (answer as PrefaceAnswer) : null;
}

function parseOptions(options: unknown): DaemonOptions {
  if (!isObject(options)) throw refused('"options" must be an object.');
  for (const [name, value] of Object.entries(options)) {
    const check = Object.hasOwn(OPTION_CHECKS, name) ? OPTION_CHECKS[name as keyof DaemonOptions] : null;
    if (check === null) throw refused(`The running daemon does not know the option "${name}".`);
    if (!check(value)) throw refused(`The option "${name}" has a value that cannot be: ${JSON.stringify(value)}.`);
  }
  return options;
}

function refused(message: string): SignalboxError {
  return new SignalboxError(
    "invalid_input",
    message,
    "Use the same version of signalbox for the client and the daemon; `signalbox stop` ends the running daemon.",
  );
}

export function parseObject(line: string): Record<string, unknown> | null {
  try {
    const parsed: unknown = JSON.parse(line);
    return isObject(parsed) ? parsed : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
