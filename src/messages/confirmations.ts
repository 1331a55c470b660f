// What becomes of a handed-over message whose confirmation is late: everything there is to see is looked at, delivery.ts
// decides, and this carries it out: waits on, presses Enter once more, gives the message back to the queue or ends it.

import type { Line } from "../agents/supervisor.ts";
import type { Clock, Timer } from "../kernel/clock.ts";
import type { AgentId, MessageId } from "../kernel/ids.ts";
import type { Log } from "../kernel/log.ts";
import { isHookChannel, resolveLate, type Step } from "./delivery.ts";
import { foldIn, isOurs, isWhole, letterOf, wordsBeside } from "./envelope.ts";
import { type Ledger, verdict } from "./ledger.ts";
import type { Lines } from "./lines.ts";
import type { Mailbox, MessageRow } from "./mailbox.ts";
import { arrivalIn, type Traces, tracesOf, UNNAMED } from "./traces.ts";

/** The hook follows the Enter within 14-100 ms, tens of ms more for a megabyte (measured); later than this is late. */
const CONFIRM_MS = 2_000;
/** Ink may take this long to show; a letter that stands in the box is submitted then. */
const DRAWN_MS = 100;
/** A timer that comes later than this came to a daemon that got no time. */
const STALLED_MS = 500;
/** A program that has not read its keys for this long hangs, and will need a person rather than more keys. */
const KEYS_HELD_MS = 30_000;

/** Who has not touched a draft with a letter in it for so long has gone away. */
const LEFT_ALONE_MS = 8_000;

interface Wait {
  timer: Timer | null;
  /** When it was handed over, or first seen as handed over by an earlier daemon. */
  sinceMs: number;
  /** The count of human keys at the time of ours: the box is ours only while it stands still. -1: nothing was typed by us. */
  keysAtWrite: number;
  keysHeldUntilMs: number;
  /** How many bytes the program had written when we typed; null where nothing was typed, or perhaps did not reach it. */
  outputAtWrite: number | null;
  /** The same at the first look after the deadline. */
  outputSeen: number | null;
  /** Its process has drawn something later than that: a transcript that does not show the message by then never will. */
  outlivedIt: boolean;
  /** The number of the placeholder under which a long letter was seen first. */
  fold: string | null;
  /** Enters pressed by themselves since a person last touched the box, and when last. */
  enters: number;
  enteredAtMs: number;
  /** A person's words stand beside the letter, since when so. */
  beside: { draft: string; viewerInputs: number; sinceMs: number } | null;
  /** Only the letter was typed; its Enter follows when it is seen to stand in the box as a letter. */
  isPasted: boolean;
}

export interface Confirmations {
  /** The message has been handed over, or was by an earlier daemon: its confirmation is waited for from now on. `viewerInputs`
   *  is the count of human keys at the look before ours were typed. */
  expect(message: MessageRow, viewerInputs?: number): void;
  /** Its keys go to the terminal now, after a look at which the program had written so much; not `isWhole`: without the Enter, which
   *  follows when the letter is seen to stand in the box. */
  typing(message: MessageRow, how: { outputBytes: number; isWhole: boolean }): void;
  /** What carries the message leaves only now: its time begins anew. */
  left(message: MessageRow): void;
  isExpected(message: MessageRow): boolean;
  /** The keys may not have come to the terminal: that the program shows nothing says nothing. */
  maybeUnwritten(message: MessageRow): void;
  /** The terminal holds the keys until the program reads again: typed once more, they would arrive twice. */
  keysAreHeld(message: MessageRow): void;
  detach(): void;
}

