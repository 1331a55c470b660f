// The durable queue: messages as rows, first in first out per agent, one in flight per agent. Every step goes through `move`,
// which refuses what delivery.ts does not list. This file holds the SQL of the table, which nobody else reads or writes.

import type { AgentId, ConversationId, MessageId } from "../kernel/ids.ts";
import type { Database } from "../storage/database.ts";
import { createRowCache } from "../storage/row-cache.ts";
import { MESSAGE_MOVES, MESSAGE_STATES, type MessageState } from "./delivery.ts";

export interface MessageRow {
  seq: number;
  message_id: MessageId;
  agent_id: AgentId;
  /** The principal's actor string. */
  sender: string;
  /** What the recipient is shown. */
  sender_label: string;
  body: string;
  task_id: string | null;
  task_title: string | null;
  priority: "normal" | "urgent";
  /** How many agents in a row have answered one another to bring this about; 0 for what a person sent. */
  hops: number;
  state: MessageState;
  accepted_at: number;
  expires_at: number | null;
  sent_at: number | null;
  delivered_at: number | null;
  processed_at: number | null;
  ended_at: number | null;
  channel: string | null;
  evidence: string | null;
  attempts: number;
  /** The generation of the process it was leased to. */
  generation: number | null;
  /** The conversation that process was in. */
  conversation_id: ConversationId | null;
  /** The program's names of the prompts with it that the gate refused, one blank between two. */
  refused_prompts: string;
  reply: string | null;
  failure_code: string | null;
  failure_message: string | null;
  /** The message as which this one, which never arrived, was sent again. */
  resent_as: MessageId | null;
}

export type NewMessage = Pick<
  MessageRow,
  | "message_id"
  | "agent_id"
  | "sender"
  | "sender_label"
  | "body"
  | "task_id"
  | "task_title"
  | "priority"
  | "hops"
  | "expires_at"
>;

export type MessagePatch = Partial<
  Pick<
    MessageRow,
    | "sent_at"
    | "delivered_at"
    | "processed_at"
    | "ended_at"
    | "channel"
    | "evidence"
    | "attempts"
    | "generation"
    | "conversation_id"
    | "reply"
    | "failure_code"
    | "failure_message"
  >
>;

/** From which states a message may move to this one, as SQL. */
const STATES_BEFORE = Object.fromEntries(
  MESSAGE_STATES.map((to) => {
    const from = MESSAGE_STATES.filter((state) => MESSAGE_MOVES[state].includes(to));
    return [to, from.map((state) => `'${state}'`).join(", ")];
  }),
) as Record<MessageState, string>;

/** What has not happened yet to a message just accepted: the table's own defaults. */
const BEFORE_ALL = {
  state: "queued",
  sent_at: null,
  delivered_at: null,
  processed_at: null,
  ended_at: null,
  channel: null,
  evidence: null,
  attempts: 0,
  generation: null,
  conversation_id: null,
  refused_prompts: "",
  reply: null,
  failure_code: null,
  failure_message: null,
  resent_as: null,
} as const;

/** Two indexes begin with the agent, and the one over all it ever got grows for ever: SQLite is told which to take. */
const OPEN = "messages INDEXED BY messages_open";

/** A person has something to decide about these. */
const DEAD: readonly MessageState[] = ["failed", "expired", "unknown"];

const IN_FLIGHT: ReadonlySet<MessageState> = new Set<MessageState>(["sending", "delivered"]);

