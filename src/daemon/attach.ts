// Joins a person's terminal to an agent's: finds the agent, checks that this person may type into it, connects the two ends.

import type { Duplex } from "node:stream";
import type { Principal } from "../access/principal.ts";
import { type House, requireAgent } from "../commands/house.ts";
import { SignalboxError } from "../kernel/errors.ts";
import { parseAttachTarget, serveViewer } from "../local/attach-frames.ts";

/** Rejects before anything is connected; the returned function connects. */
export async function attachViewer(
  house: House,
  { stream, principal, target }: { stream: Duplex; principal: Principal; target: Record<string, unknown> },
): Promise<() => void> {
  if (principal.role !== "owner" && principal.role !== "operator") {
    throw new SignalboxError(
      "permission_denied",
      `The role ${principal.role} may not attach.`,
      "Look with `signalbox logs AGENT`, or attach with --as operator.",
    );
  }
  const { agentId, size } = parseAttachTarget(target);
  const row = requireAgent(house, principal, agentId);
  const line = house.supervisor.line(row.agent_id);
  if (line === null) {
    throw new SignalboxError(
      "agent_not_running",
      `${row.name} has no running process.`,
      `Start it with \`signalbox agent start ${row.agent_id}\`.`,
    );
  }
  return () => void serveViewer(stream, (sink) => line.terminal.attach(sink, size));
}