export function createConfirmations(deps: {
  mailbox: Mailbox;
  ledger: Ledger;
  lines: Lines;
  clock: Clock;
  log: Log;
  /** The message stands in the transcript: its turn may be over already. */
  arrived: (agentId: AgentId) => void;
  /** The message is back in the queue, which may go on. */
  returned: (agentId: AgentId) => void;
  /** A letter is to be taken out of the box again; these words beside it are a person's and are to stay. */
  parted: (agentId: AgentId, words: string) => void;
}): Confirmations {
  const { mailbox, ledger, lines, clock, log } = deps;
  const waits = new Map<MessageId, Wait>();
  let isDetached = false;

  ledger.onMove((row, to) => {
    if (to === "sending") return;
    waits.get(row.message_id)?.timer?.cancel();
    waits.delete(row.message_id);
  });

  const expect = (message: Pick<MessageRow, "message_id">, viewerInputs?: number) => {
    const id = message.message_id;
    const wait = waits.get(id) ?? {
      timer: null,
      sinceMs: clock.monotonicMs(),
      keysAtWrite: -1,
      keysHeldUntilMs: 0,
      outputAtWrite: null,
      outputSeen: null,
      outlivedIt: false,
      fold: null,
      enters: 0,
      enteredAtMs: Number.NEGATIVE_INFINITY,
      beside: null,
      isPasted: false,
    };
    if (viewerInputs !== undefined) wait.keysAtWrite = viewerInputs;
    wait.timer?.cancel();
    const isFresh = wait.isPasted && clock.monotonicMs() - wait.sinceMs < CONFIRM_MS;
    const dueMs = clock.monotonicMs() + (isFresh ? DRAWN_MS : CONFIRM_MS);
    wait.timer = clock.after(isFresh ? DRAWN_MS : CONFIRM_MS, () => {
      // While this daemon stood still itself, nobody has kept it waiting: perhaps it has only now written what it waits for.
      const lateMs = clock.monotonicMs() - dueMs;
      if (lateMs > STALLED_MS) wait.sinceMs += lateMs;
      judge(id).catch((error) => {
        log.warn("courier.judge_failed", { message: id, error: String(error) });
        if (!isDetached) expect(message);
      });
    });
    waits.set(id, wait);
  };

  /** The confirmation is late: look at everything there is, decide, do it. */
  const judge = async (id: MessageId): Promise<void> => {
    const agentId = mailbox.get(id)?.agent_id;
    if (agentId === undefined || isDetached) return;
    const lineBefore = lines.line(agentId);
    const sighting = lineBefore === null ? null : await lineBefore.look().catch(() => null);
    const row = mailbox.get(id);
    if (row === undefined || row.state !== "sending" || isDetached) return;
    const wait = waits.get(id);
    const line = lines.line(agentId);
    const isSameProcess = line !== null && line.generation === row.generation;
    if (isSameProcess && sighting !== null) recogniseBox(row, line, sighting);
    // What a stopped program has before it, it reads when it goes on: its time begins then.
    if (wait !== undefined && isSameProcess && line.isStopped()) wait.sinceMs = clock.monotonicMs();
    if (wait !== undefined && isSameProcess && sighting !== null) {
      if (wait.outputSeen !== null && sighting.outputBytes > wait.outputSeen) wait.outlivedIt = true;
      wait.outputSeen ??= sighting.outputBytes;
    }
    const traces = tracesOf(lines, row);
    const step = resolveLate({
      attempts: row.attempts,
      enters: wait?.enters ?? 0,
      sinceEnterMs: clock.monotonicMs() - (wait?.enteredAtMs ?? Number.NEGATIVE_INFINITY),
      waitedMs: clock.monotonicMs() - (wait?.sinceMs ?? clock.monotonicMs()),
      ...traces,
      mayBeUnseen: isHookChannel(row.channel) && wait?.outlivedIt !== true,
      // Another process runs now: what was typed went down with the one before, and its box says nothing.
      line: isSameProcess
        ? {
            state: line.state === "ready" ? "ready" : "busy",
            // What went into a hook's answer was never in the box, whatever stands there.
            promptBox: row.channel === "prompt" ? (sighting?.reading.promptBox ?? "absent") : "empty",
            // Keys that nobody counts (a person in the same tmux) show in what stands there.
            keysByPerson:
              wait?.keysAtWrite !== sighting?.viewerInputs ||
              !isOurs(sighting?.reading.draft ?? "", line.kind.typed(letterOf(row)), true),
            hasDrawn: !line.isStopped() && sighting?.outputBytes !== wait?.outputAtWrite,
          }
        : null,
    });
    const words =
      step.do === "wait" && isSameProcess && wait !== undefined && sighting !== null && traces.transcript !== null
        ? wordsLeftAlone(row, line, wait, sighting)
        : null;
    const areKeysHeld = isSameProcess && (wait?.keysHeldUntilMs ?? 0) > clock.monotonicMs();
    // One that is to end may take it until it has ended.
    const isUndecided = areKeysHeld || lines.isLeftBehind(agentId);
    const next: Step = isUndecided && step.do !== "confirm" ? { do: "wait" } : step;
    if (words !== null && !isUndecided) {
      log.info("message.late", { message: id, step: "part" });
      // As if the gate had refused it: should the wiping fail, this copy is known for a leftover whatever stands beside it.
      mailbox.refused(row, UNNAMED);
      ledger.move(row, "queued", { channel: null });
      return deps.parted(agentId, words);
    }
    log[next.do === "wait" ? "debug" : "info"]("message.late", { message: id, step: next.do });
    await carryOut(row, next, { line, traces });
  };

  /** A person's words beside the letter that nobody has touched for long: left to them, the message might wait for ever. */
  const wordsLeftAlone = (
    row: MessageRow,
    line: Line,
    wait: Wait,
    { reading, viewerInputs }: Awaited<ReturnType<Line["look"]>>,
  ): string | null => {
    const nowMs = clock.monotonicMs();
    const isSame = wait.beside?.draft === reading.draft && wait.beside.viewerInputs === viewerInputs;
    if (!isSame) wait.beside = { draft: reading.draft, viewerInputs, sinceMs: nowMs };
    const aloneMs = nowMs - (wait.beside?.sinceMs ?? nowMs);
    if (row.channel !== "prompt" || line.state !== "ready" || aloneMs < LEFT_ALONE_MS) return null;
    return wordsBeside(reading.draft, line.kind.typed(letterOf(row)), row.message_id);
  };

  /** Where the letter stands whole, the box is ours whatever was pressed meanwhile: a person's keys went to a dialog, or the
   *  daemon that typed it has died and its count of human keys with it. */
  const recogniseBox = (row: MessageRow, line: Line, { reading, viewerInputs }: Awaited<ReturnType<Line["look"]>>) => {
    const wait = waits.get(row.message_id);
    if (wait === undefined) return;
    const letter = line.kind.typed(letterOf(row));
    const fold = foldIn(reading.draft, letter);
    // A placeholder is known by having been there first: a person's own paste may have as many lines.
    wait.fold ??= fold;
    if (!isWhole(reading.draft, letter) && (fold === null || fold !== wait.fold)) return;
    if (wait.keysAtWrite !== viewerInputs) wait.enters = 0;
    wait.keysAtWrite = viewerInputs;
  };

  const carryOut = async (
    row: MessageRow,
    step: Step,
    { line, traces }: { line: Line | null; traces: Traces },
  ): Promise<void> => {
    const now = clock.now();
    switch (step.do) {
      case "confirm":
        ledger.move(row, "delivered", arrivalIn(traces, now));
        return deps.arrived(row.agent_id);
      case "wait":
        return expect(row);
      case "press_enter": {
        const wait = waits.get(row.message_id);
        if (wait?.isPasted) wait.isPasted = false;
        else mailbox.tried(row);
        expect(row);
        await line?.terminal.write(line.kind.keys.enter, {
          ifViewerInputs: wait?.keysAtWrite ?? -1,
        });
        if (wait !== undefined) Object.assign(wait, { enters: wait.enters + 1, enteredAtMs: clock.monotonicMs() });
        return;
      }
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
        return deps.returned(row.agent_id);
      case "fail":
        return void ledger.move(row, "failed", verdict(now, "not_submitted", step.reason));
      case "unknown":
        return void ledger.move(row, "unknown", verdict(now, "unknown", step.reason));
    }
  };

  return {
    expect,
    left(message) {
      const wait = waits.get(message.message_id);
      if (wait !== undefined)
        Object.assign(wait, { sinceMs: clock.monotonicMs(), outlivedIt: false, outputSeen: null });
      expect(message);
    },
    typing(message, { outputBytes, isWhole }) {
      const wait = waits.get(message.message_id);
      if (wait === undefined) return;
      wait.outputAtWrite = outputBytes;
      wait.isPasted = !isWhole;
      if (wait.isPasted) expect(message);
    },
    isExpected: (message) => waits.has(message.message_id),
    maybeUnwritten(message) {
      const wait = waits.get(message.message_id);
      if (wait !== undefined) wait.outputAtWrite = null;
    },
    keysAreHeld(message) {
      const wait = waits.get(message.message_id);
      if (wait !== undefined) wait.keysHeldUntilMs = clock.monotonicMs() + KEYS_HELD_MS;
    },
    detach() {
      isDetached = true;
      for (const { timer } of waits.values()) timer?.cancel();
    },
  };
}
