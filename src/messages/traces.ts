// What there is to see of a message where the gate's word is missing: its agent's transcript, and where that will never tell
// (the process is gone, or a person has cleared its conversation and the next one's transcript is read) what the program noted
// down of the prompts it was about to take. The note alone does not say that the model was asked, because the program notes
// before its hooks have answered.

import type { TranscriptReading } from "../agents/kind.ts";
import { markerOf } from "./envelope.ts";
import type { Lines } from "./lines.ts";
import type { MessagePatch, MessageRow } from "./mailbox.ts";

export interface Traces {
  /** null when it cannot be read although one should exist. */
  transcript: TranscriptReading | null;
  /** Whether the process it was leased to was about to take a prompt with it that the gate had not refused. `left`: it is gone
   *  since, or in another conversation, and no transcript will tell more. */
  noted: "no" | "yes" | "left";
}

/** The evidence of what rests on such a note. */
export const NOTE = "prompt record";

/** How a refused prompt is remembered that has no name. */
export const UNNAMED = "-";

/** The evidence of what the gate has let pass. */
export const HOOK = "UserPromptSubmit hook";

/** Known to be with its agent before it has come by the gate: what waits in the program's own queue is in its transcript already, and
 *  comes by when the model is to have it; what was noted down was so before the gate was asked. */
export function isBeforeGate({ state, channel, evidence }: MessageRow): boolean {
  return state === "delivered" && evidence !== HOOK && (channel === "peer" || evidence === NOTE);
}

export function tracesOf(lines: Lines, row: MessageRow): Traces {
  const { message_id, agent_id, generation, conversation_id, refused_prompts } = row;
  const header = markerOf(message_id);
  const transcript = lines.transcriptAbout(agent_id, header, conversation_id);
  if (generation === null) return { transcript, noted: "no" };
  const refused = refused_prompts.split(" "); // never without "", so that a prompt without a name does not count
  const isNoted = lines.promptsNoted(agent_id, generation, header).some((promptId) => !refused.includes(promptId));
  const line = lines.line(agent_id);
  const isStillThere = line?.generation === generation && line.conversationId === conversation_id;
  return { transcript, noted: isNoted ? (isStillThere ? "yes" : "left") : "no" };
}

/** How often the gate has kept a prompt with this message from the model. */
export function refusalsOf({ refused_prompts }: MessageRow): number {
  return refused_prompts.split(" ").length - 1;
}

/** Where a message is that is queued although it may have been handed over: with the agent all the same (an unheard refusal), certainly
 *  not, or not to be told yet, because the program may still be at it or its transcript cannot be read. Only what is `away` may
 *  get a verdict that says so, or be sent again. */
export type Whereabouts = { is: "away" } | { is: "arrived"; traces: Traces } | { is: "open" };

export function whereIs(lines: Lines, row: MessageRow): Whereabouts {
  if (row.attempts === 0) return { is: "away" };
  const traces = tracesOf(lines, row);
  if (traces.transcript?.hasMarker || traces.noted === "left") return { is: "arrived", traces };
  if (traces.transcript === null) return { is: "open" };
  const line = lines.line(row.agent_id);
  const isAtIt = line !== null && line.generation === row.generation && line.state !== "ready";
  return isAtIt ? { is: "open" } : { is: "away" };
}

/** What a row learns from traces that show its arrival. */
export function arrivalIn({ transcript }: Traces, now: number): MessagePatch {
  return { delivered_at: now, evidence: transcript?.hasMarker ? "transcript" : NOTE };
}
