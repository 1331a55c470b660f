// Reading an agent's transcript, the second witness beside its hooks. The kind understands the text; this finds the file.

import type { AgentId } from "../kernel/ids.ts";
import type { AgentKind, AgentKindName, TranscriptReading } from "./kind.ts";
import type { Outside } from "./outside.ts";
import type { Registry } from "./registry.ts";

/** Some dozens of API attempts with their errors; the prompt of the turn lies before them and is not needed. */
const API_TAIL_BYTES = 128 * 1024;

export interface Transcripts {
  /** What it says about one message; null when there is none to read. */
  about(agentId: AgentId, marker: string): TranscriptReading | null;
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
  const read = (agentId: AgentId, how: (path: string) => string | null) => {
    const row = registry.agent(agentId);
    const kind = row === undefined ? undefined : kinds.get(row.kind);
    if (row === undefined || kind === undefined || row.conversation_id === null) return null;
    const text = how(kind.transcriptPath(agentEnv, row.cwd, row.conversation_id));
    return text === null ? null : { kind, text };
  };
  return {
    about(agentId, marker) {
      // A conversation that was never prompted has no file yet, which says something; one that cannot be read says nothing.
      const found = read(agentId, (path) => (outside.exists(path) ? outside.readText(path) : ""));
      return found === null ? null : found.kind.readTranscript(found.text, marker);
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
