// The loop that brings messages to agents. It types only when the line is clear (an idle, settled prompt with an empty box and
// no dialog), commits its intent before the keys and believes only the agent's own word that a message arrived. Deciding what a
// late confirmation means is delivery.ts's; what is in the way in the box, prompt-box.ts's; when a turn is over, turns.ts's.

import type { Line } from "../agents/supervisor.ts";
import type { Clock, Timer } from "../kernel/clock.ts";
import { SignalboxError } from "../kernel/errors.ts";
import type { Events } from "../kernel/events.ts";
import type { AgentId, MessageId } from "../kernel/ids.ts";
import type { Log } from "../kernel/log.ts";
import type { Serial } from "../kernel/serial.ts";
import type { Database } from "../storage/database.ts";
import { resolveLate, type Step } from "./delivery.ts";
import { isOurs, isWhole, letterOf, markerOf } from "./envelope.ts";
import { createGate, type GateAnswer } from "./gate.ts";
import { createLedger } from "./ledger.ts";
import type { Lines } from "./lines.ts";
import type { Mailbox, MessageRow } from "./mailbox.ts";
import { createPromptBox } from "./prompt-box.ts";
import { createTurns } from "./turns.ts";

/** The hook follows the Enter within 14-100 ms, tens of ms more for a megabyte (measured); later than this is late. */
const CONFIRM_MS = 2_000;
/** A delivery that broke off (a terminal that cannot be asked, a full disk) is tried again after this. */
const TRY_AGAIN_MS = 1_000;
/** A program that has not read its keys for this long hangs, and will need a person rather than more keys. */
const KEYS_HELD_MS = 30_000;
/** Expiry is in wall time, so look again within the hour even when the clock was set back. */
const EXPIRY_LOOK_MAX_MS = 3_600_000;

/** Channels that are answers to the agent's own hooks. */
export type HookChannel = "turn_end" | "mid_turn";

export interface Courier {
  /** Looks at the agent's queue; cheap when there is nothing to do. */
  ring(agentId: AgentId): void;
  /** The prompt an agent is about to take. Moves the message it carries to `delivered`, once; says whether it may pass. */
  gate(agentId: AgentId, prompt: string): GateAnswer;
  /** A letter for a turn that has just ended or for one that runs (urgent ones only), leased to that channel; null when there
   *  is none for it. The caller puts it into the hook's answer at once. */
  offer(agentId: AgentId, channel: HookChannel): string | null;
  /** The agent's turn goes on after an answer that may have carried a letter: looks whether it has arrived. */
  heard(agentId: AgentId, channel: HookChannel): void;
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
  const ledger = createLedger({ db, mailbox, events, log });
  const box = createPromptBox({ mailbox, clock, ring: (agentId) => ring(agentId) });
  const turns = createTurns({ mailbox, ledger, lines, clock, judged: (agentId) => ring(agentId) });
  const gate = createGate({ mailbox, ledger, lines, box, clock });
  const deadlines = new Map<MessageId, Timer>();
  /** Human key counts at the time of our keys: the box is ours only while the count stands still. */
  const keysAtWrite = new Map<MessageId, number>();
  const keysHeldUntil = new Map<MessageId, number>();
  /** When it was handed over, or first seen as handed over by an earlier daemon. */
  const handedOverMs = new Map<MessageId, number>();
  const pumping = new Set<AgentId>();
  const rungMeanwhile = new Set<AgentId>();
  const rungNow = new Set<AgentId>();
  let expiryTimer: Timer | null = null;
  let isDetached = false;

  ledger.onMove((row, to) => {
    if (to === "sending") return;
    deadlines.get(row.message_id)?.cancel();
    deadlines.delete(row.message_id);
    keysAtWrite.delete(row.message_id);
    keysHeldUntil.delete(row.message_id);
    handedOverMs.delete(row.message_id);
  });

  const ring = (agentId: AgentId) => {
    try {
      if (!isDetached) serve(agentId);
    } catch (error) {
      tryAgain(agentId, error);
    }
  };

  /** One step of a message rings several times; one look at the queue afterwards answers all of them. */
  const ringOnce = (agentId: AgentId) => {
    if (rungNow.has(agentId)) return;
    rungNow.add(agentId);
    queueMicrotask(() => {
      rungNow.delete(agentId);
      ring(agentId);
    });
  };

