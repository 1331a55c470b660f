// Processes that nobody wants any more and that this daemon does not hold: an earlier one died between the wish to end them and
// their end. They are ended here, however long their terminal's host cannot be asked; nothing is started from here.

import { type Clock, sleep } from "../kernel/clock.ts";
import type { AgentId } from "../kernel/ids.ts";
import type { Log } from "../kernel/log.ts";
import type { Serial } from "../kernel/serial.ts";
import type { TerminalBackend } from "../terminals/terminal.ts";
import { endTerminal } from "./ending.ts";
import { lastProcess } from "./launching.ts";
import type { Outside } from "./outside.ts";
import type { AgentRow, Registry } from "./registry.ts";

/** While a terminal host cannot be asked, it is asked again this often. */
const CANNOT_TELL_RETRY_MS = 5_000;

export interface Leftovers {
  /** Whether the agent may have a process that nobody wants any more, in this daemon's hands or not. */
  has(agentId: AgentId): boolean;
  /** Resolves when the agent has no such process any more, or is wanted again. Must run in the agent's own turn. */
  end(agentId: AgentId): Promise<void>;
  /** Tries each once; those whose host cannot be asked are tried on behind the caller's back. */
  endAll(): Promise<void>;
}

export function createLeftovers(deps: {
  registry: Registry;
  outside: Outside;
  backendOf: (row: AgentRow) => TerminalBackend;
  clock: Clock;
  log: Log;
  serial: Serial;
  isDetached: () => boolean;
  /** One has ended. */
  ended: (agentId: AgentId) => void;
}): Leftovers {
  const { registry, outside, backendOf, clock, log, serial, isDetached, ended } = deps;

  /** True when there is nothing left to end. */
  const tryToEnd = async (agentId: AgentId): Promise<boolean> => {
    const row = registry.anyAgent(agentId);
    if (row === undefined || row.desired !== "closed" || row.terminal_ref === null) return true;
    const found = await backendOf(row).adopt(row.session_id, row.terminal_ref);
    if (found.is === "cannot_tell") {
      log.warn("agent.leftover_cannot_tell", { agent: agentId });
      return false;
    }
    if (found.is === "found") await endTerminal(found.terminal, clock);
    try {
      registry.processEnded(row, lastProcess(outside, row));
    } catch (error) {
      log.warn("agent.leftover_not_recorded", { agent: agentId, message: String(error) });
      return false; // While it counts as left behind, nobody judges what it had taken.
    }
    ended(agentId);
    return true;
  };

  const end = async (agentId: AgentId, tried: () => void = () => {}): Promise<void> => {
    while (!isDetached() && !(await tryToEnd(agentId).finally(tried))) await sleep(clock, CANNOT_TELL_RETRY_MS);
  };

  return {
    has(agentId) {
      const row = registry.anyAgent(agentId);
      return row?.desired === "closed" && row.terminal_ref !== null;
    },
    end: (agentId) => end(agentId),
    async endAll() {
      const tries = registry.leftovers().map(
        ({ agent_id: agentId }) =>
          new Promise<void>((resolve) => {
            serial
              .run(agentId, () => end(agentId, resolve))
              .catch((error) => log.warn("agent.leftover_failed", { message: String(error) }));
          }),
      );
      await Promise.all(tries);
    },
  };
}