/** Rows are shared and frozen. */
export interface Mailbox {
  add(message: NewMessage, now: number): MessageRow;
  get(id: string): MessageRow | undefined;
  /** The oldest queued message of the agent, urgent ones first. */
  next(agentId: AgentId): MessageRow | undefined;
  inState(agentId: AgentId, state: MessageState): readonly MessageRow[];
  /** How many messages have no verdict and were not delivered yet. */
  waiting(agentId: AgentId): number;
  /** How many an agent, this sender, has had accepted for this agent since `sinceMs`. */
  recentFrom(sender: string, agentId: AgentId, sinceMs: number): number;
  /** Oldest first. `dead`: what never arrived and was not sent again. `agentIds` null: every agent's. */
  list(filter: {
    agentIds: readonly AgentId[] | null;
    which: readonly MessageState[] | "dead";
    afterSeq: number;
    limit: number;
  }): MessageRow[];
  agentsWithOpenMessages(): AgentId[];
  /** True when the message was in a state that may move there, and has moved. False: somebody else was first. */
  move(row: MessageRow, to: MessageState, patch: MessagePatch): boolean;
  /** A delivered message has another witness. */
  confirmed(row: MessageRow, evidence: string): void;
  /** The gate keeps a prompt with this message from the model. */
  refused(row: MessageRow, promptId: string): void;
  /** A message that never arrived was sent again as another one. */
  resent(row: MessageRow, as: MessageId): void;
  /** One more try of a message that stays where it is. */
  tried(row: MessageRow): void;
  expired(now: number): MessageRow[];
  nextExpiry(): number | null;
}

