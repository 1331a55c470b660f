// The loop that brings messages to agents. It types only when the line is clear (an idle, settled prompt with an empty box and
// no dialog), commits its intent before the keys and believes only the agent's own word that a message arrived. Deciding what a
// late confirmation means is delivery.ts's; knowing the agent's state is the supervisor's.

import type { AgentState } from "../agents/lifecycle.ts";
import type { Line } from "../agents/supervisor.ts";
import type { TranscriptReading } from "../agents/kind.ts";
import type { Clock, Timer } from "../kernel/clock.ts";
import { SignalboxError } from "../kernel/errors.ts";
import type { Events } from "../kernel/events.ts";
import type { AgentId, MessageId } from "../kernel/ids.ts";
import type { Log } from "../kernel/log.ts";
import type { Serial } from "../kernel/serial.ts";
import type { Database } from "../storage/database.ts";
import { resolveLate, type Step } from "./delivery.ts";
import { compose, isOurs, markerOf, messageIdIn, sanitise, wordsAround } from "./envelope.ts";
import type { Mailbox, MessageRow } from "./mailbox.ts";

/** The hook follows the Enter within 14-100 ms, tens of ms more for a megabyte (measured); later than this is late. */
const CONFIRM_MS = 2_000;
/** A turn's Stop hook comes 45-66 ms before the session file says idle (measured). A turn that went idle without one for
 *  this long was interrupted or failed, and the transcript (flushed within 120 ms) says which. */
const TURN_GRACE_MS = 1_000;

/** A person who has not touched a draft for this long is reading or away; before, it is theirs to finish. */
const DRAFT_QUIET_MS = 3_000;
const REDRAW_MS = 60;
/** A box that will not empty is left to its person. */
const CLEARS_MAX = 5;

export type GateAnswer = { is: "pass" } | { is: "block"; reason: string };

export interface Courier {
  /** Looks at the agent's queue; cheap when there is nothing to do. */
  ring(agentId: AgentId): void;
  /** The prompt an agent is about to take. Moves the message it carries to `delivered`, once; says whether it may pass. */
  gate(agentId: AgentId, prompt: string): GateAnswer;
  /** A letter for a turn that has just ended or for one that runs (urgent ones only), leased to that channel; null when there
   *  is none for it. The caller puts it into the hook's answer at once. */
  offer(agentId: AgentId, channel: "turn_end" | "mid_turn"): string | null;
  /** The model went on after an answer that carried a letter: it has it. */
  heard(agentId: AgentId, channel: "turn_end" | "mid_turn"): void;
  /** The running turn ended by itself with this last text. */
  turnEnded(agentId: AgentId, reply: string | null): void;
  /** The running turn ended by a failure of the model's API. */
  turnFailed(agentId: AgentId, error: string): void;
  /** The agent's conversation was ended on request. */
  conversationEnded(agentId: AgentId): void;
  /** After the daemon was away: judges what was in flight. Call when the supervisor has recovered. */
  recover(): void;
  detach(): void;
}

/** What the courier needs of the agents. */
export interface Lines {
  line(agentId: AgentId): Line | null;
  stateOf(agentId: AgentId): AgentState | null;
  transcriptAbout(agentId: AgentId, marker: string): TranscriptReading | null;
}

