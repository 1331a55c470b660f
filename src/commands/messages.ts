// Messages to agents: accepting them, following them, taking them back. Accepted means on disk and fsynced; what happens to them
// then is the courier's. Lists of them, and sending one again: dead-letters.ts.

import { z } from "zod";
import { maySee } from "../access/roles.ts";
import type { AgentRow } from "../agents/registry.ts";
import { SignalboxError } from "../kernel/errors.ts";
import type { AgentId } from "../kernel/ids.ts";
import { isReached } from "../messages/delivery.ts";
import { BODY_BYTES_MAX, isBlank } from "../messages/envelope.ts";
import type { MessageRow } from "../messages/mailbox.ts";
import { admitFromAgent, RATE_WINDOW_MS } from "../messages/traffic.ts";
import { readBoard } from "../tasks/board.ts";
import { type Call, defineCommand } from "./execute.ts";
import { agentId, idempotencyKey, messageId, sessionId, waitSeconds } from "./fields.ts";
import { type House, requireAgent, requireSession, waitUntil } from "./house.ts";
import { messageView, renderMessage } from "./views.ts";

/** A queue this long means that nobody reads it; the sender should hear of it while it can still act. */
const QUEUE_MAX = 1_000;

export const bodyField = z
  .string()
  .refine((body) => Buffer.byteLength(body) <= BODY_BYTES_MAX, "a message holds at most 1 MiB of UTF-8")
  .refine((body) => !isBlank(body), "a message must hold at least one visible character");

const waitFor = z
  .enum(["accepted", "delivered", "processed"])
  .describe(
    "accepted: on disk. delivered: in the agent's prompt, by its own word. processed: its turn is over, reply is there.",
  );

export const sendMessage = defineCommand({
  name: "send_message_to_agent",
  title: "Send a message to an agent",
  description:
    "Queues a message for the agent; it is typed into the agent's prompt when the line is clear (idle, no dialog, no draft), in order. " +
    "Answers the receipt at once, or waits with wait_for. A state other than the one waited for means that the time ran out: follow it " +
    "with get_message; never send it again.",
  level: "MEDIUM",
  effect: { readOnly: false, destructive: false, idempotent: false },
  waits: true,
  localOnly: false,
  input: z.strictObject({
    agent_id: agentId,
    message: bodyField.describe("The text. Control characters are removed; everything else arrives as plain text."),
    adder_plus: z.boolean().default(true).describe("Name the attached task in the message's header."),
    task_id: z.string().min(1).max(100).optional().describe("A task of TODO.md this message is about, e.g. TASK_3."),
    priority: z.enum(["normal", "urgent"]).default("normal").describe("urgent goes before normal ones in the queue."),
    expires_in_s: z.number().positive().max(31_536_000).optional().describe("Not delivered after this many seconds."),
    idempotency_key: idempotencyKey,
    wait_for: waitFor.default("accepted"),
    wait_s: waitSeconds(30),
  }),
  output: messageView,
  async prepare({ house, principal }, input) {
    if (input.task_id === undefined || !input.adder_plus) return { taskTitle: null };
    const agent = requireAgent(house, principal, input.agent_id);
    const tasks = readBoard(house.registry.session(agent.session_id)?.root_path ?? "");
    return { taskTitle: tasks.find((task) => task.id === input.task_id)?.title ?? null };
  },
  run(call, input, prepared: { taskTitle: string | null }) {
    const agent = requireAgent(call.house, call.principal, input.agent_id);
    if (agent.agent_id === call.principal.agentId) {
      throw new SignalboxError("invalid_input", "An agent cannot send a message to itself.", "Name another agent.");
    }
    const row = acceptMessage(call, agent, {
      body: input.message,
      priority: input.priority,
      expiresInS: input.expires_in_s ?? null,
      task: input.adder_plus && input.task_id !== undefined ? { id: input.task_id, title: prepared.taskTitle } : null,
    });
    return { target: row.message_id, answer: () => untilReached(call, row, input.wait_for, input.wait_s) };
  },
  again(house, principal, target) {
    const row = house.mailbox.get(target);
    return row === undefined ? null : renderMessage(row, principal);
  },
});

export const getMessage = defineCommand({
  name: "get_message",
  title: "Look up a message",
  description:
    "The receipt of a message as it stands now: state, times, evidence, reply, failure. Can wait for a state.",
  level: "LOW",
  effect: { readOnly: true, destructive: false, idempotent: true },
  waits: true,
  localOnly: false,
  input: z.strictObject({ message_id: messageId, wait_for: waitFor.default("accepted"), wait_s: waitSeconds(30) }),
  output: messageView,
  run(call, input) {
    const row = requireMessage(call, input.message_id);
    return { target: row.message_id, answer: () => untilReached(call, row, input.wait_for, input.wait_s) };
  },
});

export const cancelMessage = defineCommand({
  name: "cancel_message",
  title: "Take a queued message back",
  description:
    "Cancels a message that is still queued. One that is being sent or was delivered cannot be taken back: conflict.",
  level: "MEDIUM",
  effect: { readOnly: false, destructive: true, idempotent: false },
  waits: false,
  localOnly: false,
  input: z.strictObject({ message_id: messageId }),
  output: messageView,
  run(call, input) {
    const { house, principal } = call;
    const row = requireMessage(call, input.message_id);
    if (principal.role === "agent" && row.sender !== principal.actor) {
      throw new SignalboxError("permission_denied", "Only its sender may take a message back.", "Ask the operator.");
    }
    if (row.state === "queued" && !house.courier.isAway(row)) {
      throw new SignalboxError(
        "conflict",
        "The message has been handed over once and may be with its agent.",
        "Ask for it with get_message; once it is certain that it is not, it can be cancelled.",
        { retryable: true },
      );
    }
    const isCancelled = row.state === "queued" && house.mailbox.move(row, "cancelled", { ended_at: house.clock.now() });
    if (!isCancelled) {
      throw new SignalboxError(
        "conflict",
        `The message is ${row.state}, not queued.`,
        "Only a queued message can be cancelled.",
      );
    }
    call.ring("message", row.message_id);
    return { target: row.message_id, answer: renderMessage(requireMessage(call, row.message_id), principal) };
  },
});

