// A person's answer to what an agent asks: through the hook that waits for it where there is one, else with keys.

import { SignalboxError } from "../kernel/errors.ts";
import { type Decision, optionFor } from "./dialogs.ts";
import type { DialogSeen } from "./kind.ts";
import type { Run } from "./run.ts";

/** Answers at once where a hook waits, and gives back null; else gives back what presses the option on the screen. Throws
 *  `not_found` for a request that is not open (any more), `invalid_input` for a decision that fits no option. */
export function answerRequest(run: Run, requestId: string, decision: Decision): (() => Promise<void>) | null {
  const request = run.requests.find((one) => one.requestId === requestId);
  if (request === undefined) {
    throw new SignalboxError(
      "not_found",
      "That request is not open any more.",
      "Read get_session_status again: waiting_for lists what is open.",
    );
  }
  if (request.via === "hook" && request.answer !== undefined) {
    const { allow, option } = hookDecision(request.dialog, decision);
    request.answer(run.kind.answers.decide(request.payload, { allow, option, reason: decision.reason }));
    run.closeRequest(requestId);
    return null;
  }
  const option = optionFor(request.dialog, decision);
  return async () => {
    if (await run.press(request.dialog, option)) return;
    throw new SignalboxError(
      "timeout",
      "The dialog does not take the answer.",
      "Attach to the agent's terminal and answer it there.",
    );
  };
}

/** A hook understands a plain yes or no, whatever the options on the screen are called; only a question needs a label. */
function hookDecision(dialog: DialogSeen, decision: Decision): { allow: boolean; option: string | null } {
  if (decision.choice === "deny") return { allow: false, option: null };
  if (decision.choice === "allow" && dialog.kind === "permission") return { allow: true, option: null };
  const label = dialog.options[optionFor(dialog, decision)] ?? null;
  return { allow: !/^(no\b|deny)/i.test(label ?? "") || dialog.kind === "question", option: label };
}