export function createCourier(deps: {
  db: Database;
  mailbox: Mailbox;
  lines: Lines;
  events: Events;
  clock: Clock;
  log: Log;
  serial: Serial;
}): Courier {
  const { db, mailbox, lines, events, clock, log, serial } = deps;
  const deadlines = new Map<MessageId, Timer>();
  /** Human key counts at the time of our keys: the box is ours only while the count stands still. */
  const keysAtWrite = new Map<MessageId, number>();
  const graces = new Map<AgentId, Timer>();
  const lastTyped = new Map<AgentId, { messageId: MessageId; terminal: Line["terminal"]; viewerInputs: number }>();
  /** A person's words that are to stand in the box again once it has been cleared. */
  const restores = new Map<AgentId, { words: string; tries: number }>();
  const drafts = new Map<AgentId, { draft: string; viewerInputs: number; sinceMs: number }>();
  const pumping = new Set<AgentId>();
  let expiryTimer: Timer | null = null;
  let isDetached = false;

  /** Commits the move, then rings. Returns false when another step was first. */
  const move = (row: MessageRow, to: Parameters<Mailbox["move"]>[1], patch: Parameters<Mailbox["move"]>[2]): boolean => {
    const moved = db.transaction(() => mailbox.move(row.message_id, to, patch));
    if (!moved) return false;
    if (to !== "sending") forget(row.message_id);
    log.info("message.state", { message: row.message_id, agent: row.agent_id, state: to });
    events.ring("message", row.message_id);
    return true;
  };

  const forget = (id: MessageId) => {
    deadlines.get(id)?.cancel();
    deadlines.delete(id);
    keysAtWrite.delete(id);
  };

  const ring = (agentId: AgentId) => {
    if (isDetached) return;
    watchTurn(agentId);
    const sending = mailbox.inState(agentId, "sending")[0];
    if (sending !== undefined) {
      // Its process died: no need to sit the deadline out. The transcript is flushed within 120 ms.
      if (lines.line(agentId) === null && !deadlines.has(sending.message_id)) arm(sending);
      return;
    }
    if (pumping.has(agentId) || lines.line(agentId)?.state !== "ready" || mailbox.next(agentId) === undefined) return;
    pumping.add(agentId);
    serial
      .run(agentId, () => deliverNext(agentId))
      .catch((error) => log.warn("courier.failed", { agent: agentId, message: String(error) }))
      .finally(() => {
        pumping.delete(agentId);
      });
  };

  const deliverNext = async (agentId: AgentId): Promise<void> => {
    const before = lines.line(agentId);
    if (before === null || before.state !== "ready") return;
    const { reading, viewerInputs } = await before.look();
    // From here to the lease nothing awaits: the line that was looked at is the line that is used.
    const line = lines.line(agentId);
    expireDue();
    const message = mailbox.next(agentId);
    if (line === null || message === undefined || mailbox.inState(agentId, "sending").length > 0) return;
    // The turn before has not been judged yet; its grace rings again.
    if (mailbox.inState(agentId, "delivered").length > 0) return;
    if (line.state !== "ready" || line.terminal !== before.terminal) return;
    // A dialog, or no box at all: the run keeps watching the screen and rings when that has changed.
    if (reading.promptBox === "absent" || reading.dialog !== null) return;
    if (reading.promptBox === "draft") return void (await clearTheWay(agentId, line, reading.draft, viewerInputs));
    drafts.delete(agentId);
    const restore = restores.get(agentId);
    if (restore !== undefined) {
      restores.delete(agentId);
      await line.terminal.write(line.kind.draftKeys(sanitise(restore.words)), { ifViewerInputs: viewerInputs });
      return ringSoon(agentId);
    }
    const leased = move(message, "sending", {
      sent_at: clock.now(),
      channel: "prompt",
      attempts: message.attempts + 1,
      generation: line.generation,
    });
    if (!leased) return;
    keysAtWrite.set(message.message_id, viewerInputs);
    arm(message);
    lastTyped.set(agentId, { messageId: message.message_id, terminal: line.terminal, viewerInputs });
    try {
      await line.terminal.write(line.kind.submitKeys(letterOf(message)), { ifViewerInputs: viewerInputs });
    } catch (error) {
      const code = error instanceof SignalboxError ? error.code : null;
      // `conflict`: a person typed in between and nothing was written. Anything else may have been written in part.
      if (code === "conflict") move(message, "queued", { attempts: message.attempts });
      log.info("courier.write_refused", { message: message.message_id, code });
    }
  };

  /** Something stands in the box. Our own leftovers are removed; a person's draft is put aside once it has been left alone
   *  for a while, and comes back after our submit. Either way the queue is looked at again afterwards. */
  const clearTheWay = async (agentId: AgentId, line: Line, draft: string, viewerInputs: number): Promise<void> => {
    const { keys } = line.kind;
    const last = lastTyped.get(agentId);
    const id = messageIdIn(draft) ?? last?.messageId ?? null;
    const ours = id === null ? undefined : mailbox.get(id);
    const restore = restores.get(agentId);
    if (restore !== undefined && restore.tries < CLEARS_MAX) {
      restore.tries += 1;
      await line.terminal.write(keys.clearLine.repeat(2 + 2 * draft.split("\n").length), { ifViewerInputs: viewerInputs });
      return ringSoon(agentId);
    }
    restores.delete(agentId);
    const untouched = last !== undefined && last.terminal === line.terminal && last.viewerInputs === viewerInputs;
    if (ours !== undefined && isOurs(draft, letterOf(ours), untouched)) {
      await line.terminal.write(keys.clearLine.repeat(2 + 2 * draft.split("\n").length), { ifViewerInputs: viewerInputs });
      return ringSoon(agentId);
    }
    const seen = drafts.get(agentId);
    const isSame = seen?.draft === draft && seen.viewerInputs === viewerInputs;
    if (!isSame) drafts.set(agentId, { draft, viewerInputs, sinceMs: clock.monotonicMs() });
    if (keys.stash === null) return;
    const quietMs = isSame ? clock.monotonicMs() - seen.sinceMs : 0;
    if (quietMs < DRAFT_QUIET_MS) return void clock.after(DRAFT_QUIET_MS - quietMs + 1, () => ring(agentId));
    await line.terminal.write(keys.stash, { ifViewerInputs: viewerInputs });
    ringSoon(agentId);
  };

  /** The program needs a moment to draw what our keys did. */
  const ringSoon = (agentId: AgentId) => void clock.after(REDRAW_MS, () => ring(agentId));

  const letterOf = (message: MessageRow): string =>
    compose({
      messageId: message.message_id,
      senderLabel: message.sender_label,
      task: message.task_id === null ? null : { id: message.task_id, title: message.task_title },
      body: message.body,
    });

  const arm = (message: Pick<MessageRow, "message_id">) => {
    deadlines.get(message.message_id)?.cancel();
    deadlines.set(
      message.message_id,
      clock.after(CONFIRM_MS, () => {
        judgeLate(message.message_id).catch((error) => {
          log.warn("courier.judge_failed", { message: message.message_id, error: String(error) });
          arm(message);
        });
      }),
    );
  };

  /** The confirmation is late: look at everything there is, decide, do it. */
  const judgeLate = async (id: MessageId): Promise<void> => {
    const agentId = mailbox.get(id)?.agent_id;
    if (agentId === undefined || isDetached) return;
    const lineBefore = lines.line(agentId);
    const sighting = lineBefore === null ? null : await lineBefore.look().catch(() => null);
    const row = mailbox.get(id);
    if (row === undefined || row.state !== "sending") return forget(id);
    const line = lines.line(agentId);
    const transcript = lines.transcriptAbout(agentId, markerOf(id));
    const step = resolveLate({
      attempts: row.attempts,
      transcript: transcript ?? (neverPrompted(agentId) ? { hasMarker: false } : null),
      line:
        line === null
          ? null
          : {
              state: line.state === "ready" && line.generation === row.generation ? "ready" : "busy",
              promptBox: sighting?.reading.promptBox ?? "absent",
              keysByPerson: keysAtWrite.get(id) !== sighting?.viewerInputs,
            },
    });
    await carryOut(row, line !== null && line.generation !== row.generation ? afterRestart(step) : step, line);
  };

  /** The process it was typed into is gone and another runs: its box cannot hold the message. */
  const afterRestart = (step: Step): Step =>
    step.do === "wait" ? { do: "return", reason: "the agent was restarted before taking it" } : step;

  const carryOut = async (row: MessageRow, step: Step, line: Line | null): Promise<void> => {
    const now = clock.now();
    log.info("message.late", { message: row.message_id, step: step.do });
    if (step.do === "confirm") {
      move(row, "delivered", { delivered_at: now, evidence: "transcript" });
      watchTurn(row.agent_id);
    }
    if (step.do === "wait") arm(row);
    if (step.do === "press_enter" && line !== null) {
      db.transaction(() => db.run("UPDATE messages SET attempts = attempts + 1 WHERE message_id = ?", [row.message_id]));
      arm(row);
      await line.terminal.write(line.kind.keys.enter, { ifViewerInputs: keysAtWrite.get(row.message_id) ?? -1 });
    }
    if (step.do === "return") {
      move(row, "queued", { channel: null });
      ring(row.agent_id);
    }
    if (step.do === "fail") {
      move(row, "failed", { ended_at: now, failure_code: "not_submitted", failure_message: step.reason });
    }
    if (step.do === "unknown") {
      move(row, "unknown", { ended_at: now, failure_code: "unknown", failure_message: step.reason });
    }
  };

  /** A conversation in which nothing was ever delivered has no transcript yet, and that is no fault of the transcript's. */
  const neverPrompted = (agentId: AgentId) =>
    mailbox.inState(agentId, "delivered").length === 0 && mailbox.inState(agentId, "processed").length === 0;

  /** Delivered messages of an agent whose turn is over without a word: ask the transcript why. */
  const watchTurn = (agentId: AgentId) => {
    const generation = lines.line(agentId)?.generation;
    const delivered = mailbox.inState(agentId, "delivered");
    // Another process runs now, so the one that took these died, and nothing more will be heard of their turn.
    if (generation !== undefined && delivered.some((row) => row.generation !== generation)) {
      return closeSilentTurns(agentId, (row) => row.generation !== generation);
    }
    const state = lines.stateOf(agentId);
    // The prompt was idle and another turn has begun: whatever had been delivered belongs to the turn before.
    if (state === "working" || state === "waiting" || state === "starting") return endGrace(agentId);
    if (graces.has(agentId) || delivered.length === 0) return;
    graces.set(
      agentId,
      clock.after(TURN_GRACE_MS, () => {
        graces.delete(agentId);
        closeSilentTurns(agentId, () => true);
        ring(agentId);
      }),
    );
  };

  /** Judges a turn that went idle in silence now, because the next one is about to be confused with it. */
  const endGrace = (agentId: AgentId) => {
    const grace = graces.get(agentId);
    if (grace === undefined) return;
    grace.cancel();
    graces.delete(agentId);
    closeSilentTurns(agentId, () => true);
  };

  const closeSilentTurns = (agentId: AgentId, which: (row: MessageRow) => boolean) => {
    if (isDetached) return;
    const generation = lines.line(agentId)?.generation;
    for (const row of mailbox.inState(agentId, "delivered").filter(which)) {
      const isDead = row.generation !== generation;
      const transcript = lines.transcriptAbout(agentId, markerOf(row.message_id));
      const failure = silentEnd(isDead, transcript);
      move(row, "processed", {
        processed_at: clock.now(),
        ended_at: clock.now(),
        reply: failure === null ? (transcript?.reply ?? null) : null,
        failure_code: failure?.code ?? null,
        failure_message: failure?.message ?? null,
      });
    }
  };

  /** A person's half-typed words and our letter became one prompt: the model gets neither, the person gets their words back
   *  into the box, and the message returns to the queue. */
  const sendBack = (row: MessageRow, around: { before: string; after: string }): GateAnswer => {
    const words = [around.before, around.after].filter((part) => part !== "").join(" ");
    restores.set(row.agent_id, { words, tries: 0 });
    if (row.state === "sending") move(row, "queued", { channel: null });
    ringSoon(row.agent_id);
    return { is: "block", reason: "a person's draft ran into this message; the draft is put back and the message sent again" };
  };

  const finishTurn = (agentId: AgentId, end: { reply: string | null; code: string | null; message: string | null }) => {
    for (const row of mailbox.inState(agentId, "delivered")) {
      move(row, "processed", {
        processed_at: clock.now(),
        ended_at: clock.now(),
        reply: end.reply,
        failure_code: end.code,
        failure_message: end.message,
      });
    }
  };

  const expireDue = () => {
    for (const row of mailbox.expired(clock.now())) {
      move(row, "expired", { ended_at: clock.now(), failure_code: "expired", failure_message: "its time ran out" });
    }
    armExpiry();
  };

  const armExpiry = () => {
    expiryTimer?.cancel();
    const at = mailbox.nextExpiry();
    // Wall times, so look again within the hour even when the clock was set back.
    expiryTimer = at === null ? null : clock.after(Math.min(Math.max(0, at - clock.now()), 3_600_000), expireDue);
  };

  const stopListening = [
    events.on("agent", (id) => ring(id as AgentId)),
    events.on("message", (id) => {
      const row = mailbox.get(id);
      if (row === undefined) return;
      if (row.expires_at !== null && row.state === "queued") armExpiry();
      ring(row.agent_id);
    }),
  ];

  return {
    ring,
    gate(agentId, prompt) {
      endGrace(agentId);
      const id = messageIdIn(prompt);
      if (id === null) return { is: "pass" };
      const row = mailbox.get(id);
      const isOwn = row !== undefined && row.agent_id === agentId;
      const kind = lines.line(agentId)?.kind;
      const letter = isOwn ? letterOf(row) : markerOf(id);
      const around = wordsAround(prompt, kind?.typed(letter) ?? letter, id);
      // A person quoting a header speaks for themselves; a bare letter that we did not send now is a forgery or a repeat.
      const isQuoted = around.before !== "" || (isOwn && around.after !== "");
      if (!isOwn) return isQuoted ? { is: "pass" } : { is: "block", reason: "signalbox sent this agent no such message" };
      const isAwaited = row.state === "sending" || row.state === "queued";
      if (!isAwaited) return isQuoted ? { is: "pass" } : { is: "block", reason: `message ${id} was ${row.state} already` };
      if (isQuoted) return sendBack(row, around);
      const isFirst = move(row, "delivered", { delivered_at: clock.now(), evidence: "UserPromptSubmit hook" });
      return isFirst ? { is: "pass" } : { is: "block", reason: `message ${id} was ${row.state} already` };
    },
    offer(agentId, channel) {
      expireDue();
      const line = lines.line(agentId);
      const message = mailbox.next(agentId);
      if (line === null || message === undefined || mailbox.inState(agentId, "sending").length > 0) return null;
      if (!suits(message, channel)) return null;
      const lease = { sent_at: clock.now(), channel, attempts: message.attempts + 1, generation: line.generation };
      if (!move(message, "sending", lease)) return null;
      arm(message);
      return letterOf(message);
    },
    heard(agentId, channel) {
      const sending = mailbox.inState(agentId, "sending")[0];
      if (sending?.channel !== channel) return;
      move(sending, "delivered", { delivered_at: clock.now(), evidence: "next hook of the turn" });
    },
    turnEnded: (agentId, reply) => finishTurn(agentId, { reply, code: null, message: null }),
    turnFailed: (agentId, error) => finishTurn(agentId, { reply: null, code: "api_error", message: error }),
    conversationEnded: (agentId) =>
      finishTurn(agentId, { reply: null, code: "interrupted", message: "the conversation was ended" }),
    recover() {
      expireDue();
      for (const agentId of mailbox.agentsWithOpenMessages()) {
        for (const row of mailbox.inState(agentId, "sending")) arm(row);
        ring(agentId);
      }
    },
    detach() {
      isDetached = true;
      for (const stop of stopListening) stop();
      for (const timer of [...deadlines.values(), ...graces.values()]) timer.cancel();
      expiryTimer?.cancel();
    },
  };
}

/** A person's orders are typed with a person's authority; what agents tell each other may come as a hook's feedback. A message
 *  that had to be taken back from a channel once is typed. */
function suits(message: MessageRow, channel: "turn_end" | "mid_turn"): boolean {
  if (message.attempts > 0) return false;
  return channel === "mid_turn" ? message.priority === "urgent" : message.sender.startsWith("agent:");
}

/** How a turn ended that ended without its hook. Null: it ended well and only the hook was lost. */
function silentEnd(isDead: boolean, transcript: TranscriptReading | null): { code: string; message: string } | null {
  if (isDead) return { code: "agent_crashed", message: "the agent ended during the turn" };
  if (transcript?.interrupted) return { code: "interrupted", message: "a person interrupted the turn" };
  if (transcript?.apiError != null) return { code: "api_error", message: transcript.apiError };
  if (transcript?.reply != null) return null;
  return { code: "interrupted", message: "the turn ended without an answer" };
}
