// What this room needs of the agents, as a port of four questions.

import type { TranscriptReading } from "../agents/kind.ts";
import type { AgentState } from "../agents/lifecycle.ts";
import type { Line } from "../agents/supervisor.ts";
import type { AgentId, ConversationId } from "../kernel/ids.ts";

export interface Lines {
  /** The running process's line; null while none runs. */
  line(agentId: AgentId): Line | null;
  /** null: there is no such agent. */
  stateOf(agentId: AgentId): AgentState | null;
  /** null: there is no transcript that could be read. */
  transcriptAbout(agentId: AgentId, marker: string, leasedTo: ConversationId | null): TranscriptReading | null;
}
