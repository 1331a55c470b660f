// When a turn is over, and how. Its Stop or StopFailure hook says so; a turn that fell silent (Esc, a death, a lost hook) is
// judged by its transcript after a short grace. What is delivered here becomes `processed`; nothing is sent from here.

import type { TranscriptReading } from "../agents/kind.ts";
import type { AgentState } from "../agents/lifecycle.ts";
import type { Clock, Timer } from "../kernel/clock.ts";
import type { AgentId, MessageId } from "../kernel/ids.ts";
import { isWhole, letterOf, markerOf } from "./envelope.ts";
import type { Ledger } from "./ledger.ts";
import type { Lines } from "./lines.ts";
import type { Mailbox, MessageRow } from "./mailbox.ts";
import { isBeforeGate } from "./traces.ts";

/** A turn's Stop hook comes 45-66 ms before the session file says idle (measured). A turn that went idle without one for
 *  this long was interrupted or failed, and the transcript (flushed within 120 ms) says which. */
const TURN_GRACE_MS = 1_000;

/** A program short of time may show a prompt that it has taken already: so often, a grace apart, it is to be seen. */
const RETURNED_LOOKS = 2;

/** One whose transcript shows no end either may run in a program that gets no time: 3.2 s without a sign were measured. */
const OPEN_GRACE_MS = 8_000;

/** The session file follows a prompt's hook by up to 78 ms (measured). Until then what it says may be of the turn before. */
const FILE_LAG_MS = 150;

/** States in which a turn may still be running. */
const RUNNING: ReadonlySet<AgentState | null> = new Set<AgentState>(["working", "waiting", "starting"]);

export interface TurnEnd {
  reply: string | null;
  failure: { code: string; message: string } | null;
}

export interface Turns {
  /** Looks whether delivered messages of the agent lost their turn. */
  watch(agentId: AgentId): void;
  /** Judges at once a turn that went idle in silence, because the next one is about to be confused with it. */
  endGrace(agentId: AgentId): void;
  /** What the transcript shows of this delivered message: its turn, the message in the program's own queue, or nothing (yet). */
  standing(row: MessageRow): "begun" | "queued" | "unseen";
  /** The agent is about to take a prompt, a person's or ours. */
  prompted(agentId: AgentId): void;
  /** The running turn has ended: everything delivered is done. */
  finish(agentId: AgentId, end: TurnEnd): void;
  detach(): void;
}