  const tryAgain = (agentId: AgentId, error: unknown) => {
    log.warn("courier.failed", { agent: agentId, message: String(error) });
    clock.after(TRY_AGAIN_MS, () => ring(agentId));
  };

  const serve = (agentId: AgentId) => {
    turns.watch(agentId);
    const line = lines.line(agentId);
    const sending = mailbox.inState(agentId, "sending")[0];
    if (sending !== undefined) {
      // Its process died: its deadline went with it, or a new one is due. The transcript is flushed within 120 ms.
      if (line === null && !deadlines.has(sending.message_id)) arm(sending);
      return;
    }
    const next = mailbox.next(agentId);
    if (line === null || next === undefined || line.isLimited) return;
    const work = goesByPeer(line, next) ? handOver : line.state === "ready" ? deliverNext : null;
    if (work === null) return;
    if (pumping.has(agentId)) return void rungMeanwhile.add(agentId);
    pumping.add(agentId);
    serial
      .run(agentId, () => work(agentId))
      .catch((error) => tryAgain(agentId, error))
      .finally(() => {
        pumping.delete(agentId);
        if (rungMeanwhile.delete(agentId)) ring(agentId);
      });
  };

  const deliverNext = async (agentId: AgentId): Promise<void> => {
    const before = lines.line(agentId);
    if (before === null || before.state !== "ready" || isDetached || box.isRedrawing(agentId)) return;
    const { reading, viewerInputs } = await before.look();
    // From here to the lease nothing awaits: the line that was looked at is the line that is used.
    const line = lines.line(agentId);
    expireDue();
    const message = mailbox.next(agentId);
    if (isDetached || line === null || message === undefined || mailbox.inState(agentId, "sending").length > 0) return;
    // The turn before has not been judged yet; its grace rings again.
    if (mailbox.inState(agentId, "delivered").length > 0) return;
    if (line.state !== "ready" || line.terminal !== before.terminal) return;
    // A dialog, or no box at all: the run keeps watching the screen and rings when that has changed.
    if (reading.promptBox === "absent" || reading.dialog !== null) return;
    if (box.wasJustTouched(agentId, viewerInputs)) return;
    if (reading.promptBox === "draft") return await box.clear(agentId, line, { draft: reading.draft, viewerInputs });
    if (await box.restore(agentId, line, viewerInputs)) return;
    await type(line, message, viewerInputs);
  };

  /** A peer's message needs no clear prompt: the program itself takes it between two model calls. */
  const handOver = async (agentId: AgentId): Promise<void> => {
    expireDue();
    const line = lines.line(agentId);
    const message = mailbox.next(agentId);
    if (isDetached || line === null || message === undefined || mailbox.inState(agentId, "sending").length > 0) return;
    if (line.peer === null || !goesByPeer(line, message)) return;
    const { generation, conversationId: conversation_id } = line;
    const lease = { sent_at: clock.now(), attempts: message.attempts + 1, generation, conversation_id };
    if (!ledger.move(message, "sending", { ...lease, channel: "peer" })) return;
    arm(message);
    try {
      await db.durable();
      await line.peer(letterOf(message), `${message.sender_label} ${message.message_id}`);
    } catch (error) {
      // Perhaps written in part; the transcript decides when the deadline has passed, and then it is typed.
      log.info("courier.peer_refused", { message: message.message_id, error: String(error) });
    }
  };

  const type = async (line: Line, message: MessageRow, viewerInputs: number): Promise<void> => {
    const leased = ledger.move(message, "sending", {
      sent_at: clock.now(),
      channel: "prompt",
      attempts: message.attempts + 1,
      generation: line.generation,
      conversation_id: line.conversationId,
    });
    if (!leased) return;
    keysAtWrite.set(message.message_id, viewerInputs);
    arm(message);
    box.typed(message.agent_id, { messageId: message.message_id, terminal: line.terminal, viewerInputs });
    if (!(await isStillClear(line, message))) return;
    try {
      await line.terminal.write(line.kind.submitKeys(letterOf(message)), { ifViewerInputs: viewerInputs });
    } catch (error) {
      const code = error instanceof SignalboxError ? error.code : null;
      // `conflict`: a person typed in between and nothing was written. Anything else may have been written in part.
      if (code === "conflict") ledger.move(message, "queued", { attempts: message.attempts, channel: null });
      // The terminal holds the keys until the program reads again: typed once more, they would arrive twice.
      if (code === "timeout") keysHeldUntil.set(message.message_id, clock.monotonicMs() + KEYS_HELD_MS);
      log.info("courier.write_refused", { message: message.message_id, code });
    }
  };

