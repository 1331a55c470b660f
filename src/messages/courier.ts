// The loop that brings messages to agents. It types only when the line is clear (an idle, settled prompt with an empty box and
// no dialog), commits its intent before the keys and believes only the agent's own word that a message arrived. What becomes of a
// message whose confirmation is late is confirmations.ts's; what is in the way in the box, prompt-box.ts's; when a turn is
// over, turns.ts's; when a message's time runs out, expiry.ts's.

import type { Sighting } from "../agents/run.ts";
import type { Line } from "../agents/supervisor.ts";
import type { Clock } from "../kernel/clock.ts";
import { SignalboxError } from "../kernel/errors.ts";
import type { Events } from "../kernel/events.ts";
import type { AgentId } from "../kernel/ids.ts";
import type { Log } from "../kernel/log.ts";
import type { Serial } from "../kernel/serial.ts";
import type { Database } from "../storage/database.ts";
import { createConfirmations } from "./confirmations.ts";
import { type HookChannel, isHookChannel, REFUSALS_MAX } from "./delivery.ts";
import { letterOf, markerOf } from "./envelope.ts";
import { createExpiry } from "./expiry.ts";
import { createGate, type GateAnswer, type Prompt } from "./gate.ts";
import { createLedger, verdict } from "./ledger.ts";
import type { Lines } from "./lines.ts";
import type { Mailbox, MessageRow } from "./mailbox.ts";
import { createPromptBox } from "./prompt-box.ts";
import { arrivalIn, refusalsOf, type Whereabouts, whereIs } from "./traces.ts";
import { createTurns } from "./turns.ts";

/** A delivery that broke off (a terminal that cannot be asked, a full disk) is tried again after this. */
const TRY_AGAIN_MS = 1_000;
/** A look at the screen that is older than this, because the disk took its time, is taken again before anything is typed. A sync
 *  takes some ms; a person needs as long for one key. */
const LOOK_HOLDS_MS = 50;
/** The transcript tells of a prompt within 120 ms (measured). */
const TRANSCRIPT_BEHIND_MS = 150;
const AGENT_DELETED = "the agent was deleted before the message was sent";

export interface Courier {
  /** Looks at the agent's queue; cheap when there is nothing to do. Of an agent that is deleted and its process gone, what is queued
   *  has failed, or had arrived all the same. */
  ring(agentId: AgentId): void;
  /** The prompt an agent is about to take. Moves the message it carries to `delivered`, once; says whether it may pass. `isHeard`:
   *  the program still waits for that; where it has gone on, with the prompt or without, its transcript will tell. */
  gate(agentId: AgentId, prompt: Prompt, isHeard: boolean): GateAnswer;
  /** A letter for a turn that has just ended or for one that runs (urgent ones only), leased to that channel; null when there
   *  is none for it. The caller puts it into the hook's answer at once. */
  offer(agentId: AgentId, channel: HookChannel): string | null;
  /** The answer that carries what was offered leaves now, a moment later than it was offered: the disk took its time. */
  offered(agentId: AgentId): void;
  /** The agent's turn goes on after an answer that may have carried a letter: looks whether it has arrived. */
  heard(agentId: AgentId, channel: HookChannel): void;
  /** The running turn ended by itself with this last text. */
  turnEnded(agentId: AgentId, reply: string | null): void;
  /** The running turn ended by a failure of the model's API. */
  turnFailed(agentId: AgentId, error: string): void;
  /** The agent's conversation was ended on request. */
  conversationEnded(agentId: AgentId): void;
  /** Whether a queued message may be said not to have arrived; false while that cannot be told, or when it has. */
  isAway(message: MessageRow): boolean;
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
  const ledger = createLedger({ mailbox, events, log });
  const box = createPromptBox({ mailbox, clock, ring: (agentId) => ring(agentId) });
  const turns = createTurns({ mailbox, ledger, lines, clock, judged: (agentId) => ring(agentId) });
  const gate = createGate({ mailbox, ledger, lines, box, clock });
  const confirmations = createConfirmations({
    mailbox,
    ledger,
    lines,
    clock,
    log,
    arrived: (agentId) => turns.watch(agentId),
    returned: (agentId) => ring(agentId),
    parted: box.owe,
  });
  /** Where a queued message is; one that has arrived is `delivered` from now on. */
  const locate = (message: MessageRow): Whereabouts["is"] => {
    const found = whereIs(lines, message);
    if (found.is === "arrived") ledger.move(message, "delivered", arrivalIn(found.traces, clock.now()));
    return found.is;
  };