export function createTurns(deps: {
  mailbox: Mailbox;
  ledger: Ledger;
  lines: Lines;
  clock: Clock;
  /** The queue may go on. */
  judged: (agentId: AgentId) => void;
}): Turns {
  const { mailbox, ledger, lines, clock } = deps;
  const graces = new Map<AgentId, Timer>();
  const bornAt = clock.now();
  /** When each message was delivered, on the clock that never jumps. */
  const deliveredAtMs = new Map<MessageId, number>();
  ledger.onMove((row, to) => {
    if (to === "delivered") deliveredAtMs.set(row.message_id, clock.monotonicMs());
    else deliveredAtMs.delete(row.message_id);
  });
  /** Prompts told of since the last turn's end. */
  const prompts = new Map<AgentId, number>();

  const end = (row: MessageRow, { reply, failure }: TurnEnd) => {
    const now = clock.now();
    ledger.move(row, "processed", {
      processed_at: now,
      ended_at: now,
      reply,
      failure_code: failure?.code ?? null,
      failure_message: failure?.message ?? null,
    });
  };

  const transcriptOf = (row: MessageRow) =>
    lines.transcriptAbout(row.agent_id, markerOf(row.message_id), row.conversation_id);

  const closeSilent = (agentId: AgentId, which: (row: MessageRow) => boolean) => {
    const generation = lines.line(agentId)?.generation;
    for (const row of mailbox.inState(agentId, "delivered").filter(which)) {
      end(row, silentEnd(row.generation !== generation, transcriptOf(row)));
    }
  };

  /** Typed into a turn that a person had just begun, or handed over while one ran: the program keeps it for a turn of its own, which
   *  comes next. Where the transcript cannot be read, one that has not come by the gate may be kept still. */
  const isQueued = (row: MessageRow) => transcriptOf(row)?.isQueued ?? isBeforeGate(row);

  /** The transcript holds what ends a turn, or cannot be asked. */
  const hasEnd = (row: MessageRow) => {
    const transcript = transcriptOf(row);
    return transcript === null || transcript.interrupted || transcript.gaveUp || transcript.reply !== null;
  };

  /** Its prompt is there and nothing that ends a turn. */
  const isOpen = (row: MessageRow) => transcriptOf(row)?.hasMarker === true && !hasEnd(row);

  const isJustDelivered = ({ message_id }: MessageRow) =>
    clock.monotonicMs() - (deliveredAtMs.get(message_id) ?? Number.NEGATIVE_INFINITY) < FILE_LAG_MS;

  /** An interrupt before the model's first byte leaves no line in the transcript: the program puts the prompt back into its box. */
  const lookForReturned = (agentId: AgentId, seen: () => void): void => {
    const line = lines.line(agentId);
    line
      ?.look()
      .then(({ reading }) => {
        const isBack = (row: MessageRow) => isWhole(reading.draft, line.kind.typed(letterOf(row)));
        const open = mailbox.inState(agentId, "delivered").filter((row) => !hasEnd(row));
        const isIdle = lines.stateOf(agentId) === "ready" && !line.isStopped();
        if (graces.has(agentId) && isIdle && open.length > 0 && open.every(isBack)) seen();
      })
      .catch(() => {}); // It is looked again, and in the end the time decides.
  };

  const dropGrace = (agentId: AgentId): boolean => {
    graces.get(agentId)?.cancel();
    return graces.delete(agentId);
  };

  const endGrace = (agentId: AgentId, which: (row: MessageRow) => boolean = () => true) => {
    if (dropGrace(agentId)) closeSilent(agentId, (row) => which(row) && !isQueued(row));
  };

  return {
    endGrace: (agentId) => endGrace(agentId),
    watch(agentId) {
      const delivered = mailbox.inState(agentId, "delivered");
      if (delivered.length === 0) return void dropGrace(agentId);
      const generation = lines.line(agentId)?.generation;
      // Another process runs now, so the one that took these died, and nothing more will be heard of their turn.
      if (generation !== undefined && delivered.some((row) => row.generation !== generation)) {
        return closeSilent(agentId, (row) => row.generation !== generation);
      }
      // The prompt was idle and another turn has begun: whatever had been delivered belongs to the turn before.
      // Unless the transcript shows it open still, or cannot show it yet: its session file may be late to say that it runs.
      if (RUNNING.has(lines.stateOf(agentId))) return endGrace(agentId, (row) => !isJustDelivered(row) && !isOpen(row));
      if (lines.isLeftBehind(agentId)) return;
      if (graces.has(agentId)) return;
      const sinceMs = clock.monotonicMs();
      let returnedLooks = 0;
      const judge = () => {
        const isOld = clock.monotonicMs() - sinceMs >= OPEN_GRACE_MS;
        if (!isOld && mailbox.inState(agentId, "delivered").some((row) => !hasEnd(row))) {
          graces.set(agentId, clock.after(TURN_GRACE_MS, judge));
          return lookForReturned(agentId, () => {
            returnedLooks += 1;
            if (returnedLooks >= RETURNED_LOOKS) closeAll();
          });
        }
        closeAll();
      };
      const closeAll = () => {
        closeSilent(agentId, () => true);
        dropGrace(agentId); // Not before: while a full disk makes it wait, a new turn must find the grace and end it.
        deps.judged(agentId);
      };
      graces.set(agentId, clock.after(TURN_GRACE_MS, judge));
    },
    standing(row) {
      const transcript = transcriptOf(row);
      if (transcript?.hasMarker !== true) return "unseen";
      return transcript.isQueued ? "queued" : "begun";
    },
    prompted: (agentId) => void prompts.set(agentId, (prompts.get(agentId) ?? 0) + 1),
    finish(agentId, how) {
      // Two prompts and one end: a letter that the transcript does not show yet was queued behind a person's prompt, or is late
      // with its own; either way the transcript will say.
      const isOneOfTwo = (prompts.get(agentId) ?? 0) > 1;
      prompts.delete(agentId);
      // So does one that an earlier daemon delivered: its turn may have ended while nobody listened, and another one begun.
      const isDoubtful = (row: MessageRow) => isOneOfTwo || (row.delivered_at ?? 0) < bornAt;
      const isUnseen = (row: MessageRow) => isDoubtful(row) && transcriptOf(row)?.hasMarker === false;
      for (const row of mailbox.inState(agentId, "delivered")) if (!isQueued(row) && !isUnseen(row)) end(row, how);
    },
    detach() {
      for (const timer of graces.values()) timer.cancel();
    },
  };
}

/** How a turn ended that ended without its hook. Without a failure: it ended well and only the hook was lost. */
function silentEnd(isDead: boolean, transcript: TranscriptReading | null): TurnEnd {
  const failed = (code: string, message: string): TurnEnd => ({ reply: null, failure: { code, message } });
  if (isDead) return failed("agent_crashed", "the agent ended during the turn");
  if (transcript?.interrupted) return failed("interrupted", "a person interrupted the turn");
  if (transcript?.apiError != null) return failed("api_error", transcript.apiError);
  if (transcript?.reply != null) return { reply: transcript.reply, failure: null };
  return failed("interrupted", "the turn ended without an answer");
}
