// Starting one process for an agent: the intent is committed (a new generation, fresh secrets), the last process is known to be
// gone, then the terminal is opened. Whether and when to start is the supervisor's business.

import { hash } from "node:crypto";
import { type Clock, sleep } from "../kernel/clock.ts";
import { SignalboxError } from "../kernel/errors.ts";
import type { ConversationId, Ids } from "../kernel/ids.ts";
import type { Database } from "../storage/database.ts";
import { DEFAULT_SIZE, type Terminal, type TerminalBackend } from "../terminals/terminal.ts";
import type { AgentKind } from "./kind.ts";
import type { Outside } from "./outside.ts";
import type { AgentRow, Registry } from "./registry.ts";
import type { Workplaces } from "./workplaces.ts";

/** A claude whose terminal died takes up to 1.8 s to leave in the middle of a tool (measured); two writers on one
 *  conversation are possible, so the next process waits for the last one to be gone. */
const OLD_PROCESS_GRACE_MS = 5_000;
const OLD_PROCESS_LOOK_MS = 50;

export interface LaunchDeps {
  db: Database;
  registry: Registry;
  outside: Outside;
  workplaces: Workplaces;
  clock: Clock;
  ids: Ids;
  /** The allowlisted environment every agent starts from. */
  agentEnv: Readonly<Record<string, string>>;
  hooksUrl: () => string;
  mcpUrl: () => string;
  hookHelper: readonly [string, string];
  headerPattern: string;
  /** A fresh bearer token for the agent's own MCP endpoint; older ones end. */
  mintToken: (row: AgentRow) => string;
}

/** Opens a terminal with a new process of the agent. `intended` is called when the intent is on disk. Rejects with the reason;
 *  then no process was left running. */
export async function launchAgent(
  deps: LaunchDeps,
  { row, kind, backend, intended }: { row: AgentRow; kind: AgentKind; backend: TerminalBackend; intended: () => void },
): Promise<Terminal> {
  const { db, registry, outside, agentEnv, ids } = deps;
  const executable = await outside.executables.find(kind);
  await untilGone(deps, row);
  await deps.workplaces.ensure(row.agent_id);
  const { conversationId, resume } = conversationFor(deps, row, kind);
  const hookSecret = ids.secret();
  const generation = row.generation + 1;
  const ref = `${row.agent_id}-g${generation}`;
  const mcpToken = db.transaction(() => {
    registry.patchAgent(row.agent_id, {
      generation,
      terminal_ref: ref,
      conversation_id: conversationId,
      hook_secret_hash: hashSecret(hookSecret),
      rest: "none",
      rest_reason: null,
    });
    return deps.mintToken(row);
  });
  await db.durable(); // the intent, before there is a process
  intended();
  const plan = kind.launch({
    agentId: row.agent_id,
    name: row.name,
    executable,
    conversationId,
    resume,
    systemPrompt: row.system_prompt,
    model: row.model,
    permissionMode: row.permission_mode,
    hooksUrl: deps.hooksUrl(),
    mcpUrl: deps.mcpUrl(),
    hookSecret,
    mcpToken,
    hookHelper: deps.hookHelper,
    promptRecord: outside.promptRecords.begin(row.agent_id, generation),
    headerPattern: deps.headerPattern,
    env: agentEnv,
  });
  const { argv, env } = plan;
  return await backend.open({ ref, host: row.session_id, argv, env, cwd: row.cwd, size: DEFAULT_SIZE });
}

/** A conversation that was never prompted has no transcript and is begun under its id again. One whose transcript cannot be resumed
 *  is lost to its id as well, because the program says that the id is in use: it goes on under a new one. */
function conversationFor(
  { outside, agentEnv, ids }: LaunchDeps,
  row: AgentRow,
  kind: AgentKind,
): { conversationId: ConversationId; resume: boolean } {
  if (row.conversation_id === null) return { conversationId: ids.conversation(), resume: false };
  const path = kind.transcriptPath(agentEnv, row.cwd, row.conversation_id);
  if (!outside.exists(path)) return { conversationId: row.conversation_id, resume: false };
  const transcript = outside.readText(path);
  // One that only we cannot read is the program's to judge.
  return transcript === null || kind.isResumable(transcript)
    ? { conversationId: row.conversation_id, resume: true }
    : { conversationId: ids.conversation(), resume: false };
}

/** How a hook's secret is kept: hashed, because whoever has it speaks for the agent. */
export function hashSecret(secret: string): string {
  return hash("sha256", secret);
}

/** The agent's last process while it is still there: it may outlive its terminal, and the next one must wait for it. */
export function lastProcess(outside: Outside, { pid, pid_birth: birth }: AgentRow): number | null {
  if (pid === null || !outside.pidExists(pid)) return null;
  return birth === null || outside.processBirth(pid) === birth ? pid : null;
}

async function untilGone({ outside, clock }: LaunchDeps, row: AgentRow): Promise<void> {
  const deadlineMs = clock.monotonicMs() + OLD_PROCESS_GRACE_MS;
  while (lastProcess(outside, row) !== null) {
    if (clock.monotonicMs() > deadlineMs) {
      throw new SignalboxError(
        "terminal_unavailable",
        `The last process of this conversation (pid ${row.pid}) still runs.`,
        "End it by hand if it is the agent's, then start the agent again.",
      );
    }
    await sleep(clock, OLD_PROCESS_LOOK_MS);
  }
}
