// What stands in an agent's prompt box and is in the way: our own leftovers, which are removed; a person's draft, which is put
// aside once it has been left alone; and words of a person that ran into a letter, which are put back. Everything here types
// only where no human key has been seen since the look.

import type { Line } from "../agents/supervisor.ts";
import type { Clock } from "../kernel/clock.ts";
import type { AgentId, MessageId } from "../kernel/ids.ts";
import { isOurs, letterOf, messageIdIn, sanitise } from "./envelope.ts";
import type { Mailbox } from "./mailbox.ts";

/** A person who has not touched a draft for this long is reading or away; before, it is theirs to finish. */
const DRAFT_QUIET_MS = 3_000;
/** The program needs a moment to draw what our keys did. */
const REDRAW_MS = 60;
/** After a person's Enter it takes the session file 30-78 ms to say that a turn runs (measured). */
const ENTER_SHOWS_MS = 150;
/** A program that is starved or stopped for longer than this while a person types is its person's to wake. */
const TOUCHED_LATELY_MS = 60_000;
/** A blocked prompt comes back into the box a little after the answer: later than 175 ms on a slow machine (measured). */
const BLOCKED_BACK_MS = 1_000;
/** A box that will not empty is left to its person. */
const CLEARS_MAX = 5;
/** So is a draft that cannot be put aside: the key means something else where it stands. */
const STASHES_MAX = 3;