  /** The intent is on the disk before the keys. In that moment a turn may have begun or the process gone: then nothing was
   *  typed, and the message goes back as if it had never been taken. */
  const isStillClear = async (line: Line, message: MessageRow): Promise<boolean> => {
    await db.durable();
    if (isDetached || mailbox.get(message.message_id)?.state !== "sending") return false;
    const now = lines.line(message.agent_id);
    if (now?.state === "ready" && now.terminal === line.terminal) return true;
    ledger.move(message, "queued", { attempts: message.attempts, channel: null });
    return false;
  };

  const arm = (message: Pick<MessageRow, "message_id">) => {
    deadlines.get(message.message_id)?.cancel();
    if (!handedOverMs.has(message.message_id)) handedOverMs.set(message.message_id, clock.monotonicMs());
    deadlines.set(
      message.message_id,
      clock.after(CONFIRM_MS, () => {
        judgeLate(message.message_id).catch((error) => {
          log.warn("courier.judge_failed", { message: message.message_id, error: String(error) });
          if (!isDetached) arm(message);
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
    if (row === undefined || row.state !== "sending" || isDetached) return;
    const line = lines.line(agentId);
    const isSameProcess = line !== null && line.generation === row.generation;
    if (isSameProcess && sighting !== null) recogniseBox(row, line, sighting);
    const transcript = lines.transcriptAbout(agentId, markerOf(id), row.conversation_id);
    const step = resolveLate({
      attempts: row.attempts,
      waitedMs: clock.monotonicMs() - (handedOverMs.get(id) ?? clock.monotonicMs()),
      transcript,
      // Another process runs now: what was typed went down with the one before, and its box says nothing.
      line: isSameProcess
        ? {
            state: line.state === "ready" ? "ready" : "busy",
            // What went into a hook's answer was never in the box, whatever stands there.
            promptBox: row.channel === "prompt" ? (sighting?.reading.promptBox ?? "absent") : "empty",
            // Keys that nobody counts (a person in the same tmux) show in what stands there.
            keysByPerson:
              keysAtWrite.get(id) !== sighting?.viewerInputs ||
              !isOurs(sighting?.reading.draft ?? "", line.kind.typed(letterOf(row)), true),
          }
        : null,
    });
    const areKeysHeld = isSameProcess && (keysHeldUntil.get(id) ?? 0) > clock.monotonicMs();
    const next: Step = areKeysHeld && step.do !== "confirm" ? { do: "wait" } : step;
    log.info("message.late", { message: id, step: next.do });
    await carryOut(row, next, line);
  };

  /** Where the letter stands whole, the box is ours whatever was pressed meanwhile: a person's keys went to a dialog, or the
   *  daemon that typed it has died and its count of human keys with it. */
  const recogniseBox = (row: MessageRow, line: Line, { reading, viewerInputs }: Awaited<ReturnType<Line["look"]>>) => {
    if (isWhole(reading.draft, line.kind.typed(letterOf(row)))) keysAtWrite.set(row.message_id, viewerInputs);
  };

  const carryOut = async (row: MessageRow, step: Step, line: Line | null): Promise<void> => {
    const now = clock.now();
    switch (step.do) {
      case "confirm":
        ledger.move(row, "delivered", { delivered_at: now, evidence: "transcript" });
        return turns.watch(row.agent_id);
      case "wait":
        return arm(row);
      case "press_enter":
        db.run("UPDATE messages SET attempts = attempts + 1 WHERE message_id = ?", [row.message_id]);
        arm(row);
        return await line?.terminal.write(line.kind.keys.enter, {
          ifViewerInputs: keysAtWrite.get(row.message_id) ?? -1,
        });
      case "return":
        // Nobody is left to return it to.
        if (lines.stateOf(row.agent_id) === null) {
          return void ledger.move(
            row,
            "failed",
            verdict(now, "agent_deleted", "the agent was deleted before taking it"),
          );
        }
        ledger.move(row, "queued", { channel: null });
        return ring(row.agent_id);
      case "fail":
        return void ledger.move(row, "failed", verdict(now, "not_submitted", step.reason));
      case "unknown":
        return void ledger.move(row, "unknown", verdict(now, "unknown", step.reason));
    }
  };

  const expireDue = () => {
    const now = clock.now();
    for (const row of mailbox.expired(now)) ledger.move(row, "expired", verdict(now, "expired", "its time ran out"));
    armExpiry();
  };

  const armExpiry = () => {
    expiryTimer?.cancel();
    const at = mailbox.nextExpiry();
    const waitMs = at === null ? null : Math.min(Math.max(0, at - clock.now()), EXPIRY_LOOK_MAX_MS);
    expiryTimer = waitMs === null || isDetached ? null : clock.after(waitMs, expireDue);
  };

  const stopListening = [
    events.on("agent", (id) => ringOnce(id as AgentId)),
    events.on("message", (id) => {
      const row = mailbox.get(id);
      if (row === undefined || isDetached) return;
      if (row.expires_at !== null && row.state === "queued") armExpiry();
      ringOnce(row.agent_id);
    }),
  ];

  return {
    ring,
    gate(agentId, prompt) {
      turns.endGrace(agentId);
      return gate(agentId, prompt);
    },
    offer(agentId, channel) {
      expireDue();
      const line = lines.line(agentId);
      const message = mailbox.next(agentId);
      if (line === null || message === undefined || mailbox.inState(agentId, "sending").length > 0) return null;
      if (!suits(message, channel)) return null;
      // What the program still keeps in its own queue came first and goes first.
      if (channel === "turn_end" && mailbox.inState(agentId, "delivered").length > 0) return null;
      const { generation, conversationId: conversation_id } = line;
      const lease = { sent_at: clock.now(), channel, attempts: message.attempts + 1, generation, conversation_id };
      if (!ledger.move(message, "sending", lease)) return null;
      arm(message);
      return letterOf(message);
    },
    heard(agentId, channel) {
      const sending = mailbox.inState(agentId, "sending")[0];
      if (sending?.channel !== channel) return;
      // That the turn goes on does not say that our answer was heard: the transcript does, a moment later than the hook.
      const transcript = lines.transcriptAbout(agentId, markerOf(sending.message_id), sending.conversation_id);
      if (transcript?.hasMarker !== true) return;
      ledger.move(sending, "delivered", { delivered_at: clock.now(), evidence: "transcript" });
    },
    turnEnded: (agentId, reply) => turns.finish(agentId, { reply, failure: null }),
    turnFailed: (agentId, message) => turns.finish(agentId, { reply: null, failure: { code: "api_error", message } }),
    conversationEnded: (agentId) =>
      turns.finish(agentId, { reply: null, failure: { code: "interrupted", message: "the conversation was ended" } }),
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
      for (const timer of deadlines.values()) timer.cancel();
      turns.detach();
      expiryTimer?.cancel();
    },
  };
}

/** A person's orders are typed with a person's authority; what agents tell each other may come as a hook's feedback. A message
 *  that had to be taken back from a channel once is typed. */
function suits(message: MessageRow, channel: HookChannel): boolean {
  if (message.attempts > 0) return false;
  return channel === "mid_turn" ? message.priority === "urgent" : isFromAgent(message);
}

function isFromAgent(message: MessageRow): boolean {
  return message.sender.startsWith("agent:");
}

/** Best of all for what agents tell each other: another session's authority, and neither draft nor dialog is touched. Not
 *  twice: what the socket lost in silence once is typed. */
function goesByPeer(line: Line, message: MessageRow): boolean {
  if (line.peer === null || message.attempts > 0 || !isFromAgent(message)) return false;
  return line.state === "ready" || line.state === "working" || line.state === "waiting";
}

function verdict(now: number, code: string, reason: string) {
  return { ended_at: now, failure_code: code, failure_message: reason };
}
