// Rows and derived states in the words of the contract (CONTRACT section 2). Reading only.

import { z } from "zod";
import type { Principal } from "../access/principal.ts";
import { maySee } from "../access/roles.ts";
import type { AgentRow, SessionRow } from "../agents/registry.ts";
import type { AgentView } from "../agents/supervisor.ts";
import { isoTime } from "../kernel/clock.ts";
import { redact } from "../kernel/redact.ts";
import type { MessageRow } from "../messages/mailbox.ts";
import { countTasks, currentTaskOf, type TodoTask } from "../tasks/todo-file.ts";
import type { House } from "./house.ts";

const time = z.string().nullable();
export const terminalView = z
  .object({ backend: z.string(), ref: z.string(), attach: z.string().nullable() })
  .nullable();
export const waitingForView = z
  .object({
    kind: z.string(),
    request_id: z.string(),
    tool: z.string().nullable(),
    summary: z.string(),
    options: z.array(z.string()),
  })
  .nullable();

export const messageView = z.looseObject({
  message_id: z.string(),
  agent_id: z.string(),
  state: z.string(),
  accepted_at: time,
  sent_at: time,
  delivered_at: time,
  processed_at: time,
  ended_at: time,
  channel: z.string().nullable(),
  evidence: z.string().nullable(),
  attempts: z.number(),
  reply: z.string().nullable(),
  failure: z.object({ code: z.string(), message: z.string() }).nullable(),
});

/** What a person needs who finds a message in a list. */
export const listedMessageView = messageView.extend({
  agent_name: z.string(),
  sender: z.string(),
  text: z.string(),
  resent_as: z.string().nullable(),
});

export const startedAgentView = z.looseObject({
  agent_id: z.string(),
  name: z.string(),
  session_id: z.string(),
  state: z.string(),
  state_reason: z.string().nullable(),
  conversation_id: z.string().nullable(),
  terminal: terminalView,
});

export function renderMessage(row: MessageRow, principal: Principal): z.infer<typeof messageView> {
  return {
    message_id: row.message_id,
    agent_id: row.agent_id,
    state: row.state,
    accepted_at: isoTime(row.accepted_at),
    sent_at: isoOrNull(row.sent_at),
    delivered_at: isoOrNull(row.delivered_at),
    processed_at: isoOrNull(row.processed_at),
    ended_at: isoOrNull(row.ended_at),
    channel: row.channel,
    evidence: row.evidence,
    attempts: row.attempts,
    reply: forReader(row.reply, principal),
    failure:
      row.failure_code === null
        ? null
        : { code: row.failure_code, message: forReader(row.failure_message, principal) ?? "" },
  };
}

/** Of its text the beginning, on one line. */
const EXCERPT_MAX = 120;

function excerptOf(text: string): string {
  const line = text.slice(0, 4 * EXCERPT_MAX).replace(/\s+/gu, " ");
  const characters = Array.from(line.trim()); // whole ones
  return characters.slice(0, EXCERPT_MAX).join("");
}

export function renderListedMessage(
  row: MessageRow,
  agentName: string,
  principal: Principal,
): z.infer<typeof listedMessageView> {
  return {
    ...renderMessage(row, principal),
    agent_name: agentName,
    sender: row.sender_label,
    text: excerptOf(forReader(row.body, principal) ?? ""),
    resent_as: row.resent_as,
  };
}

export function renderStartedAgent(view: AgentView): z.infer<typeof startedAgentView> {
  return {
    agent_id: view.row.agent_id,
    name: view.row.name,
    session_id: view.row.session_id,
    state: view.state,
    state_reason: view.reason,
    conversation_id: view.row.conversation_id,
    terminal: view.terminal,
  };
}

/** The agent that a call of a lost answer started, as it is now. */
export function startedAgain(house: House, principal: Principal, target: string): Record<string, unknown> | null {
  const row = house.registry.agent(target);
  return row === undefined || !maySee(principal, row.session_id)
    ? null
    : renderStartedAgent(house.supervisor.view(row));
}

export function renderWaitingFor(view: AgentView): z.infer<typeof waitingForView> {
  if (view.request === null) return null;
  const { dialog, requestId } = view.request;
  return {
    kind: dialog.kind,
    request_id: requestId,
    tool: dialog.tool,
    summary: dialog.summary,
    options: dialog.options,
  };
}

export function renderSession(house: House, session: SessionRow, tasks: readonly TodoTask[], principal: Principal) {
  const views = house.registry.agents(session.session_id).map((row) => house.supervisor.view(row));
  return {
    session_id: session.session_id,
    name: session.name,
    root_path: session.root_path,
    security_level: session.security_level,
    terminal: session.terminal,
    workspace: session.workspace,
    created_at: isoTime(session.created_at),
    health: healthOf(house, views),
    tasks: countTasks(tasks),
    agents: views.map((view) => renderAgent(house, view, tasks, principal)),
  };
}

function renderAgent(house: House, view: AgentView, tasks: readonly TodoTask[], principal: Principal) {
  const row: AgentRow = view.row;
  return {
    agent_id: row.agent_id,
    name: row.name,
    specialization: row.specialization,
    state: view.state,
    waiting_for: renderWaitingFor(view),
    state_reason: forReader(view.reason ?? house.stoppedLoops.get(row.agent_id) ?? null, principal),
    since: isoTime(view.sinceMs),
    evidence: view.evidence,
    conversation_id: row.conversation_id,
    current_task: currentTaskOf(tasks, row.name)?.id ?? null,
    queued_messages: house.mailbox.waiting(row.agent_id),
    last_reply: forReader(row.last_reply, principal),
    model: row.model_seen ?? row.model,
    context_used_pct: row.context_used_pct,
    cost_usd: row.cost_usd,
    pid: view.pid,
    terminal: view.terminal,
  };
}

/** One word and, where something is wrong, what: `ok`, or `attention: Agent_2 is waiting`. */
function healthOf(house: House, views: readonly AgentView[]): string {
  const troubles = views.flatMap(({ row, state }) => [
    ...(["waiting", "crashed", "failed"].includes(state) ? [`${row.name} is ${state}`] : []),
    ...(house.stoppedLoops.has(row.agent_id) ? [`${row.name} was stopped in a loop`] : []),
  ]);
  return troubles.length === 0 ? "ok" : `attention: ${troubles.join(", ")}`;
}

/** An observer reads what agents wrote without what looks like a secret. */
function forReader(text: string | null, principal: Principal): string | null {
  return text !== null && principal.role === "observer" ? redact(text) : text;
}

function isoOrNull(epochMs: number | null): string | null {
  return epochMs === null ? null : isoTime(epochMs);
}
