// What the commands stand on: the rooms below, wired once by daemon/compose.ts, and the few limits a daemon was started with.

import type { Principal } from "../access/principal.ts";
import { maySee } from "../access/roles.ts";
import type { Tokens } from "../access/tokens.ts";
import type { Executables } from "../agents/executables.ts";
import type { AgentKind, AgentKindName } from "../agents/kind.ts";
import type { AgentRow, Registry, SecurityLevel, SessionRow } from "../agents/registry.ts";
import type { Supervisor } from "../agents/supervisor.ts";
import type { Workplaces } from "../agents/workplaces.ts";
import type { AuditLog } from "../audit/log.ts";
import type { Clock } from "../kernel/clock.ts";
import { SignalboxError } from "../kernel/errors.ts";
import type { Events, Topic } from "../kernel/events.ts";
import type { AgentId, Ids } from "../kernel/ids.ts";
import type { Log } from "../kernel/log.ts";
import type { Courier } from "../messages/courier.ts";
import type { Mailbox } from "../messages/mailbox.ts";
import type { Database } from "../storage/database.ts";
import type { BackendName, TerminalBackend } from "../terminals/terminal.ts";

export interface Limits {
  maxAgents: number;
  maxSessions: number;
  /** The least level a session may have, and what one gets that asks for none. */
  leastLevel: SecurityLevel;
}

export interface House {
  db: Database;
  clock: Clock;
  ids: Ids;
  log: Log;
  events: Events;
  registry: Registry;
  workplaces: Workplaces;
  supervisor: Supervisor;
  mailbox: Mailbox;
  courier: Courier;
  audit: AuditLog;
  tokens: Tokens;
  executables: Executables;
  kinds: ReadonlyMap<AgentKindName, AgentKind>;
  /** In the order `auto` tries them. */
  backends: ReadonlyMap<BackendName, TerminalBackend>;
  limits: Limits;
  /** Agents that the loop breaker stopped, and in which words, until a person writes to them. Not kept over a restart: a person
   *  who was away that long reads the transcripts. */
  stoppedLoops: Map<AgentId, string>;
  daemon: { pid: number; version: string; startedAtMs: number };
}

/** The session, if it exists and the principal may see it; both failures answer alike. */
export function requireSession(house: House, principal: Principal, id: string): SessionRow {
  const session = house.registry.session(id);
  if (session !== undefined && maySee(principal, session.session_id)) return session;
  throw new SignalboxError("not_found", `There is no session ${quote(id)}.`, "get_session_status lists the sessions.");
}

export function requireAgent(house: House, principal: Principal, id: string): AgentRow {
  const agent = house.registry.agent(id);
  if (agent !== undefined && maySee(principal, agent.session_id)) return agent;
  throw new SignalboxError("not_found", `There is no agent ${quote(id)}.`, "get_session_status lists the agents.");
}

function quote(id: string): string {
  return JSON.stringify(id.slice(0, 80));
}

/** Waits until `check` answers something else than null, re-asking at each ring of the topic for that id. Resolves to null
 *  when the time is up or the caller has gone. Reports progress about every three seconds: clients give a silent call up. */
export function waitUntil<T>(
  house: Pick<House, "clock" | "events">,
  options: {
    topic: Topic;
    id: string;
    waitMs: number;
    check: () => T | null;
    signal: AbortSignal;
    progress: () => void;
  },
): Promise<T | null> {
  const { check, signal } = options;
  return new Promise((resolve, reject) => {
    const stops: (() => void)[] = [];
    const finish = (settle: () => void) => {
      for (const stop of stops) stop();
      settle();
    };
    const ask = () => {
      try {
        const answer = check();
        if (answer !== null) finish(() => resolve(answer));
      } catch (error) {
        finish(() => reject(error));
      }
    };
    const tick = () => {
      options.progress();
      const timer = house.clock.after(PROGRESS_MS, tick);
      stops.push(() => timer.cancel());
    };
    const giveUp = () => finish(() => resolve(null));
    const timer = house.clock.after(options.waitMs, giveUp);
    stops.push(() => timer.cancel());
    signal.addEventListener("abort", giveUp, { once: true });
    stops.push(() => signal.removeEventListener("abort", giveUp));
    stops.push(house.events.on(options.topic, (id) => id === options.id && ask()));
    const first = house.clock.after(PROGRESS_MS, tick);
    stops.push(() => first.cancel());
    if (signal.aborted) giveUp();
    else ask();
  });
}

const PROGRESS_MS = 3_000;
