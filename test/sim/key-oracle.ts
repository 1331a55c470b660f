// The oracle for keys: where did they land, and could their giver have known, or the terminal have held them back? Both hold for
// what the giver's last look would have shown, and for what a person typed where keys are counted: that is a broken promise. The
// rest is a race, counted and not held against the daemon, because nobody outside can win it:
// - a program begins a turn, opens a dialog or puts a prompt back by itself; its file and its picture follow;
// - a person's keys come between the look and the keys where nobody counts them (tmux, another client of the same terminal);
// - keys on their way are held up or cut in two, and what they were meant for has changed when they come in;
// - an answer or an Escape is on its way while the person at the terminal gives one too. Neither does harm: an answer's keys find
//   another dialog only if that opens within the same milliseconds, an Escape finds an idle prompt, where it does nothing.
// What a race then does to a message is not left to luck: the gate keeps a prompt that ran into words from the model.

import type { Dialog } from "../../src/agents/kinds/scripted/dialogs.ts";
import { isMerged, type Phase } from "./agent-world.ts";
import type { Sim } from "./sim.ts";
import type { Source } from "./simulated-kind.ts";

/** A program at the moment keys arrive, with the times at which it became so. */
export interface Moment {
  name: string;
  phase: Phase;
  phaseSinceMs: number;
  /** When the session file said `busy` last. */
  busyShownMs: number;
  dialog: Dialog | null;
  dialogSinceMs: number;
  draft: string;
  draftSinceMs: number;
  /** Who changed the draft last, and who pressed the Enter that began the turn; null: the program itself. */
  draftFrom: Source | null;
  turnFrom: Source | null;
  /** True when a person has a hand in the draft. */
  isPersonal: boolean;
}

/** For so long after a person's Enter, where it is counted, nothing is typed; a turn that shows only later, because its file is late
 *  and its hook lost, nobody can know of. */
const ENTER_SHOWS_MS = 150;

/** The daemon reads the session file at the begin of its look, this much before the picture is taken. */
const FILE_READ_MS = 3;

/** `areHeldUp`: they were given in one piece, and came in late or in two. */
export function judgeKeys(
  sim: Sim,
  from: Source,
  { lookedAtMs, areHeldUp }: { lookedAtMs: number; areHeldUp: boolean },
  at: Moment,
): void {
  if (from.is === "person" || from.is === "unknown") return;
  const judge = (promise: string, sinceMs: number, detail: string, by: Source | null = null) => {
    const isPreventable = by?.is === "person" && by.isCounted && !areHeldUp;
    if (sinceMs >= lookedAtMs && !isPreventable) sim.count(`race: ${promise}`);
    else sim.violate(promise, `${from.is} into ${at.name}: ${detail}`);
  };
  if (from.is === "interrupt") {
    // An Escape for a turn or a dialog that has just ended finds an idle prompt, where it does nothing.
    if (at.dialog === null && at.phase !== "busy") sim.count("race: an interrupt comes when nothing runs");
    return;
  }
  if (from.is === "option") {
    const shown = at.dialog === null ? "no dialog" : `${at.dialog.subject}: ${at.dialog.asks}`;
    if (from.summary !== shown) judge("an answer goes to the dialog it was given for", at.dialogSinceMs, shown);
    return;
  }
  if (at.dialog !== null) return judge("nothing is typed into a dialog", at.dialogSinceMs, at.dialog.kind);
  if (at.phase === "starting") return judge("nothing is typed while an agent starts", at.phaseSinceMs, "");
  if (from.is === "submit" && at.phase === "busy") {
    // The session file follows the Enter by 30-78 ms: before, nobody can know.
    const knownMs = at.busyShownMs >= at.phaseSinceMs ? at.busyShownMs + FILE_READ_MS : lookedAtMs;
    const by = sim.time.monotonicMs() - at.phaseSinceMs < ENTER_SHOWS_MS ? at.turnFrom : null;
    judge("nothing is typed while an agent works", knownMs, "", by);
  }
  // Blank lines are nobody's words, and no reader of a screen sees them.
  if (from.is === "submit" && at.draft.trim() !== "")
    judge("nothing is typed behind a draft", at.draftSinceMs, at.draft.slice(0, 40), at.draftFrom);
  // A blank line beside a letter is nobody's word either.
  const isLetterAlone = at.draft.includes("[signalbox msg_") && !isMerged(at.draft);
  if (!at.isPersonal || isLetterAlone) return;
  if (from.is === "enter")
    judge("nobody submits a person's draft for them", at.draftSinceMs, at.draft.slice(0, 40), at.draftFrom);
  // Words that ran into a letter are owed to the person and come back once the letter is out of the box.
  if (from.is === "clear" && !at.draft.includes("[signalbox ")) {
    judge("nobody deletes a person's draft", at.draftSinceMs, at.draft.slice(0, 40), at.draftFrom);
  }
}
