// Which option of a dialog a person's decision means. Pure. A decision that fits no option is refused with the options
// named, because pressing the wrong one is what signalbox exists to prevent.

import { SignalboxError } from "../kernel/errors.ts";
import type { DialogSeen } from "./kind.ts";

/** How programs begin an option that agrees, and one that declines. */
const AGREES = /^(yes|allow|accept|approve|trust|ok\b|continue|proceed)/i;
const DECLINES = /^(no\b|deny|decline|reject|cancel|exit|don't|do not|not now)/i;

export interface Decision {
  /** `allow`, `deny`, or an option's label. */
  choice: string;
  reason: string | null;
}

/** The option's index, or throws `invalid_input` naming what there is to choose from. */
export function optionFor(dialog: DialogSeen, decision: Decision): number {
  const exact = dialog.options.findIndex((option) => option.toLowerCase() === decision.choice.toLowerCase());
  if (exact >= 0) return exact;
  const pattern = decision.choice === "allow" ? AGREES : decision.choice === "deny" ? DECLINES : null;
  const index = pattern === null ? -1 : dialog.options.findIndex((option) => pattern.test(option));
  if (index >= 0) return index;
  if (dialog.options.length === 0) {
    throw new SignalboxError(
      "invalid_input",
      "This question shows no options that signalbox can press.",
      "Attach to the agent's terminal and answer it there.",
    );
  }
  throw new SignalboxError(
    "invalid_input",
    `No option of this dialog fits the decision ${JSON.stringify(decision.choice)}.`,
    `Answer with one of: ${dialog.options.map((option) => JSON.stringify(option)).join(", ")}.`,
  );
}

/** The index of the agreeing option, or null when the dialog has none. */
export function agreeingOption(dialog: DialogSeen): number | null {
  const index = dialog.options.findIndex((option) => AGREES.test(option));
  return index < 0 ? null : index;
}

/** Two sightings of the same question: same kind and same words. */
export function isSameDialog(a: DialogSeen, b: DialogSeen): boolean {
  return a.kind === b.kind && a.summary === b.summary && a.options.join("\n") === b.options.join("\n");
}
