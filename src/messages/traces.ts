// What there is to see of a message where the gate's word is missing: its agent's transcript, and for a process that is gone
// what its program noted down of the prompts it was about to take. The note alone does not say that the model was asked,
// because the program notes before its hooks have answered; of a process that is gone nothing better will ever be had.

import type { TranscriptReading } from "../agents/kind.ts";
import { markerOf } from "./envelope.ts";
import type { Lines } from "./lines.ts";
import type { MessagePatch, MessageRow } from "./mailbox.ts";

export interface Traces {
  /** null when it cannot be read although one should exist. */
  transcript: TranscriptReading | null;
  /** The process it was leased to is gone, and was about to take a prompt with it that the gate had not refused. */
  wasNoted: boolean;
}

export function tracesOf(lines: Lines, row: MessageRow): Traces {
  const { message_id, agent_id, generation, conversation_id, refused_prompts } = row;
  const header = markerOf(message_id);
  const transcript = lines.transcriptAbout(agent_id, header, conversation_id);
  if (generation === null || lines.line(agent_id)?.generation === generation) return { transcript, wasNoted: false };
  const refused = refused_prompts.split(" "); // never without "", so that a prompt without a name does not count
  const noted = lines.promptsNoted(agent_id, generation, header);
  return { transcript, wasNoted: noted.some((promptId) => !refused.includes(promptId)) };
}

/** What a row learns from traces that show its arrival; null where they do not. */
export function arrivalIn({ transcript, wasNoted }: Traces, now: number): MessagePatch | null {
  if (transcript?.hasMarker) return { delivered_at: now, evidence: "transcript" };
  return wasNoted ? { delivered_at: now, evidence: "prompt record" } : null;
}
