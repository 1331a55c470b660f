// Reading an agent's transcript, the second witness beside its hooks. The kind understands the text; this finds the file.

import type { AgentId, ConversationId } from "../kernel/ids.ts";
import type { AgentKind, AgentKindName, TranscriptReading } from "./kind.ts";
import type { Outside } from "./outside.ts";
import type { Registry } from "./registry.ts";
import { createTranscriptFiles } from "./transcript-files.ts";
import { readTurn } from "./turn-lines.ts";

export interface Transcripts {
  /** What it says about one message, in the conversation of now or in the one the message was leased to (a person may have
   *  cleared it meanwhile); null when there is none to read. */
  about(agentId: AgentId, marker: string, leasedTo: ConversationId | null): TranscriptReading | null;
  /** Its last lines for a person. */
  render(agentId: AgentId, lines: number): string | null;
  /** What the model's API answers in the last turn, in words, if that failed. */
  apiTrouble(agentId: AgentId): string | null;
}

export function createTranscripts(deps: {
  registry: Registry;
  outside: Outside;
  kinds: ReadonlyMap<AgentKindName, AgentKind>;
  agentEnv: Readonly<Record<string, string>>;
}): Transcripts {
  const { registry, outside, kinds, agentEnv } = deps;
  const files = createTranscriptFiles(outside);

  const find = (agentId: AgentId, conversation: ConversationId | null = null) => {
    const row = registry.anyAgent(agentId);
    const kind = row === undefined ? undefined : kinds.get(row.kind);
    const id = conversation ?? row?.conversation_id ?? null;
    if (row === undefined || kind === undefined || id === null) return null;
    return { kind, path: kind.transcriptPath(agentEnv, row.cwd, id) };
  };
  const aboutIn = (agentId: AgentId, marker: string, conversation: ConversationId | null) => {
    const found = find(agentId, conversation);
    const lines = found === null ? null : files.lines(found.path, found.kind);
    return lines === null ? null : readTurn(lines, marker);
  };
  return {
    about(agentId, marker, leasedTo) {
      const then = leasedTo === null ? null : aboutIn(agentId, marker, leasedTo);
      const current = registry.anyAgent(agentId)?.conversation_id ?? null;
      if (then?.hasMarker || (leasedTo !== null && (current === null || current === leasedTo))) return then;
      const now = aboutIn(agentId, marker, null);
      return now?.hasMarker || leasedTo === null || then !== null ? now : null;
    },
    render(agentId, lines) {
      const found = find(agentId);
      const text = found === null ? null : outside.readText(found.path);
      return found === null || text === null ? null : found.kind.renderTranscript(text, lines);
    },
    apiTrouble: (agentId) => aboutIn(agentId, "", null)?.apiError ?? null,
  };
}
