// Messages as a list, above all those that never arrived, and sending one of those again. An agent's messages outlive it.

import { z } from "zod";
import type { Principal } from "../access/principal.ts";
import { maySee } from "../access/roles.ts";
import { SignalboxError } from "../kernel/errors.ts";
import type { AgentId, SessionId } from "../kernel/ids.ts";
import { MESSAGE_STATES } from "../messages/delivery.ts";
import type { MessageRow } from "../messages/mailbox.ts";
import { defineCommand } from "./execute.ts";
import { agentId, idempotencyKey, messageId, sessionId } from "./fields.ts";
import { type House, requireAgent, requireSession } from "./house.ts";
import { acceptMessage, requireMessage } from "./messages.ts";
import { listedMessageView, messageView, renderListedMessage, renderMessage } from "./views.ts";

const LISTED_DEFAULT = 100;

export const listMessages = defineCommand({
  name: "list_messages",
  title: "List messages",
  description:
    "Receipts of a session's or an agent's messages, oldest first, those of deleted agents too; without states the dead letters: those that " +
    "failed, expired or are unknown and were not sent again. Send one of them again with resend_message.",
  level: "LOW",
  effect: { readOnly: true, destructive: false, idempotent: true },
  waits: false,
  localOnly: false,
  input: z.strictObject({
    session_id: sessionId.optional(),
    agent_id: agentId.optional(),
    states: z.array(z.enum(MESSAGE_STATES)).min(1).optional(),
    limit: z.number().int().min(1).max(1_000).default(LISTED_DEFAULT),
    cursor: z
      .string()
      .regex(/^\d{1,15}$/, "a cursor is what next_cursor was")
      .optional(),
  }),
  output: z.looseObject({ messages: z.array(listedMessageView), next_cursor: z.string().nullable() }),
  run({ house, principal }, input) {
    const rows = house.mailbox.list({
      agentIds: agentsMeant(house, principal, input),
      which: input.states ?? "dead",
      afterSeq: Number(input.cursor ?? 0),
      limit: input.limit + 1,
    });
    const page = rows.slice(0, input.limit);
    const next_cursor = rows.length > page.length ? String(page.at(-1)?.seq) : null;
    const render = (row: MessageRow) => {
      const name = house.registry.anyAgent(row.agent_id)?.name ?? row.agent_id;
      return renderListedMessage(row, name, principal);
    };
    return { target: null, answer: { messages: page.map(render), next_cursor } };
  },
});

export const resendMessage = defineCommand({
  name: "resend_message",
  title: "Send a dead letter again",
  description:
    "Queues the text of a message that failed, expired, was cancelled or is unknown as a new message, to the same agent or another one; once. An " +
    "unknown one may have arrived: look at the agent's transcript first.",
  level: "MEDIUM",
  effect: { readOnly: false, destructive: false, idempotent: false },
  waits: false,
  localOnly: false,
  input: z.strictObject({
    message_id: messageId,
    agent_id: agentId.optional().describe("Another recipient, as where the first was deleted."),
    idempotency_key: idempotencyKey,
  }),
  output: messageView,
  run(call, input) {
    const { house, principal } = call;
    const dead = requireMessage(call, input.message_id);
    if (!["failed", "expired", "cancelled", "unknown"].includes(dead.state)) {
      throw new SignalboxError(
        "conflict",
        `The message is ${dead.state}.`,
        "Only a message that was not delivered is sent again.",
      );
    }
    if (dead.resent_as !== null) {
      throw new SignalboxError(
        "conflict",
        `The message was sent again already, as ${dead.resent_as}.`,
        "Ask for that one with get_message; if it never arrived either, send it again.",
      );
    }
    if (input.agent_id === undefined && house.registry.agent(dead.agent_id) === undefined) {
      throw new SignalboxError(
        "not_found",
        "The agent it was for is deleted.",
        "Name another agent (agent_id, or --to on the command line); get_session_status lists them.",
      );
    }
    const agent = requireAgent(house, principal, input.agent_id ?? dead.agent_id);
    const task = dead.task_id === null ? null : { id: dead.task_id, title: dead.task_title };
    const row = acceptMessage(call, agent, { body: dead.body, priority: dead.priority, task });
    house.mailbox.resent(dead, row.message_id);
    call.note({ resent: dead.message_id });
    return { target: row.message_id, answer: renderMessage(row, principal) };
  },
});

/** The agents whose messages are meant, deleted ones included; null: all there ever were. */
function agentsMeant(
  house: House,
  principal: Principal,
  input: { session_id?: string | undefined; agent_id?: string | undefined },
): readonly AgentId[] | null {
  const { registry } = house;
  if (input.agent_id !== undefined) {
    const agent = registry.anyAgent(input.agent_id as AgentId);
    const isSeen = agent !== undefined && maySee(principal, agent.session_id);
    return [(isSeen ? agent : requireAgent(house, principal, input.agent_id)).agent_id];
  }
  const session = input.session_id ?? principal.sessionId;
  if (session === null || session === undefined) return null;
  const found = registry.anySession(session as SessionId);
  const { session_id } =
    found !== undefined && maySee(principal, found.session_id) ? found : requireSession(house, principal, session);
  return registry.agentsEver(session_id).map((row) => row.agent_id);
}
