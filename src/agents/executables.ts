// Finds the program of an agent kind on this machine and asks its version, once per path and modification time. Starts
// nothing else. A program that is missing or too old is `agent_kind_unavailable`, with the command that would install it.

import { execFile } from "node:child_process";
import { accessSync, constants, realpathSync, statSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { SignalboxError } from "../kernel/errors.ts";
import type { AgentKind, Executable } from "./kind.ts";

/** `claude --version` takes 0.04-0.10 s warm; a cold 380 MB binary on a slow disk takes far longer. */
const VERSION_TIMEOUT_MS = 20_000;

export interface Executables {
  /** The kind's program, ready to be launched. Rejects with `agent_kind_unavailable`. */
  find(kind: AgentKind): Promise<Executable>;
}

/** `env` is the daemon's own environment; `ownProgram` maps a kind's script name to its absolute path. */
export function createExecutables(options: {
  env: Readonly<Record<string, string | undefined>>;
  node: string;
  ownProgram: (script: string) => string;
}): Executables {
  const versions = new Map<string, string | null>();
  return {
    async find(kind) {
      if (kind.lookup.is === "own_program") {
        return { path: options.node, firstArgs: [options.ownProgram(kind.lookup.script)], version: null };
      }
      const { variable, command, versionArgs, install } = kind.lookup;
      const named = options.env[variable];
      const path = named === undefined || named === "" ? onPath(command, options.env.PATH ?? "") : named;
      if (path === null || !isExecutable(path)) {
        const where = path === null ? `${command} is not on PATH` : `${variable} names no executable file`;
        throw new SignalboxError(
          "agent_kind_unavailable",
          `Agents of kind ${kind.name} cannot run: ${where}.`,
          install,
        );
      }
      const key = `${realpathSync(path)}:${statSync(path).mtimeMs}`;
      if (!versions.has(key)) versions.set(key, await askVersion(kind, path, versionArgs, options.env));
      const version = versions.get(key) ?? null;
      const refusal = version === null ? null : kind.refuseVersion(version);
      if (refusal !== null) throw new SignalboxError("agent_kind_unavailable", refusal.why, refusal.nextStep);
      return { path, firstArgs: [], version };
    },
  };
}

function askVersion(
  kind: AgentKind,
  path: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<string | null> {
  return new Promise((resolve, reject) => {
    const childEnv = { PATH: env.PATH ?? "", HOME: env.HOME ?? "/" };
    execFile(path, [...args], { timeout: VERSION_TIMEOUT_MS, env: childEnv }, (error, stdout) => {
      if (error === null) return resolve(kind.parseVersion(stdout));
      reject(
        new SignalboxError(
          "agent_kind_unavailable",
          `The program of agent kind ${kind.name} does not start: ${error.message.split("\n")[0]}`,
          "Run it by hand with --version, repair its installation, then try again.",
          { cause: error },
        ),
      );
    });
  });
}

function onPath(command: string, path: string): string | null {
  for (const dir of path.split(delimiter)) {
    if (dir !== "" && isAbsolute(dir) && isExecutable(join(dir, command))) return join(dir, command);
  }
  return null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
