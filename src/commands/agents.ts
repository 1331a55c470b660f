// Agents: starting them, ending them, their conversations, and the questions they ask.

import { z } from "zod";
import { PERMISSION_MODES } from "../agents/kind.ts";
import { AGENT_STATES, type AgentState } from "../agents/lifecycle.ts";
import type { AgentRow } from "../agents/registry.ts";
import { worktreePrompt } from "../agents/workplaces.ts";
import type { Checkout } from "../agents/worktrees.ts";
import { SignalboxError } from "../kernel/errors.ts";
import type { AgentId } from "../kernel/ids.ts";
import { adderSystemPrompt } from "../tasks/adder.ts";
import { endAgents, refuseToLose, workAtRisk, worktreesAtRisk } from "./endings.ts";
import { type Call, defineCommand } from "./execute.ts";
import { agentId, agentName, force, idempotencyKey, note, sessionId, text, waitSeconds } from "./fields.ts";
import { requireAgent, requireSession, waitUntil } from "./house.ts";
import { acceptMessage, bodyField } from "./messages.ts";
import { renderStartedAgent, renderWaitingFor, startedAgain, startedAgentView, waitingForView } from "./views.ts";

/** Linux takes 128 KiB in one argument; the prompt travels as one, together with the protocol's own text. */
const SYSTEM_PROMPT_MAX = 64 * 1024;

const permissionMode = z.enum(PERMISSION_MODES).default("manual").describe("Claude Code's own permission mode.");

export const createAgent = defineCommand({
  name: "create_agent",
  title: "Start an agent",
  description:
    "Starts an agent in the session: a Claude Code process in its own terminal, with a queue of its own. Waits up to wait_s until " +
    "it is ready. Then use send_message_to_agent. State `waiting` means a person must answer something (see waiting_for in " +
    "get_session_status, then answer_agent).",
  level: "HIGH",
  effect: { readOnly: false, destructive: false, idempotent: false },
  waits: true,
  localOnly: false,
  input: z.strictObject({
    session_id: sessionId,
    name: agentName.optional(),
    specialization: text(200, "What this agent is for, in a few words."),
    system_prompt: text(SYSTEM_PROMPT_MAX, "Added to the agent's system prompt."),
    model: z
      .string()
      .min(1)
      .max(100)
      .regex(/^[^\s-]\S*$/, "a model name does not begin with a dash")
      .optional()
      .describe("Model name as Claude Code takes it."),
    permission_mode: permissionMode,
    kind: z
      .enum(["claude-code", "scripted"])
      .default("claude-code")
      .describe("scripted: a stand-in for demos and tests."),
    initial_message: bodyField.optional().describe("First message, delivered as soon as the agent is ready."),
    adder_plus: z.boolean().default(true).describe("Open the conversation with the ADDER+ protocol text."),
    idempotency_key: idempotencyKey,
    wait_s: waitSeconds(30),
  }),
  output: startedAgentView,
  async prepare({ house, principal }, input) {
    const session = requireSession(house, principal, input.session_id);
    const kind = house.kinds.get(input.kind);
    if (kind === undefined) throw new Error(`invariant broken: kind ${input.kind} is registered`);
    await house.executables.find(kind);
    return session.workspace === "worktree" ? await house.workplaces.survey(session.root_path) : null;
  },
  run(call, input, checkout: Checkout | null) {
    const { house, principal } = call;
    const session = requireSession(house, principal, input.session_id);
    if (house.registry.agents().length >= house.limits.maxAgents) {
      throw new SignalboxError(
        "limit_reached",
        `There are ${house.limits.maxAgents} agents already.`,
        "Delete one with delete_agent, or end the daemon with `signalbox stop` and start it with a larger --max-agents.",
      );
    }
    const peers = house.registry.agents(session.session_id);
    const name = input.name ?? nextName(peers);
    if (peers.some((peer) => peer.name === name)) {
      throw new SignalboxError(
        "conflict",
        `This session has an agent named ${JSON.stringify(name)} already.`,
        "Choose another name.",
      );
    }
    const opening = input.adder_plus
      ? adderSystemPrompt({ agentName: name, sessionName: session.name, specialization: input.specialization ?? null })
      : null;
    const agent_id = house.ids.agent();
    const place = checkout === null ? null : house.workplaces.plan({ agent_id, name }, checkout);
    const row = house.registry.addAgent(
      {
        agent_id,
        session_id: session.session_id,
        name,
        kind: input.kind,
        specialization: input.specialization ?? null,
        system_prompt:
          [opening, place && worktreePrompt(place.branch), input.system_prompt]
            .filter((part) => part != null && part !== "")
            .join("\n\n") || null,
        model: input.model ?? null,
        permission_mode: input.permission_mode,
        cwd: place?.cwd ?? session.root_path,
        conversation_id: house.ids.conversation(),
      },
      house.clock.now(),
    );
    if (input.initial_message !== undefined) acceptMessage(call, row, { body: input.initial_message });
    call.note({ kind: row.kind, session: session.session_id, permission_mode: row.permission_mode });
    return {
      target: row.agent_id,
      answer: async () => {
        await startOrUndo(call, row);
        return await untilStarted(call, row, input.wait_s);
      },
    };
  },
  again: startedAgain,
});