export const broadcastMessage = defineCommand({
  name: "broadcast_message",
  title: "Send a message to every agent of a session",
  description:
    "Queues the same message for each agent of the session (but the sender) and answers one receipt each. All are accepted or none. " +
    "Follow them with get_message.",
  level: "MEDIUM",
  effect: { readOnly: false, destructive: false, idempotent: false },
  waits: false,
  localOnly: false,
  input: z.strictObject({
    session_id: sessionId,
    message: bodyField.describe("The text."),
    priority: z.enum(["normal", "urgent"]).default("normal").describe("urgent goes before normal ones in each queue."),
    expires_in_s: z.number().positive().max(31_536_000).optional().describe("Not delivered after this many seconds."),
    idempotency_key: idempotencyKey,
  }),
  output: z.looseObject({ session_id: z.string(), messages: z.array(messageView) }),
  run(call, input) {
    const { house, principal } = call;
    const session = requireSession(house, principal, input.session_id);
    const recipients = house.registry.agents(session.session_id).filter((row) => row.agent_id !== principal.agentId);
    const receipts = recipients.map((agent) => {
      const { message: body, priority, expires_in_s } = input;
      return renderMessage(acceptMessage(call, agent, { body, priority, expiresInS: expires_in_s ?? null }), principal);
    });
    call.note({ recipients: receipts.length });
    return { target: session.session_id, answer: { session_id: session.session_id, messages: receipts } };
  },
});

/** Puts a message into the agent's queue, inside the caller's transaction. */
export function acceptMessage(
  call: Call,
  agent: AgentRow,
  message: {
    body: string;
    priority?: "normal" | "urgent";
    expiresInS?: number | null;
    task?: { id: string; title: string | null } | null;
  },
): MessageRow {
  const { house, principal } = call;
  const now = house.clock.now();
  if (house.mailbox.waiting(agent.agent_id) >= QUEUE_MAX) {
    throw new SignalboxError(
      "limit_reached",
      `${agent.name} has ${QUEUE_MAX} messages waiting already.`,
      "Look at the agent with get_session_status: it may wait for an answer.",
    );
  }
  const sender = principal.agentId === null ? undefined : house.registry.agent(principal.agentId);
  const hops = principal.agentId === null ? 0 : hopsFrom(house, principal.agentId, principal.actor, agent);
  if (principal.agentId === null) house.stoppedLoops.delete(agent.agent_id);
  const row = house.mailbox.add(
    {
      message_id: house.ids.message(),
      agent_id: agent.agent_id,
      sender: principal.actor,
      sender_label: sender?.name ?? principal.role,
      body: message.body,
      task_id: message.task?.id ?? null,
      task_title: message.task?.title ?? null,
      priority: message.priority ?? "normal",
      hops,
      expires_at: message.expiresInS == null ? null : now + Math.ceil(message.expiresInS * 1_000),
    },
    now,
  );
  call.note({
    message: row.message_id,
    agent: agent.agent_id,
    bytes: Buffer.byteLength(message.body),
    priority: row.priority,
  });
  call.ring("message", row.message_id);
  return row;
}

/** Refuses what would be too much between two agents; see traffic.ts. */
function hopsFrom(house: House, sender: AgentId, actor: string, recipient: AgentRow): number {
  const working = house.mailbox.inState(sender, "delivered").map((row) => row.hops);
  try {
    const hops = admitFromAgent({
      recent: house.mailbox.recentFrom(actor, recipient.agent_id, house.clock.now() - RATE_WINDOW_MS),
      cause: working.length === 0 ? null : Math.max(...working),
    });
    house.stoppedLoops.delete(sender);
    return hops;
  } catch (refusal) {
    // Nobody but the agent would hear of it, and it has been told to end its turn.
    if (refusal instanceof SignalboxError && !refusal.retryable)
      house.stoppedLoops.set(sender, `its message to ${recipient.name} was refused: ${refusal.message}`);
    throw refusal;
  }
}

/** Throws `not_found` for one that does not concern the caller. */
export function requireMessage(call: Call, id: string): MessageRow {
  const { house, principal } = call;
  const row = house.mailbox.get(id);
  const agent = row === undefined ? undefined : house.registry.anyAgent(row.agent_id);
  const isConcerned =
    principal.role !== "agent" || row?.sender === principal.actor || row?.agent_id === principal.agentId;
  if (row !== undefined && agent !== undefined && maySee(principal, agent.session_id) && isConcerned) return row;
  throw new SignalboxError(
    "not_found",
    "There is no such message.",
    "send_message_to_agent answers the id to ask with.",
  );
}

async function untilReached(call: Call, row: MessageRow, goal: "accepted" | "delivered" | "processed", waitS: number) {
  const { house, principal, context } = call;
  const now = () => house.mailbox.get(row.message_id) ?? row;
  await waitUntil(house, {
    topic: "message",
    id: row.message_id,
    waitMs: waitS * 1_000,
    signal: context.signal,
    progress: () => context.progress(`the message is ${now().state}`),
    check: () => (isReached(now().state, goal) ? true : null),
  });
  return renderMessage(now(), principal);
}
