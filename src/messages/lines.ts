// What this room needs of the agents, as a port of six questions.

import type { TranscriptReading } from "../agents/kind.ts";
import type { AgentState } from "../agents/lifecycle.ts";
import type { Line } from "../agents/supervisor.ts";
import type { AgentId, ConversationId } from "../kernel/ids.ts";

export interface Lines {
  /** The running process's line; null while none runs. */
  line(agentId: AgentId): Line | null;
  /** null: there is no such agent. */
  stateOf(agentId: AgentId): AgentState | null;
  /** True while a process may run that was to end: its turn is not over yet. */
  isLeftBehind(agentId: AgentId): boolean;
  /** null: there is no transcript that could be read. */
  transcriptAbout(agentId: AgentId, marker: string, leasedTo: ConversationId | null): TranscriptReading | null;
  /** The program's own names of the prompts with this header that one process of the agent was about to take, as it noted them
   *  down; empty where it does not. */
  promptsNoted(agentId: AgentId, generation: number, header: string): readonly string[];
}