export const deleteAgent = defineCommand({
  name: "delete_agent",
  title: "Delete an agent",
  description:
    "Ends the agent's process, closes its terminal and removes it. Messages still queued end as failed. Without force it is refused " +
    "when a turn is running, messages are queued, or its worktree holds work that no other branch has. `note` tells what stays " +
    "behind of a worktree.",
  level: "HIGH",
  effect: { readOnly: false, destructive: true, idempotent: false },
  waits: true,
  localOnly: false,
  input: z.strictObject({ agent_id: agentId, force }),
  output: z.looseObject({ agent_id: z.string(), name: z.string(), deleted: z.boolean(), note }),
  async prepare({ house, principal }, input) {
    const row = requireAgent(house, principal, input.agent_id);
    return input.force ? [] : await worktreesAtRisk(house, [row]);
  },
  run(call, input, worktreeLosses: string[]) {
    const row = requireAgent(call.house, call.principal, input.agent_id);
    if (!input.force) refuseToLose([...workAtRisk(call.house, row), ...worktreeLosses]);
    const finish = endAgents(call, [row]);
    return {
      target: row.agent_id,
      answer: async () => {
        return { agent_id: row.agent_id, name: row.name, deleted: true, ...(await finish()) };
      },
    };
  },
});

export const clearConversation = defineCommand({
  name: "clear_agent_conversation",
  title: "Close an agent's conversation",
  description:
    "Ends the agent's process and closes its tab; the agent, its queue and its tasks remain. Continue with " +
    "start_new_agent_conversation. Messages sent meanwhile stay queued.",
  level: "MEDIUM",
  effect: { readOnly: false, destructive: true, idempotent: true },
  waits: true,
  localOnly: false,
  input: z.strictObject({ agent_id: agentId, force }),
  output: z.looseObject({ agent_id: z.string(), state: z.string(), closed_conversation_id: z.string().nullable() }),
  run(call, input) {
    const { house } = call;
    const row = requireAgent(house, call.principal, input.agent_id);
    // Queued messages are not lost by this: they wait for the next conversation. A running turn is.
    if (!input.force) refuseToLose(workAtRisk(house, row).filter((loss) => !loss.includes("not delivered yet")));
    house.registry.patchAgent(row.agent_id, { desired: "closed", rest: "none", rest_reason: null });
    house.stoppedLoops.delete(row.agent_id);
    call.ring("agent", row.agent_id);
    return {
      target: row.agent_id,
      answer: async () => {
        await house.supervisor.stop(row.agent_id);
        house.courier.conversationEnded(row.agent_id);
        return { agent_id: row.agent_id, state: "closed", closed_conversation_id: row.conversation_id };
      },
    };
  },
});