/** A letter, or the placeholder of one that was folded, in a draft without its blanks (the box breaks lines where it likes). */
const LETTER_IN_BOX = /\[signalboxmsg_|\[pastedtext#/iu;

interface Seen {
  draft: string;
  /** Another is put aside already, and there is room for one. */
  isStashed: boolean;
  viewerInputs: number;
}

export interface PromptBox {
  /** True for a moment after something was typed into the box or a prompt was sent back to it: no look is to be believed. Asks
   *  to be rung again when it is over. */
  isRedrawing(agentId: AgentId): boolean;
  /** True when a person pressed keys since the last look at this terminal: their Enter may have begun a turn that nothing shows yet.
   *  Asks to be rung again when it would show. */
  wasJustTouched(agentId: AgentId, terminal: Line["terminal"], viewerInputs: number): boolean;
  /** True when a person has pressed keys in the last minute or so: some of them may not be drawn yet. */
  wasTouchedLately(agentId: AgentId): boolean;
  /** A draft stands in the box. Does what may be done about it and asks to be rung again where that is worth it. */
  clear(agentId: AgentId, line: Line, seen: Seen): Promise<void>;
  /** The box is empty: true when a person's words had to go back into it first. */
  restore(agentId: AgentId, line: Line, viewerInputs: number): Promise<boolean>;
  /** These words belong to a person and are to stand in the box again. */
  owe(agentId: AgentId, words: string): void;
  /** A letter is being typed. */
  typed(agentId: AgentId, last: { messageId: MessageId; terminal: Line["terminal"]; viewerInputs: number }): void;
}

export function createPromptBox(deps: { mailbox: Mailbox; clock: Clock; ring: (agentId: AgentId) => void }): PromptBox {
  const { mailbox, clock } = deps;
  const lastTyped = new Map<AgentId, Parameters<PromptBox["typed"]>[1]>();
  const owed = new Map<AgentId, { words: string; tries: number }>();
  const inputsSeen = new Map<
    AgentId,
    { terminal: Line["terminal"]; viewerInputs: number; atMs: number; untilMs: number }
  >();
  const drafts = new Map<AgentId, Seen & { sinceMs: number; stashes: number }>();
  const redrawnAtMs = new Map<AgentId, number>();

  const ringAfter = (agentId: AgentId, delayMs: number) => void clock.after(delayMs, () => deps.ring(agentId));

  /** What is on the screen is about to change; until then it must not be believed, whoever rings meanwhile. */
  const awaitRedraw = (agentId: AgentId) => {
    redrawnAtMs.set(agentId, clock.monotonicMs() + REDRAW_MS);
    ringAfter(agentId, REDRAW_MS);
  };

  /** One clearLine deletes one line; too many do nothing. */
  const wipe = (line: Line, { draft, viewerInputs }: Seen) =>
    line.terminal.write(line.kind.keys.clearLine.repeat(2 + 2 * draft.split("\n").length), {
      ifViewerInputs: viewerInputs,
    });

  const isLeftover = (agentId: AgentId, line: Line, { draft, viewerInputs }: Seen): boolean => {
    const last = lastTyped.get(agentId);
    const id = messageIdIn(draft) ?? last?.messageId ?? null;
    const message = id === null ? undefined : mailbox.get(id);
    const isUntouched = last !== undefined && last.terminal === line.terminal && last.viewerInputs === viewerInputs;
    return message !== undefined && isOurs(draft, line.kind.typed(letterOf(message)), isUntouched);
  };

  return {
    isRedrawing(agentId) {
      const leftMs = (redrawnAtMs.get(agentId) ?? 0) - clock.monotonicMs();
      if (leftMs > 0) ringAfter(agentId, leftMs + 1); // a timer may come a moment early
      return leftMs > 0;
    },
    wasJustTouched(agentId, terminal, viewerInputs) {
      const nowMs = clock.monotonicMs();
      const last = inputsSeen.get(agentId);
      // Every terminal counts for itself, from 0.
      const untouched = { terminal, viewerInputs: 0, atMs: Number.NEGATIVE_INFINITY, untilMs: 0 };
      const before = last?.terminal === terminal ? last : untouched;
      // Every look until then is as early as the first.
      const isNew = before.viewerInputs !== viewerInputs;
      const seen = isNew ? { terminal, viewerInputs, atMs: nowMs, untilMs: nowMs + ENTER_SHOWS_MS } : before;
      inputsSeen.set(agentId, seen);
      const leftMs = seen.untilMs - clock.monotonicMs();
      if (leftMs > 0) ringAfter(agentId, leftMs + 1); // a timer may come a moment early
      return leftMs > 0;
    },
    wasTouchedLately: (agentId) =>
      clock.monotonicMs() - (inputsSeen.get(agentId)?.atMs ?? Number.NEGATIVE_INFINITY) < TOUCHED_LATELY_MS,
    async clear(agentId, line, seen) {
      const debt = owed.get(agentId);
      // Only what holds our letter: the person may have begun another draft since.
      const mayWipe =
        debt !== undefined && debt.tries < CLEARS_MAX && LETTER_IN_BOX.test(seen.draft.replace(/\s/gu, ""));
      if (mayWipe) debt.tries += 1;
      else if (debt !== undefined && debt.tries >= CLEARS_MAX) owed.delete(agentId);
      if (mayWipe || isLeftover(agentId, line, seen)) {
        await wipe(line, seen);
        return awaitRedraw(agentId);
      }
      const before = drafts.get(agentId);
      const isSame = before?.draft === seen.draft && before.viewerInputs === seen.viewerInputs;
      const stashes = before?.draft === seen.draft ? before.stashes : 0;
      if (!isSame) drafts.set(agentId, { ...seen, sinceMs: clock.monotonicMs(), stashes });
      const { stash } = line.kind.keys;
      // A later look sees the person empty the box.
      if (stash === null || seen.isStashed || stashes >= STASHES_MAX) return;
      const quietMs = isSame ? clock.monotonicMs() - before.sinceMs : 0;
      if (quietMs < DRAFT_QUIET_MS) return ringAfter(agentId, DRAFT_QUIET_MS - quietMs + 1);
      // Its quiet begins anew: pressed again because the picture was late, the same key would bring the draft back.
      drafts.set(agentId, { ...seen, sinceMs: clock.monotonicMs(), stashes: stashes + 1 });
      await line.terminal.write(stash, { ifViewerInputs: seen.viewerInputs });
      awaitRedraw(agentId);
    },
    async restore(agentId, line, viewerInputs) {
      drafts.delete(agentId);
      const debt = owed.get(agentId);
      if (debt === undefined) return false;
      owed.delete(agentId);
      if (debt.words === "") return false;
      await line.terminal.write(line.kind.draftKeys(sanitise(debt.words)), { ifViewerInputs: viewerInputs });
      awaitRedraw(agentId);
      return true;
    },
    owe(agentId, words) {
      owed.set(agentId, { words, tries: 0 });
      redrawnAtMs.set(agentId, clock.monotonicMs() + BLOCKED_BACK_MS);
      ringAfter(agentId, BLOCKED_BACK_MS);
    },
    typed: (agentId, last) => void lastTyped.set(agentId, last),
  };
}
