// The oracle for keys: where did they land, and could their giver have known? What had changed only after the giver's last look
// at the screen is a race, counted and not held against the daemon; what the look would have shown is a broken promise.

import type { Dialog } from "../../src/agents/kinds/scripted/dialogs.ts";
import type { Phase } from "./agent-world.ts";
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
  /** True when a person has a hand in the draft. */
  isPersonal: boolean;
}

/** The daemon reads the session file at the begin of its look, this much before the picture is taken. */
const FILE_READ_MS = 3;

export function judgeKeys(sim: Sim, from: Source, lookedAtMs: number, at: Moment): void {
  if (from.is === "person" || from.is === "unknown") return;
  const judge = (promise: string, sinceMs: number, detail: string) => {
    if (sinceMs >= lookedAtMs) sim.count(`race: ${promise}`);
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
    judge("nothing is typed while an agent works", knownMs, "");
  }
  if (from.is === "submit" && at.draft !== "")
    judge("nothing is typed behind a draft", at.draftSinceMs, at.draft.slice(0, 40));
  if (!at.isPersonal) return;
  if (from.is === "enter") judge("nobody submits a person's draft for them", at.draftSinceMs, at.draft.slice(0, 40));
  // Words that ran into a letter are owed to the person and come back once the letter is out of the box.
  if (from.is === "clear" && !at.draft.includes("[signalbox ")) {
    judge("nobody deletes a person's draft", at.draftSinceMs, at.draft.slice(0, 40));
  }
}
