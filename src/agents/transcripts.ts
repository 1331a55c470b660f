// Reading an agent's transcript, the second witness beside its hooks. The kind understands the text; this finds the file.

import type { AgentId, ConversationId } from "../kernel/ids.ts";
import type { AgentKind, AgentKindName, TranscriptReading } from "./kind.ts";
import type { Outside } from "./outside.ts";
import type { Registry } from "./registry.ts";

/** Some dozens of API attempts with their errors; the prompt of the turn lies before them and is not needed. */
const API_TAIL_BYTES = 128 * 1024;

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
  const read = (agentId: AgentId, how: (path: string) => string | null, conversation: ConversationId | null = null) => {
    const row = registry.anyAgent(agentId);
    const kind = row === undefined ? undefined : kinds.get(row.kind);
    const id = conversation ?? row?.conversation_id ?? null;
    if (row === undefined || kind === undefined || id === null) return null;
    const text = how(kind.transcriptPath(agentEnv, row.cwd, id));
    return text === null ? null : { kind, text };
  };
  // A conversation that was never prompted has no file yet, which says something; one that cannot be read says nothing.
  const textIfAny = (path: string) => (outside.exists(path) ? outside.readText(path) : "");
  const aboutIn = (agentId: AgentId, marker: string, conversation: ConversationId | null) => {
    const found = read(agentId, textIfAny, conversation);
    return found === null ? null : found.kind.readTranscript(found.text, marker);
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
      const found = read(agentId, outside.readText);
      return found === null ? null : found.kind.renderTranscript(found.text, lines);
    },
    apiTrouble(agentId) {
      const found = read(agentId, (path) => outside.readTail(path, API_TAIL_BYTES));
      return found === null ? null : found.kind.readTranscript(found.text, "").apiError;
    },
  };
}
