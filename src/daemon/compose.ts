// The composition root: makes each room from the ones below it and wires them. The only file that knows them all; it holds no
// decision of its own. The simulator and the daemon call the same function with different worlds.

import { createTokens } from "../access/tokens.ts";
import type { AgentKind, AgentKindName } from "../agents/kind.ts";
import type { Outside } from "../agents/outside.ts";
import { createRegistry } from "../agents/registry.ts";
import { createSupervisor } from "../agents/supervisor.ts";
import { createWorkplaces } from "../agents/workplaces.ts";
import { createAuditLog } from "../audit/log.ts";
import type { Commands } from "../commands/command.ts";
import { createCommands } from "../commands/execute.ts";
import type { House, Limits } from "../commands/house.ts";
import { COMMAND_TABLE } from "../commands/table.ts";
import { type Clock, patientClock } from "../kernel/clock.ts";
import { createEvents } from "../kernel/events.ts";
import type { AgentId, Ids } from "../kernel/ids.ts";
import type { Log } from "../kernel/log.ts";
import { createSerial } from "../kernel/serial.ts";
import { createCourier } from "../messages/courier.ts";
import { HEADER_PATTERN } from "../messages/envelope.ts";
import { createMailbox } from "../messages/mailbox.ts";
import type { Database } from "../storage/database.ts";
import type { BackendName, TerminalBackend } from "../terminals/terminal.ts";

/** Everything outside the house. */
export interface World {
  clock: Clock;
  ids: Ids;
  log: Log;
  db: Database;
  /** In the order `auto` tries them. */
  backends: ReadonlyMap<BackendName, TerminalBackend>;
  kinds: ReadonlyMap<AgentKindName, AgentKind>;
  limits: Limits;
  version: string;
  pid: number;
  outside: Outside;
  /** Where agents' worktrees are made: absolute, resolved, private. */
  worktreesDir: string;
  /** What agents get of the daemon's own environment. */
  agentEnv: Readonly<Record<string, string>>;
  hookHelper: readonly [string, string];
  /** Where hooks and agents' MCP requests go; asked at each launch, when the listener is up. */
  hooksUrl: () => string;
  mcpUrl: () => string;
  /** Said with every result while it is true; null when there is nothing to say. */
  notice: () => string | null;
}

export interface Composed {
  house: House;
  commands: Commands;
  /** Finds what runs already and takes up what was in flight. */
  recover(): Promise<void>;
  /** Lets go of everything; agents keep running. */
  detach(): void;
}

export function compose(world: World): Composed {
  const { ids, log, db, kinds, backends } = world;
  const clock = patientClock(world.clock, ({ code, message }) => log.warn("timer.tried_again", { code, message }));
  const events = createEvents((error) => log.error("doorbell.listener_broke", { message: String(error) }));
  const serial = createSerial();
  const registry = createRegistry(db);
  const mailbox = createMailbox(db);
  const tokens = createTokens(db, clock, ids);
  const audit = createAuditLog(db, clock);
  const { worktrees } = world.outside;
  const workplaces = createWorkplaces({ db, worktrees, dir: world.worktreesDir, serial, log });
  const supervisor = createSupervisor({
    db,
    registry,
    workplaces,
    backends,
    kinds,
    outside: world.outside,
    clock,
    ids,
    log,
    events,
    serial,
    agentEnv: world.agentEnv,
    hooksUrl: world.hooksUrl,
    mcpUrl: world.mcpUrl,
    hookHelper: world.hookHelper,
    headerPattern: HEADER_PATTERN,
    mintToken(row) {
      tokens.revokeAgent(row.agent_id);
      const { session_id: sessionId, agent_id: agentId } = row;
      return tokens.create({ role: "agent", sessionId, agentId, ttlMs: null }).token;
    },
  });
  const stateOf = (id: AgentId) => {
    const row = registry.agent(id);
    return row === undefined ? null : supervisor.view(row).state;
  };
  const { line, transcriptAbout, promptsNoted, isLeftBehind } = supervisor;
  const lines = { line, stateOf, transcriptAbout, promptsNoted, isLeftBehind };
  const courier = createCourier({ db, mailbox, lines, events, clock, log, serial });
  const house: House = {
    db,
    clock,
    ids,
    log,
    events,
    registry,
    workplaces,
    supervisor,
    mailbox,
    stoppedLoops: new Map(),
    courier,
    audit,
    tokens,
    executables: world.outside.executables,
    kinds,
    backends,
    limits: world.limits,
    daemon: { pid: world.pid, version: world.version, startedAtMs: clock.now() },
  };
  return {
    house,
    commands: createCommands(house, COMMAND_TABLE, world.notice),
    async recover() {
      await supervisor.recover();
      courier.recover();
      // Nobody waits for what is deleted already.
      workplaces.recover().catch((error) => log.warn("worktree.recover_failed", { message: String(error) }));
    },
    detach() {
      courier.detach();
      supervisor.detach();
    },
  };
}
