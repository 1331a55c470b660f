// Sessions and agents as rows: what is wanted of each (`desired`), where it was last seen running, and what it told about
// itself. The state a person reads is never kept here; lifecycle.ts derives it. This file holds the SQL of
// both tables, which nobody else writes.

import type { AgentId, ConversationId, SessionId } from "../kernel/ids.ts";
import type { Database } from "../storage/database.ts";
import { createRowCache } from "../storage/row-cache.ts";
import type { BackendName } from "../terminals/terminal.ts";
import type { AgentKindName, PermissionMode } from "./kind.ts";
import type { PastExit } from "./restart-policy.ts";

export type SecurityLevel = "LOW" | "MEDIUM" | "HIGH";
export type Workspace = "shared" | "worktree";

export interface SessionRow {
  session_id: SessionId;
  name: string;
  root_path: string;
  security_level: SecurityLevel;
  terminal: BackendName;
  workspace: Workspace;
  trust: number;
  created_at: number;
  deleted_at: number | null;
}

export interface AgentRow {
  agent_id: AgentId;
  session_id: SessionId;
  name: string;
  kind: AgentKindName;
  specialization: string | null;
  /** The whole text appended to the program's own system prompt. */
  system_prompt: string | null;
  model: string | null;
  permission_mode: PermissionMode;
  cwd: string;
  /** running: keep a process alive. closed: the conversation was cleared, no process. */
  desired: "running" | "closed";
  conversation_id: ConversationId | null;
  /** Grows with every start; what an older process says is told apart by it. */
  generation: number;
  terminal_ref: string | null;
  pid: number | null;
  /** When that process began, in the system's own count; null where it does not say. */
  pid_birth: string | null;
  /** SHA-256 of the secret the running process signs its hooks with. */
  hook_secret_hash: string | null;
  /** JSON list of PastExit, newest last, bounded. */
  exits: string;
  /** How the last process ended, while none runs: nothing to say, left by itself, crashed, or given up on. */
  rest: "none" | "exited" | "crashed" | "failed";
  rest_reason: string | null;
  state_since: number;
  last_reply: string | null;
  model_seen: string | null;
  context_used_pct: number | null;
  cost_usd: number | null;
  created_at: number;
  deleted_at: number | null;
}

export type NewAgent = Pick<
  AgentRow,
  | "agent_id"
  | "session_id"
  | "name"
  | "kind"
  | "specialization"
  | "system_prompt"
  | "model"
  | "permission_mode"
  | "cwd"
  | "conversation_id"
>;

/** Columns a caller may change on a living agent. */
export type AgentPatch = Partial<Omit<AgentRow, "agent_id" | "session_id" | "name" | "created_at" | "deleted_at">>;

/** Rows are shared and frozen. */
export interface Registry {
  addSession(row: Omit<SessionRow, "created_at" | "deleted_at">, now: number): SessionRow;
  session(id: string): SessionRow | undefined;
  /** Deleted ones too: their agents may still have a process to be ended. */
  anySession(id: SessionId): SessionRow | undefined;
  sessions(): SessionRow[];
  removeSession(id: SessionId, now: number): void;
  addAgent(row: NewAgent, now: number): AgentRow;
  agent(id: string): AgentRow | undefined;
  /** A deleted one too: a message may still be judged by what its transcript says. */
  anyAgent(id: AgentId): AgentRow | undefined;
  agents(sessionId?: SessionId): AgentRow[];
  /** The session's agents, deleted ones included. */
  agentsEver(sessionId: SessionId): AgentRow[];
  agentByHookSecretHash(hash: string): AgentRow | undefined;
  /** Whether another agent than this one, a deleted one included, is or was last in the conversation. */
  isConversationOfAnother(conversation: ConversationId, id: AgentId): boolean;
  patchAgent(id: AgentId, patch: AgentPatch): void;
  /** The terminal of this generation is gone, and its process but for `pid`; does nothing when another has been started since. */
  processEnded(row: Pick<AgentRow, "agent_id" | "generation">, pid: number | null): void;
  removeAgent(id: AgentId, now: number): void;
  /** Agents, deleted ones included, that nobody wants running and whose terminal was never seen to end. */
  leftovers(): AgentRow[];
  exitsOf(row: AgentRow): PastExit[];
}

