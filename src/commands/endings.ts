// Ending agents without losing work unseen: what would be lost is named first, and only `force` goes on regardless.

import type { AgentRow } from "../agents/registry.ts";
import { SignalboxError } from "../kernel/errors.ts";
import type { Call } from "./execute.ts";
import type { House } from "./house.ts";

/** What ending the agent's process now would lose, in words; empty when nothing. */
export function workAtRisk(house: House, row: AgentRow): string[] {
  const { state } = house.supervisor.view(row);
  const queued = house.mailbox.waiting(row.agent_id);
  return [
    ...(state === "working" && !house.supervisor.isTurnOver(row.agent_id)
      ? [`${row.name} is in the middle of a turn`]
      : []),
    ...(state === "waiting" ? [`${row.name} waits for an answer in the middle of a turn`] : []),
    ...(queued > 0 ? [`${row.name} has ${queued} message${queued === 1 ? "" : "s"} not delivered yet`] : []),
  ];
}

/** Throws `confirmation_required` naming the losses, if there are any. */
export function refuseToLose(losses: readonly string[]): void {
  if (losses.length === 0) return;
  throw new SignalboxError(
    "confirmation_required",
    `Work would be lost: ${losses.join("; ")}.`,
    "Wait for it, or repeat the call with force: true.",
  );
}

/** What deleting the agents would take with their worktrees, in words. Asks git, so it belongs before the transaction. */
export async function worktreesAtRisk(house: House, agents: readonly AgentRow[]): Promise<string[]> {
  return (await Promise.all(agents.map((row) => house.workplaces.atRisk(row)))).flat();
}

/** Marks the agents deleted (inside the caller's transaction) and gives back what ends their processes after the commit and
 *  resolves to what stays behind of their worktrees, in words. */
export function endAgents(call: Call, agents: readonly AgentRow[]): () => Promise<{ note?: string }> {
  const { house } = call;
  const now = house.clock.now();
  for (const row of agents) {
    for (const message of house.mailbox.inState(row.agent_id, "queued")) {
      if (message.attempts > 0) continue; // It may be with the agent all the same; that shows when the process is gone.
      house.mailbox.move(message, "failed", {
        ended_at: now,
        failure_code: "agent_deleted",
        failure_message: "the agent was deleted before the message was sent",
      });
      call.ring("message", message.message_id);
    }
    house.registry.removeAgent(row.agent_id, now);
    house.tokens.revokeAgent(row.agent_id);
    house.stoppedLoops.delete(row.agent_id);
    call.ring("agent", row.agent_id);
  }
  return async () => {
    const notes = (await Promise.all(agents.map((row) => endOne(house, row)))).filter((note) => note !== null);
    return notes.length === 0 ? {} : { note: notes.join(" ") };
  };
}

async function endOne(house: House, row: AgentRow): Promise<string | null> {
  await house.supervisor.stop(row.agent_id);
  house.courier.ring(row.agent_id);
  house.courier.conversationEnded(row.agent_id);
  return await house.workplaces.retire(row);
}
