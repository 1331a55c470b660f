// The gate before the model: every prompt an agent is about to take passes here, and the message it carries passes once. What is
// answered here is on disk before it is said.

import type { Clock } from "../kernel/clock.ts";
import type { AgentId } from "../kernel/ids.ts";
import type { MessageState } from "./delivery.ts";
import { holdsLetter, letterOf, markerOf, messageIdIn, messageIdsIn, wordsAround } from "./envelope.ts";
import type { Ledger } from "./ledger.ts";
import type { Lines } from "./lines.ts";
import type { Mailbox, MessageRow } from "./mailbox.ts";
import type { PromptBox } from "./prompt-box.ts";

const HOOK = "UserPromptSubmit hook";

export type GateAnswer = { is: "pass" } | { is: "block"; reason: string };

export type Gate = (agentId: AgentId, prompt: string) => GateAnswer;

/** Verdicts that say that the model never had it. */
const NOT_ARRIVED: ReadonlySet<MessageState> = new Set<MessageState>(["failed", "expired", "cancelled"]);

function hasBrokenHeader(prompt: string, row: MessageRow): boolean {
  const dense = (text: string) => text.replace(/\s+/gu, "");
  return dense(prompt).includes(dense(markerOf(row.message_id)));
}

export function createGate(deps: {
  mailbox: Mailbox;
  ledger: Ledger;
  lines: Lines;
  box: PromptBox;
  clock: Clock;
}): Gate {
  const { mailbox, ledger, lines, box, clock } = deps;
  /** Keeps a prompt from the model that should not have come about. The program puts it back into its box, where nothing may be
   *  typed before it has been taken out again; `words` are a person's and stay. */
  const refuse = (agentId: AgentId, words: string, reason: string): GateAnswer => {
    box.owe(agentId, words);
    return { is: "block", reason };
  };

  /** A letter that was thought lost came in after all while the next was typed: both are in one prompt. */
  const partLetters = (agentId: AgentId, prompt: string, letters: readonly MessageRow[]): GateAnswer => {
    const kind = lines.line(agentId)?.kind;
    let words = prompt;
    for (const row of letters) {
      const letter = letterOf(row);
      const around = wordsAround(words, kind?.typed(letter) ?? letter, row.message_id);
      words = [around.before, around.after].filter((part) => part !== "").join(" ");
      if (row.state === "sending") ledger.move(row, "queued", { channel: null });
    }
    return refuse(agentId, words, "two messages ran together; each is sent again on its own");
  };

  return (agentId, prompt) => {
    const letters = messageIdsIn(prompt)
      .map((each) => mailbox.get(each))
      .filter((row) => row !== undefined)
      .filter((row) => row.agent_id === agentId);
    const isAnyOpen = letters.some((row) => row.state === "sending" || row.state === "queued");
    if (letters.length > 1 && isAnyOpen) return partLetters(agentId, prompt, letters);
    const id = messageIdIn(prompt);
    if (id === null) {
      // A key of a person came in the middle of the letter's own: its header cannot be read any more, by nobody.
      const broken = mailbox.inState(agentId, "sending").find((row) => hasBrokenHeader(prompt, row));
      if (broken === undefined) return { is: "pass" };
      ledger.move(broken, "queued", { channel: null });
      return refuse(agentId, "", "a key ran into this message; it is sent again");
    }
    const row = mailbox.get(id);
    const own = row?.agent_id === agentId ? row : undefined;
    const kind = lines.line(agentId)?.kind;
    const letter = own === undefined ? markerOf(id) : letterOf(own);
    const around = wordsAround(prompt, kind?.typed(letter) ?? letter, id);
    // A person quoting a header speaks for themselves; a bare letter that we did not send now is a forgery or a repeat.
    const hasWords = around.before !== "" || (own !== undefined && around.after !== "");
    if (own === undefined) {
      return hasWords ? { is: "pass" } : refuse(agentId, "", "signalbox sent this agent no such message");
    }
    // What waits in the program's own queue is in its transcript already, and comes by here when the model is to have it.
    if (own.state === "delivered" && own.channel === "peer" && own.evidence !== HOOK) {
      mailbox.confirmed(own, HOOK);
      return { is: "pass" };
    }
    const words = [around.before, around.after].filter((part) => part !== "").join(" ");
    if (own.state !== "sending" && own.state !== "queued") {
      // Said not to have arrived, it is not to arrive now beside a person's words either; a quotation of less passes.
      const isLate = NOT_ARRIVED.has(own.state) && holdsLetter(prompt, kind?.typed(letter) ?? letter);
      if (hasWords && !isLate) return { is: "pass" };
      return refuse(agentId, hasWords ? words : "", `message ${id} was ${own.state} already`);
    }
    // No person types where the peer socket's messages come in; words around one are the program's own.
    if (hasWords && own.channel !== "peer") {
      // The model gets neither, the person gets their words back, and the message returns to the queue.
      if (own.state === "sending") ledger.move(own, "queued", { channel: null });
      return refuse(
        agentId,
        words,
        "a person's draft ran into this message; the draft is put back and the message sent again",
      );
    }
    const channel = own.state === "sending" ? own.channel : "prompt";
    const isFirst = ledger.move(own, "delivered", { delivered_at: clock.now(), channel, evidence: HOOK });
    return isFirst ? { is: "pass" } : refuse(agentId, "", `message ${id} was taken already`);
  };
}