export const startConversation = defineCommand({
  name: "start_new_agent_conversation",
  title: "Start a conversation for a closed agent",
  description:
    "Starts a process for an agent that has none (closed, exited, failed): a fresh conversation, or with resume the last one " +
    "continued. Queued messages are then delivered.",
  level: "MEDIUM",
  effect: { readOnly: false, destructive: false, idempotent: false },
  waits: true,
  localOnly: false,
  input: z.strictObject({
    agent_id: agentId,
    resume: z.boolean().default(false).describe("Continue the last conversation instead of beginning a new one."),
    initial_message: bodyField.optional().describe("Queued behind what already waits."),
    idempotency_key: idempotencyKey,
    wait_s: waitSeconds(30),
  }),
  output: startedAgentView,
  run(call, input) {
    const { house } = call;
    const row = requireAgent(house, call.principal, input.agent_id);
    const { state } = house.supervisor.view(row);
    if (!["closed", "exited", "failed", "crashed"].includes(state)) {
      throw new SignalboxError(
        "conflict",
        `${row.name} has a conversation already (it is ${state}).`,
        "Close it with clear_agent_conversation first.",
      );
    }
    house.registry.patchAgent(row.agent_id, {
      desired: "running",
      rest: "none",
      rest_reason: null,
      exits: "[]",
      ...(input.resume ? {} : { conversation_id: house.ids.conversation() }),
    });
    if (input.initial_message !== undefined) acceptMessage(call, row, { body: input.initial_message });
    call.ring("agent", row.agent_id);
    call.note({ resume: input.resume });
    return {
      target: row.agent_id,
      answer: async () => {
        await house.supervisor.start(row.agent_id);
        return await untilStarted(call, row, input.wait_s);
      },
    };
  },
  again: startedAgain,
});

export const waitForAgent = defineCommand({
  name: "wait_for_agent",
  title: "Wait for an agent's state",
  description:
    "Waits until the agent is ready (its turn is over), waiting (a person must answer), exited (no process) or any of these, and " +
    "answers the state. timed_out is true when the time ran out first.",
  level: "LOW",
  effect: { readOnly: true, destructive: false, idempotent: true },
  waits: true,
  localOnly: false,
  input: z.strictObject({
    agent_id: agentId,
    until: z.enum(["ready", "waiting", "exited", "any"]).default("ready").describe("What to wait for."),
    wait_s: waitSeconds(30),
  }),
  output: z.looseObject({
    agent_id: z.string(),
    state: z.string(),
    waiting_for: waitingForView,
    timed_out: z.boolean(),
  }),
  run(call, input) {
    const row = requireAgent(call.house, call.principal, input.agent_id);
    return {
      target: row.agent_id,
      answer: async () => {
        const reached = await untilState(call, row.agent_id, UNTIL[input.until], input.wait_s);
        const view = call.house.supervisor.view(requireAgent(call.house, call.principal, row.agent_id));
        return {
          agent_id: row.agent_id,
          state: view.state,
          waiting_for: renderWaitingFor(view),
          timed_out: reached === null,
        };
      },
    };
  },
});

export const interruptAgent = defineCommand({
  name: "interrupt_agent",
  title: "Interrupt a running turn",
  description:
    "Stops the agent's running turn, as Esc does. The message of that turn ends as processed with failure interrupted.",
  level: "MEDIUM",
  effect: { readOnly: false, destructive: true, idempotent: true },
  waits: true,
  localOnly: false,
  input: z.strictObject({ agent_id: agentId }),
  output: z.looseObject({ agent_id: z.string(), state: z.string() }),
  run(call, input) {
    const { house } = call;
    const row = requireAgent(house, call.principal, input.agent_id);
    return {
      target: row.agent_id,
      answer: async () => {
        await house.supervisor.interrupt(row.agent_id);
        await untilState(call, row.agent_id, NOT_BUSY, INTERRUPT_WAIT_S);
        const now = requireAgent(house, call.principal, row.agent_id);
        return { agent_id: row.agent_id, state: house.supervisor.view(now).state };
      },
    };
  },
});

