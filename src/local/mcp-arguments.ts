// The command line of `signalbox mcp`, for the bridge that obeys it and for the CLI that writes it into a client's
// configuration. Read by hand: a parser library would cost more than the whole bridge. Help and version belong to the CLI;
// main.ts sees to that before the bridge is loaded.

import { resolve } from "node:path";
import { type DaemonOptions, LOCAL_ROLES, type LocalRole, SECURITY_LEVELS } from "./preface.ts";

export type McpArguments =
  | { is: "run"; role: LocalRole; stateDir: string | undefined; options: DaemonOptions }
  | { is: "wrong"; why: string };

/** Reads what stands behind `mcp`. Paths become absolute. Never throws. */
export function readArguments(argv: readonly string[]): McpArguments {
  let role: LocalRole = "operator";
  let stateDir: string | undefined;
  const options: DaemonOptions = {};
  const words = argv.flatMap(splitAtEquals);
  for (let at = 0; at < words.length; at += 2) {
    const name = words[at] as string;
    const value = words[at + 1];
    if (!name.startsWith("-")) return wrong(`There is no argument \`${name}\`.`);
    if (!KNOWN.has(name)) return wrong(`There is no option ${name}.`);
    if (value === undefined || value === "") return wrong(`${name} needs a value.`);
    switch (name) {
      case "--role":
        if (!LOCAL_ROLES.includes(value as LocalRole)) return wrong(`--role is one of ${LOCAL_ROLES.join(", ")}.`);
        role = value as LocalRole;
        break;
      case "--security-level":
        if (!SECURITY_LEVELS.includes(value as never)) return wrong(`${name} is one of ${SECURITY_LEVELS.join(", ")}.`);
        options.security_level = value as (typeof SECURITY_LEVELS)[number];
        break;
      case "--max-agents":
      case "--max-sessions":
        if (!/^[1-9]\d{0,5}$/.test(value)) return wrong(`${name} is a whole number from 1 on.`);
        options[name === "--max-agents" ? "max_agents" : "max_sessions"] = Number(value);
        break;
      case "--log-dir":
        options.log_dir = resolve(value);
        break;
      case "--state-dir":
        stateDir = resolve(value);
        break;
      case "--agent-env":
        if (!/^[A-Za-z_]\w*$/.test(value)) return wrong(`${name} is the name of an environment variable.`);
        options.agent_env = [...(options.agent_env ?? []), value];
        break;
    }
  }
  return { is: "run", role, stateDir, options };
}

const KNOWN = new Set([
  "--role",
  "--security-level",
  "--max-agents",
  "--max-sessions",
  "--log-dir",
  "--state-dir",
  "--agent-env",
]);

function splitAtEquals(word: string): string[] {
  const at = word.startsWith("--") ? word.indexOf("=") : -1;
  return at === -1 ? [word] : [word.slice(0, at), word.slice(at + 1)];
}

function wrong(why: string): McpArguments {
  return { is: "wrong", why };
}