  const expiry = createExpiry({ mailbox, ledger, clock, locate });
  const pumping = new Set<AgentId>();
  const rungMeanwhile = new Set<AgentId>();
  const rungNow = new Set<AgentId>();
  const rungLater = new Set<AgentId>();
  let isDetached = false;

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
    ringLater(agentId);
  };

  /** However often it is asked for meanwhile, it comes once. */
  const ringLater = (agentId: AgentId) => {
    if (rungLater.has(agentId)) return;
    rungLater.add(agentId);
    clock.after(TRY_AGAIN_MS, () => {
      rungLater.delete(agentId);
      ring(agentId);
    });
  };

  const serve = (agentId: AgentId) => {
    if (lines.stateOf(agentId) === null && !lines.isLeftBehind(agentId)) failQueued(agentId);
    turns.watch(agentId);
    const line = lines.line(agentId);
    const sending = mailbox.inState(agentId, "sending")[0];
    if (sending !== undefined) {
      // Its process died: its deadline went with it, or a new one is due. The transcript is flushed within 120 ms.
      if (line === null && !confirmations.isExpected(sending)) confirmations.expect(sending);
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
    const seen = await before.look();
    const { reading, viewerInputs } = seen;
    // From here to the lease nothing awaits: the line that was looked at is the line that is used.
    const line = lines.line(agentId);
    expiry.endDue();
    const message = mailbox.next(agentId);
    if (isDetached || line === null || message === undefined || mailbox.inState(agentId, "sending").length > 0) return;
    // The turn before has not been judged yet; its grace rings again.
    if (mailbox.inState(agentId, "delivered").length > 0) return;
    if (line.state !== "ready" || line.terminal !== before.terminal) return;
    // A dialog, or no box at all: the run keeps watching the screen and rings when that has changed.
    if (reading.promptBox === "absent" || reading.dialog !== null) return;
    if (box.wasJustTouched(agentId, line.terminal, viewerInputs)) return;
    if (reading.promptBox === "draft") return await box.clear(agentId, line, { ...reading, viewerInputs });
    if (await box.restore(agentId, line, viewerInputs)) return;
    // It may have come back from an attempt and gone in all the same: an agent that does not hear the gate's refusal goes on with
    // the prompt.
    const where = locate(message);
    if (where === "open") return ringLater(agentId);
    if (where === "arrived") return;
    if (refusalsOf(message) >= REFUSALS_MAX) {
      const why = `the gate kept its prompt from the model ${REFUSALS_MAX} times, because it was not the message alone`;
      return void ledger.move(message, "failed", verdict(clock.now(), "not_submitted", why));
    }
    if (!expiry.endIfDue(message)) await type(line, message, seen);
  };

  /** A peer's message needs no clear prompt: the program itself takes it between two model calls. */
  const handOver = async (agentId: AgentId): Promise<void> => {
    expiry.endDue();
    const line = lines.line(agentId);
    const message = mailbox.next(agentId);
    if (isDetached || line === null || message === undefined || mailbox.inState(agentId, "sending").length > 0) return;
    if (line.peer === null || !goesByPeer(line, message) || wouldOvertake(agentId)) return;
    const { generation, conversationId: conversation_id } = line;
    const lease = { sent_at: clock.now(), attempts: message.attempts + 1, generation, conversation_id };
    if (!ledger.move(message, "sending", { ...lease, channel: "peer" })) return;
    confirmations.expect(message);
    try {
      await db.durable();
      // The disk may have taken so long that the message went back, or another way, meanwhile.
      if (!isStillLeased(message)) return;
      if (lines.line(agentId)?.terminal !== line.terminal)
        return void ledger.move(message, "queued", { attempts: message.attempts, channel: null });
      confirmations.left(message);
      await line.peer(letterOf(message), `${message.sender_label} ${message.message_id}`);
    } catch (error) {
      // Perhaps written in part; the transcript decides when the deadline has passed, and then it is typed.
      log.info("courier.peer_refused", { message: message.message_id, error: String(error) });
    }
  };

  /** What was typed while the program had a turn of its own waits in a queue that a peer's message does not see. When its turn comes,
   *  that rings; when nothing is to be seen of it yet, the transcript is a moment behind. */
  const wouldOvertake = (agentId: AgentId): boolean => {
    const typed = mailbox.inState(agentId, "delivered").filter((row) => row.channel === "prompt");
    const ahead = typed.map(turns.standing).filter((standing) => standing !== "begun");
    if (ahead.includes("unseen")) clock.after(TRANSCRIPT_BEHIND_MS, () => ring(agentId));
    return ahead.length > 0;
  };

  const type = async (line: Line, message: MessageRow, { viewerInputs, outputBytes }: Sighting): Promise<void> => {
    const leased = ledger.move(message, "sending", {
      sent_at: clock.now(),
      channel: "prompt",
      attempts: message.attempts + 1,
      generation: line.generation,
      conversation_id: line.conversationId,
    });
    if (!leased) return;
    // Where a person's keys may lie in the terminal that the program has not drawn yet, one of them could make our Enter mean
    // something else (`!` before a letter makes it a shell's). Then the letter goes first, and its Enter when it is seen to stand there.
    const isCareful = line.terminal.isShared || box.wasTouchedLately(message.agent_id);
    const letter = letterOf(message);
    confirmations.expect(message, viewerInputs);
    box.typed(message.agent_id, { messageId: message.message_id, terminal: line.terminal, viewerInputs });
    if (!(await isStillClear(line, message, viewerInputs))) return;
    try {
      confirmations.typing(message, { outputBytes, isWhole: !isCareful });
      const keys = isCareful ? line.kind.pasteKeys(letter) : line.kind.submitKeys(letter);
      await line.terminal.write(keys, { ifViewerInputs: viewerInputs });
    } catch (error) {
      const code = error instanceof SignalboxError ? error.code : null;
      // `conflict`: a person typed in between and nothing was written. Anything else may have been written in part.
      if (code === "conflict") ledger.move(message, "queued", { attempts: message.attempts, channel: null });
      if (code === "timeout") confirmations.keysAreHeld(message);
      else confirmations.maybeUnwritten(message);
      log.info("courier.write_refused", { message: message.message_id, code });
    }
  };

  /** `message` is the row of before the lease. */
  const isStillLeased = (message: MessageRow): boolean => {
    const now = mailbox.get(message.message_id);
    return !isDetached && now?.state === "sending" && now.attempts === message.attempts + 1;
  };

  /** The intent is on the disk before the keys. In that moment a turn may have begun or the process gone: then nothing was
   *  typed, and the message goes back as if it had never been taken. */
  const isStillClear = async (line: Line, message: MessageRow, viewerInputs: number): Promise<boolean> => {
    const askedMs = clock.monotonicMs();
    await db.durable();
    const isLookOld = clock.monotonicMs() - askedMs > LOOK_HOLDS_MS;
    const again = isLookOld ? await line.look() : null;
    if (!isStillLeased(message)) return false;
    const now = lines.line(message.agent_id);
    const isSame =
      again === null ||
      (again.viewerInputs === viewerInputs && again.reading.promptBox === "empty" && again.reading.dialog === null);
    if (now?.state === "ready" && now.terminal === line.terminal && isSame) return true;
    ledger.move(message, "queued", { attempts: message.attempts, channel: null });
    return false;
  };

  const failQueued = (agentId: AgentId) => {
    for (const row of mailbox.inState(agentId, "queued")) {
      const where = locate(row);
      if (where === "open") ringLater(agentId);
      else if (where === "away") ledger.move(row, "failed", verdict(clock.now(), "agent_deleted", AGENT_DELETED));
    }
  };

  const stopListening = [
    events.on("agent", (id) => ringOnce(id as AgentId)),
    events.on("message", (id) => {
      const row = mailbox.get(id);
      if (row === undefined || isDetached) return;
      expiry.expect(row);
      ringOnce(row.agent_id);
    }),
  ];

  return {
    ring,
    gate(agentId, prompt, isHeard) {
      turns.prompted(agentId);
      if (!isHeard) return { is: "pass" };
      turns.endGrace(agentId);
      return gate(agentId, prompt);
    },
    offer(agentId, channel) {
      expiry.endDue();
      const line = lines.line(agentId);
      const message = mailbox.next(agentId);
      if (line === null || message === undefined || mailbox.inState(agentId, "sending").length > 0) return null;
      if (!suits(message, channel)) return null;
      // What the program still keeps in its own queue came first and goes first.
      const delivered = mailbox.inState(agentId, "delivered");
      if (channel === "turn_end" ? delivered.length > 0 : delivered.some((row) => turns.standing(row) !== "begun"))
        return null;
      const { generation, conversationId: conversation_id } = line;
      const lease = { sent_at: clock.now(), channel, attempts: message.attempts + 1, generation, conversation_id };
      if (!ledger.move(message, "sending", lease)) return null;
      confirmations.expect(message);
      return letterOf(message);
    },
    offered(agentId) {
      const sending = mailbox.inState(agentId, "sending")[0];
      if (sending !== undefined && isHookChannel(sending.channel)) confirmations.left(sending);
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
    isAway: (message) => whereIs(lines, message).is === "away",
    recover() {
      expiry.endDue();
      for (const agentId of mailbox.agentsWithOpenMessages()) {
        for (const row of mailbox.inState(agentId, "sending")) confirmations.expect(row);
        ring(agentId);
      }
    },
    detach() {
      isDetached = true;
      for (const stop of stopListening) stop();
      confirmations.detach();
      turns.detach();
      expiry.detach();
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