export const answerAgent = defineCommand({
  name: "answer_agent",
  title: "Answer an agent's question",
  description:
    "Answers what an agent waits for (waiting_for in get_session_status): allow, deny, or one of the options by its label. Ask the " +
    "person first; this is their decision.",
  level: "HIGH",
  effect: { readOnly: false, destructive: true, idempotent: false },
  waits: true,
  localOnly: false,
  input: z.strictObject({
    agent_id: agentId,
    request_id: z.string().min(1).max(100).describe("The request, from waiting_for."),
    decision: z.string().min(1).max(1_000).describe("allow, deny, or an option's label."),
    reason: text(2_000, "Told to the agent with a denial."),
  }),
  output: z.looseObject({ agent_id: z.string(), request_id: z.string(), decision: z.string() }),
  run(call, input) {
    const { house } = call;
    const row = requireAgent(house, call.principal, input.agent_id);
    call.note({
      request: input.request_id,
      decision: input.decision === "allow" || input.decision === "deny" ? input.decision : "option",
    });
    return {
      target: row.agent_id,
      answer: async () => {
        const { agent_id } = row;
        const { request_id, decision } = input;
        await house.supervisor.answer(agent_id, request_id, { choice: decision, reason: input.reason ?? null });
        await waitUntil(house, {
          topic: "agent",
          id: agent_id,
          waitMs: ANSWER_WAIT_MS,
          signal: call.context.signal,
          progress: () => call.context.progress(`${row.name} is taking the answer`),
          check: () => {
            const now = house.registry.agent(agent_id);
            const open = now === undefined ? null : house.supervisor.view(now).request;
            return open?.requestId === request_id ? null : true;
          },
        });
        return { agent_id, request_id, decision };
      },
    };
  },
});

/** An answered dialog closes within a frame or two; the caller should not see it listed again. */
const ANSWER_WAIT_MS = 5_000;
/** Esc ends a turn in well under a second, a tool that ignores it takes longer; then the state so far is the answer. */
const INTERRUPT_WAIT_S = 5;

const ENDED: readonly AgentState[] = ["closed", "exited", "crashed", "failed"];
const NOT_BUSY: readonly AgentState[] = AGENT_STATES.filter((state) => state !== "working" && state !== "waiting");
/** Whoever waits for `ready` must not wait for ever on an agent that has given up. */
const UNTIL: Record<"ready" | "waiting" | "exited" | "any", readonly AgentState[]> = {
  ready: ["ready", "closed", "exited", "failed"],
  waiting: ["waiting", "closed", "exited", "failed"],
  exited: ENDED,
  any: ["ready", "waiting", "closed", "exited", "failed"],
};

function untilState(call: Call, id: AgentId, states: readonly AgentState[], waitS: number): Promise<AgentState | null> {
  const { house } = call;
  let seen: AgentState | null = null;
  return waitUntil(house, {
    topic: "agent",
    id,
    waitMs: waitS * 1_000,
    signal: call.context.signal,
    progress: () => call.context.progress(`the agent is ${seen ?? "gone"}`),
    check: () => {
      seen = house.supervisor.view(requireAgent(house, call.principal, id)).state;
      return states.includes(seen) ? seen : null;
    },
  });
}

async function startOrUndo(call: Call, row: AgentRow): Promise<void> {
  const { house } = call;
  try {
    await house.supervisor.start(row.agent_id);
  } catch (error) {
    // Nothing of a failed creation stays behind: the caller has an error and no agent.
    const finish = house.db.transaction(() => endAgents(call, [row]));
    await finish();
    throw error;
  }
}

async function untilStarted(call: Call, row: AgentRow, waitS: number) {
  await untilState(call, row.agent_id, ["ready", "working", "waiting", "exited", "failed", "closed"], waitS);
  const { house } = call;
  return renderStartedAgent(house.supervisor.view(requireAgent(house, call.principal, row.agent_id)));
}

function nextName(peers: readonly Pick<AgentRow, "name">[]): string {
  let number = 1;
  while (peers.some((peer) => peer.name === `Agent_${number}`)) number += 1;
  return `Agent_${number}`;
}
