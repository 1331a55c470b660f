// The durable queue: messages as rows, first in first out per agent, one in flight per agent. Every step goes through `move`,
// which refuses what delivery.ts does not list; callers hold the transaction. This file holds the SQL and nothing else.

import { assert } from "../kernel/errors.ts";
import type { AgentId, ConversationId, MessageId } from "../kernel/ids.ts";
import type { Database } from "../storage/database.ts";
import { MESSAGE_MOVES, type MessageState } from "./delivery.ts";

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
  reply: string | null;
  failure_code: string | null;
  failure_message: string | null;
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

export interface Mailbox {
  add(message: NewMessage, now: number): MessageRow;
  get(id: string): MessageRow | undefined;
  /** The oldest queued message of the agent, urgent ones first. */
  next(agentId: AgentId): MessageRow | undefined;
  inState(agentId: AgentId, state: MessageState): MessageRow[];
  /** How many messages have no verdict and were not delivered yet. */
  waiting(agentId: AgentId): number;
  /** How many this sender has had accepted for this agent since `sinceMs`, and the body of the last one. */
  recentFrom(sender: string, agentId: AgentId, sinceMs: number): { count: number; lastBody: string | null };
  list(filter: {
    agentIds: readonly AgentId[];
    states: readonly MessageState[];
    afterSeq: number;
    limit: number;
  }): MessageRow[];
  agentsWithOpenMessages(): AgentId[];
  /** True when the message was in a state that may move there, and has moved. False: somebody else was first. */
  move(id: MessageId, to: MessageState, patch: MessagePatch): boolean;
  expired(now: number): MessageRow[];
  nextExpiry(): number | null;
}

export function createMailbox(db: Database): Mailbox {
  const get = (id: string) => db.get<MessageRow>("SELECT * FROM messages WHERE message_id = ?", [id]);
  return {
    get,
    add(message, now) {
      db.run(
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
      const added = get(message.message_id);
      assert(added !== undefined, "a message just added is there");
      return added;
    },
    next: (agentId) =>
      db.get<MessageRow>(
        "SELECT * FROM messages WHERE agent_id = ? AND state = 'queued' ORDER BY priority = 'urgent' DESC, seq LIMIT 1",
        [agentId],
      ),
    inState(agentId, state) {
      // Mostly there is none, and this is asked some twenty times per message: asking for one costs a tenth of asking for all.
      const some = db.get("SELECT 1 AS one FROM messages WHERE agent_id = ? AND state = ? LIMIT 1", [agentId, state]);
      if (some === undefined) return [];
      return db.all<MessageRow>("SELECT * FROM messages WHERE agent_id = ? AND state = ? ORDER BY seq", [
        agentId,
        state,
      ]);
    },
    waiting: (agentId) =>
      db.get<{ count: number }>(
        "SELECT count(*) AS count FROM messages WHERE agent_id = ? AND state IN ('queued', 'sending')",
        [agentId],
      )?.count ?? 0,
    recentFrom(sender, agentId, sinceMs) {
      const found = db.get<{ count: number; lastBody: string | null }>(
        `SELECT count(*) AS count, (SELECT body FROM messages WHERE sender = ? AND agent_id = ? ORDER BY seq DESC LIMIT 1) AS lastBody
         FROM messages WHERE sender = ? AND agent_id = ? AND accepted_at > ?`,
        [sender, agentId, sender, agentId, sinceMs],
      );
      return found ?? { count: 0, lastBody: null };
    },
    list({ agentIds, states, afterSeq, limit }) {
      const marks = (values: readonly string[]) => values.map(() => "?").join(", ");
      return db.all<MessageRow>(
        `SELECT * FROM messages WHERE agent_id IN (${marks(agentIds)}) AND state IN (${marks(states)}) AND seq > ?
         ORDER BY seq LIMIT ?`,
        [...agentIds, ...states, afterSeq, limit],
      );
    },
    agentsWithOpenMessages: () =>
      db
        .all<{ agent_id: AgentId }>(
          "SELECT DISTINCT agent_id FROM messages WHERE state IN ('queued', 'sending', 'delivered')",
          [],
        )
        .map((row) => row.agent_id),
    move(id, to, patch) {
      const from = Object.entries(MESSAGE_MOVES)
        .filter(([, targets]) => targets.includes(to))
        .map(([state]) => `'${state}'`)
        .join(", ");
      const columns = Object.keys(patch);
      const assignments = ["state = ?", ...columns.map((column) => `${column} = ?`)].join(", ");
      const values = [to, ...Object.values(patch), id];
      return (
        db.run(`UPDATE messages SET ${assignments} WHERE message_id = ? AND state IN (${from})`, values).changes > 0
      );
    },
    expired: (now) =>
      db.all<MessageRow>("SELECT * FROM messages WHERE state = 'queued' AND expires_at <= ? ORDER BY expires_at, seq", [
        now,
      ]),
    nextExpiry: () =>
      db.get<{ at: number | null }>(
        "SELECT min(expires_at) AS at FROM messages WHERE state = 'queued' AND expires_at IS NOT NULL",
        [],
      )?.at ?? null,
  };
}