export function createMailbox(db: Database): Mailbox {
  const textOf = (row: MessageRow | undefined) => (row === undefined ? 0 : row.body.length + (row.reply?.length ?? 0));
  // Every step of a message is followed by some sixty questions about its agent's queue (measured), with few answers.
  const byId = createRowCache<MessageRow | undefined>(db, textOf);
  const nextOf = createRowCache<MessageId | undefined>(db);
  const inFlightOf = createRowCache<readonly MessageRow[]>(db, (rows) =>
    rows.reduce((sum, row) => sum + textOf(row), 0),
  );

  const get = (id: string) =>
    byId.get(id, () => db.get<MessageRow>("SELECT * FROM messages WHERE message_id = ?", [id]));

  const inFlight = (agentId: AgentId) =>
    inFlightOf.get(agentId, () =>
      db.all<MessageRow>(
        `SELECT * FROM ${OPEN} WHERE agent_id = ? AND state IN ('sending', 'delivered') AND ended_at IS NULL ORDER BY seq`,
        [agentId],
      ),
    );

  /** Writes fields of one message. False when `write` found it in no state to be written. */
  const change = (id: MessageId, fields: Partial<MessageRow>, write: () => { changes: number }): boolean => {
    const before = get(id);
    if (before === undefined) return false;
    const others = inFlight(before.agent_id).filter((row) => row.message_id !== id);
    byId.forget(id);
    inFlightOf.forget(before.agent_id);
    if ([before.state, fields.state].includes("queued")) nextOf.forget(before.agent_id);
    if (write().changes === 0) return false;
    const after = { ...before, ...fields };
    byId.put(id, after);
    const flying = IN_FLIGHT.has(after.state) ? [...others, after].sort((a, b) => a.seq - b.seq) : others;
    inFlightOf.put(before.agent_id, flying);
    return true;
  };

  return {
    get,
    add(message, now) {
      byId.forget(message.message_id);
      nextOf.forget(message.agent_id);
      const { rowid: seq } = db.run(
        `INSERT INTO messages (message_id, agent_id, sender, sender_label, body, task_id, task_title, priority, hops, state,
           accepted_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?, ?)`,
        [
          message.message_id,
          message.agent_id,
          message.sender,
          message.sender_label,
          message.body,
          message.task_id,
          message.task_title,
          message.priority,
          message.hops,
          now,
          message.expires_at,
        ],
      );
      return { ...BEFORE_ALL, ...message, seq, accepted_at: now };
    },
    next(agentId) {
      const read = () =>
        db.get<{ message_id: MessageId }>(
          `SELECT message_id FROM ${OPEN} WHERE agent_id = ? AND state = 'queued' AND ended_at IS NULL ORDER BY priority = 'urgent' DESC, seq LIMIT 1`,
          [agentId],
        )?.message_id;
      const id = nextOf.get(agentId, read);
      return id === undefined ? undefined : get(id);
    },
    inState(agentId, state) {
      if (IN_FLIGHT.has(state)) return inFlight(agentId).filter((row) => row.state === state);
      return db.all<MessageRow>(
        `SELECT * FROM ${OPEN} WHERE agent_id = ? AND state = ? AND ended_at IS NULL ORDER BY seq`,
        [agentId, state],
      );
    },
    waiting: (agentId) =>
      db.get<{ count: number }>(
        `SELECT count(*) AS count FROM ${OPEN} WHERE agent_id = ? AND state IN ('queued', 'sending') AND ended_at IS NULL`,
        [agentId],
      )?.count ?? 0,
    recentFrom: (sender, agentId, sinceMs) =>
      db.get<{ count: number }>(
        "SELECT count(*) AS count FROM messages WHERE hops > 0 AND sender = ? AND agent_id = ? AND accepted_at > ?",
        [sender, agentId, sinceMs],
      )?.count ?? 0,
    list({ agentIds, which, afterSeq, limit }) {
      if (agentIds?.length === 0) return []; // SQLite refuses the index for what can find nothing.
      const states = which === "dead" ? DEAD : which;
      const isIn = (column: string, values: readonly string[]) => `${column} IN (${values.map(() => "?").join(", ")})`;
      const conditions = [
        isIn("state", states),
        "seq > ?",
        ...(which === "dead" ? ["ended_at IS NOT NULL AND processed_at IS NULL AND resent_as IS NULL"] : []),
        ...(agentIds === null ? [] : [isIn("agent_id", agentIds)]),
      ];
      return db.all<MessageRow>(
        `SELECT * FROM messages ${which === "dead" ? "INDEXED BY messages_dead" : ""} WHERE ${conditions.join(" AND ")}
         ORDER BY seq LIMIT ?`,
        [...states, afterSeq, ...(agentIds ?? []), limit],
      );
    },
    agentsWithOpenMessages: () =>
      db
        .all<{ agent_id: AgentId }>(
          `SELECT DISTINCT agent_id FROM ${OPEN} WHERE state IN ('queued', 'sending', 'delivered') AND ended_at IS NULL`,
          [],
        )
        .map((row) => row.agent_id),
    move(row, to, patch) {
      const columns = Object.keys(patch);
      const assignments = ["state = ?", ...columns.map((column) => `${column} = ?`)].join(", ");
      const values = [to, ...Object.values(patch), row.seq];
      return change(row.message_id, { ...patch, state: to }, () =>
        db.run(`UPDATE messages SET ${assignments} WHERE seq = ? AND state IN (${STATES_BEFORE[to]})`, values),
      );
    },
    confirmed(row, evidence) {
      change(row.message_id, { evidence }, () =>
        db.run("UPDATE messages SET evidence = ? WHERE seq = ?", [evidence, row.seq]),
      );
    },
    refused(row, promptId) {
      const refused_prompts = `${get(row.message_id)?.refused_prompts ?? ""} ${promptId}`;
      change(row.message_id, { refused_prompts }, () =>
        db.run("UPDATE messages SET refused_prompts = ? WHERE seq = ?", [refused_prompts, row.seq]),
      );
    },
    resent(row, as) {
      change(row.message_id, { resent_as: as }, () =>
        db.run("UPDATE messages SET resent_as = ? WHERE seq = ?", [as, row.seq]),
      );
    },
    tried(row) {
      const attempts = (get(row.message_id)?.attempts ?? 0) + 1;
      change(row.message_id, { attempts }, () =>
        db.run("UPDATE messages SET attempts = ? WHERE seq = ?", [attempts, row.seq]),
      );
    },
    expired: (now) =>
      db.all<MessageRow>(
        "SELECT * FROM messages WHERE ended_at IS NULL AND expires_at <= ? AND state = 'queued' ORDER BY expires_at, seq",
        [now],
      ),
    nextExpiry: () =>
      db.get<{ at: number | null }>(
        "SELECT min(expires_at) AS at FROM messages WHERE ended_at IS NULL AND expires_at IS NOT NULL AND state = 'queued'",
        [],
      )?.at ?? null,
  };
}
