// Whether the running daemon is the one that a client's options ask for. What they come to is compared, not how they were
// written: an option left out and the same one given with its default make the same daemon.

import { realpathSync } from "node:fs";
import { SignalboxError } from "../kernel/errors.ts";
import type { DaemonOptions } from "../local/preface.ts";
import { beyondAllowlist, type Config } from "./config.ts";

/** Throws `conflict` naming the first option in which the daemon is another one. */
export function refuseOtherOptions(wanted: DaemonOptions, config: Config): void {
  const running = inEffect({
    security_level: config.leastLevel,
    max_agents: config.maxAgents,
    max_sessions: config.maxSessions,
    log_dir: config.logDir,
    agent_env: config.agentEnvNames,
  });
  for (const [name, value] of Object.entries(inEffect(wanted))) {
    const [has, wants] = [JSON.stringify(running[name as keyof DaemonOptions]), JSON.stringify(value)];
    if (has === wants) continue;
    const option = `--${name.replaceAll("_", "-")}`;
    throw new SignalboxError(
      "conflict",
      `The running daemon has another ${option}: ${has}, not ${wants}.`,
      `Leave ${option} out to use the running daemon, or end it first with \`signalbox stop\`.`,
    );
  }
}

function inEffect(options: DaemonOptions): DaemonOptions {
  const { log_dir, agent_env } = options;
  return {
    ...options,
    ...(log_dir === undefined ? {} : { log_dir: placeOf(log_dir) }),
    ...(agent_env === undefined ? {} : { agent_env: beyondAllowlist(agent_env) }),
  };
}

/** One directory may have several names. */
function placeOf(dir: string): string {
  try {
    return realpathSync(dir);
  } catch {
    return dir; // not there, so not the one in use
  }
}