export function createRegistry(db: Database): Registry {
  const agentRows = createRowCache<AgentRow | undefined>(
    db,
    (row) => (row?.system_prompt?.length ?? 0) + (row?.last_reply?.length ?? 0),
  );
  const sessionRows = createRowCache<SessionRow | undefined>(db);
  const agentOfSecret = createRowCache<string | undefined>(db);
  const anyAgent = (id: string) =>
    agentRows.get(id, () => db.get<AgentRow>("SELECT * FROM agents WHERE agent_id = ?", [id]));
  const anySession = (id: string) =>
    sessionRows.get(id, () => db.get<SessionRow>("SELECT * FROM sessions WHERE session_id = ?", [id]));
  const unlessDeleted = <Row extends { deleted_at: number | null }>(row: Row | undefined) =>
    row?.deleted_at === null ? row : undefined;
  const agent = (id: string) => unlessDeleted(anyAgent(id));
  const session = (id: string) => unlessDeleted(anySession(id));
  return {
    session,
    agent,
    addSession(row, now) {
      sessionRows.forget(row.session_id);
      db.run(
        `INSERT INTO sessions (session_id, name, root_path, security_level, terminal, workspace, trust, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
        [row.session_id, row.name, row.root_path, row.security_level, row.terminal, row.workspace, row.trust, now],
      );
      return { ...row, created_at: now, deleted_at: null };
    },
    anyAgent,
    anySession,
    leftovers: () =>
      db.all<AgentRow>(
        "SELECT * FROM agents WHERE desired = 'closed' AND terminal_ref IS NOT NULL ORDER BY agent_id",
        [],
      ),
    sessions: () =>
      db.all<SessionRow>("SELECT * FROM sessions WHERE deleted_at IS NULL ORDER BY created_at, session_id", []),
    removeSession(id, now) {
      sessionRows.forget(id);
      db.run("UPDATE sessions SET deleted_at = ? WHERE session_id = ?", [now, id]);
    },
    addAgent(row, now) {
      agentRows.forget(row.agent_id);
      db.run(
        `INSERT INTO agents (agent_id, session_id, name, kind, specialization, system_prompt, model, permission_mode, cwd,
           desired, conversation_id, state_since, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'running', ?, ?, ?)`,
        [
          row.agent_id,
          row.session_id,
          row.name,
          row.kind,
          row.specialization,
          row.system_prompt,
          row.model,
          row.permission_mode,
          row.cwd,
          row.conversation_id,
          now,
          now,
        ],
      );
      const added = agent(row.agent_id);
      if (added === undefined) throw new Error("invariant broken: an agent just added is there");
      return added;
    },
    agents: (sessionId) =>
      sessionId === undefined
        ? db.all<AgentRow>("SELECT * FROM agents WHERE deleted_at IS NULL ORDER BY created_at, agent_id", [])
        : db.all<AgentRow>(
            "SELECT * FROM agents WHERE session_id = ? AND deleted_at IS NULL ORDER BY created_at, agent_id",
            [sessionId],
          ),
    agentsEver: (sessionId) =>
      db.all<AgentRow>("SELECT * FROM agents WHERE session_id = ? ORDER BY created_at, agent_id", [sessionId]),
    agentByHookSecretHash(hash) {
      const find = () =>
        db.get<{ agent_id: string }>("SELECT agent_id FROM agents WHERE hook_secret_hash = ?", [hash])?.agent_id;
      const id = agentOfSecret.get(hash, find);
      if (id === undefined) agentOfSecret.forget(hash); // whoever tries secrets fills no memory, and one may be given out soon
      const row = id === undefined ? undefined : agent(id);
      return row?.hook_secret_hash === hash ? row : undefined; // a secret belongs to one start of one agent, for ever
    },
    isConversationOfAnother: (conversation, id) =>
      db.get("SELECT 1 AS one FROM agents WHERE conversation_id = ? AND agent_id <> ? LIMIT 1", [conversation, id]) !==
      undefined,
    patchAgent(id, patch) {
      const columns = Object.keys(patch);
      if (columns.length === 0) return;
      const before = anyAgent(id);
      agentRows.forget(id);
      const assignments = columns.map((column) => `${column} = ?`).join(", ");
      db.run(`UPDATE agents SET ${assignments} WHERE agent_id = ?`, [...Object.values(patch), id]);
      if (before !== undefined) agentRows.put(id, { ...before, ...patch });
    },
    processEnded({ agent_id, generation }, pid) {
      agentRows.forget(agent_id);
      db.run("UPDATE agents SET pid = ?, terminal_ref = NULL WHERE agent_id = ? AND generation = ?", [
        pid,
        agent_id,
        generation,
      ]);
    },
    removeAgent(id, now) {
      agentRows.forget(id);
      db.run("UPDATE agents SET deleted_at = ?, hook_secret_hash = NULL, desired = 'closed' WHERE agent_id = ?", [
        now,
        id,
      ]);
    },
    exitsOf: (row) => JSON.parse(row.exits) as PastExit[],
  };
}
