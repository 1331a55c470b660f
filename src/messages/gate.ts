// The gate before the model: every prompt an agent is about to take passes here, and the message it carries passes once. What is
// answered here is on disk before it is said.

import type { Clock } from "../kernel/clock.ts";
import type { AgentId } from "../kernel/ids.ts";
import type { MessageState } from "./delivery.ts";
import {
  holdsLetter,
  isCutShort,
  letterOf,
  markerOf,
  messageIdIn,
  messageIdsIn,
  withoutPasteEnds,
  wordsAround,
  wordsInHeader,
} from "./envelope.ts";
import type { Ledger } from "./ledger.ts";
import type { Lines } from "./lines.ts";
import type { Mailbox, MessageRow } from "./mailbox.ts";
import type { PromptBox } from "./prompt-box.ts";
import { HOOK, isBeforeGate, UNNAMED } from "./traces.ts";

export type GateAnswer = { is: "pass" } | { is: "block"; reason: string };

export interface Prompt {
  text: string;
  /** The program's own name for it; null where it gives none. */
  id: string | null;
}

export type Gate = (agentId: AgentId, prompt: Prompt) => GateAnswer;

/** `words` are a person's: the model gets neither them nor the letters, and the person gets them back. */
type Verdict = { is: "pass" } | { is: "refuse"; of: readonly MessageRow[]; words: string; reason: string };

/** Message states that say that the model never had it. */
const NOT_ARRIVED: ReadonlySet<MessageState> = new Set<MessageState>(["failed", "expired", "cancelled"]);

export function createGate(deps: {
  mailbox: Mailbox;
  ledger: Ledger;
  lines: Lines;
  box: PromptBox;
  clock: Clock;
}): Gate {
  const { mailbox, ledger, lines, box, clock } = deps;

  const lettersIn = (agentId: AgentId, prompt: string): MessageRow[] =>
    messageIdsIn(prompt)
      .map((each) => mailbox.get(each))
      .filter((row) => row !== undefined)
      .filter((row) => row.agent_id === agentId);

  const giveBack = (row: MessageRow) => {
    if (row.state === "sending") ledger.move(row, "queued", { channel: null });
  };

  /** A letter that was thought lost came in after all while the next was typed: both are in one prompt. */
  const partLetters = (agentId: AgentId, prompt: string, letters: readonly MessageRow[]): Verdict => {
    const kind = lines.line(agentId)?.kind;
    let words = prompt;
    for (const row of letters) {
      const letter = letterOf(row);
      const around = wordsAround(words, kind?.typed(letter) ?? letter, row.message_id);
      words = [around.before, around.after].filter((part) => part !== "").join(" ");
      giveBack(row);
    }
    return { is: "refuse", of: letters, words, reason: "two messages ran together; each is sent again on its own" };
  };

  /** A key of a person came in the middle of our own, of those that type a letter or of those that take one out of the box again:
   *  its header cannot be read any more, by nobody. */
  const withBrokenHeader = (agentId: AgentId, prompt: string): { row: MessageRow; words: string } | null => {
    const next = mailbox.next(agentId);
    const mayStandInBox = next === undefined || next.refused_prompts === "" ? [] : [next];
    for (const row of [...mailbox.inState(agentId, "sending"), ...mayStandInBox]) {
      const words = wordsInHeader(prompt, row.message_id);
      if (words !== null) return { row, words };
    }
    return null;
  };

  const judge = (agentId: AgentId, prompt: string): Verdict => {
    const letters = lettersIn(agentId, prompt);
    const isAnyOpen = letters.some((row) => row.state === "sending" || row.state === "queued");
    if (letters.length > 1 && isAnyOpen) return partLetters(agentId, prompt, letters);
    const id = messageIdIn(prompt);
    if (id === null) {
      const broken = withBrokenHeader(agentId, prompt);
      if (broken === null) return { is: "pass" };
      const { row, words } = broken;
      giveBack(row);
      return { is: "refuse", of: [row], words, reason: "a key ran into this message; it is sent again" };
    }
    const row = mailbox.get(id);
    const own = row?.agent_id === agentId ? row : undefined;
    const kind = lines.line(agentId)?.kind;
    const letter = own === undefined ? markerOf(id) : letterOf(own);
    const around = wordsAround(prompt, kind?.typed(letter) ?? letter, id);
    // A person quoting a header speaks for themselves; a bare letter that we did not send now is a forgery or a repeat.
    const hasWords = around.before !== "" || (own !== undefined && around.after !== "");
    if (own === undefined) {
      if (hasWords) return { is: "pass" };
      return { is: "refuse", of: [], words: "", reason: "signalbox sent this agent no such message" };
    }
    if (isBeforeGate(own)) {
      mailbox.confirmed(own, HOOK);
      return { is: "pass" };
    }
    const words = withoutPasteEnds([around.before, around.after].filter((part) => part !== "").join(" "));
    if (own.state !== "sending" && own.state !== "queued") {
      // Said not to have arrived, it is not to arrive now beside a person's words either; and one that was put back into the box
      // once may have stood there ever since, if the daemon that was to clean it died. A quotation of less passes.
      const isLeftover = NOT_ARRIVED.has(own.state) || own.refused_prompts !== "";
      if (hasWords && !(isLeftover && holdsLetter(prompt, kind?.typed(letter) ?? letter))) return { is: "pass" };
      return { is: "refuse", of: [own], words, reason: `message ${id} was ${own.state} already` };
    }
    // No person types where the peer socket's messages come in; words around one are the program's own.
    if (hasWords && own.channel !== "peer") {
      giveBack(own);
      return {
        is: "refuse",
        of: [own],
        words,
        reason: "a person's draft ran into this message; the draft is put back and the message sent again",
      };
    }
    // A person's Enter came while we were wiping it out of the box again.
    if (own.channel !== "peer" && isCutShort(prompt, kind?.typed(letter) ?? letter)) {
      giveBack(own);
      return { is: "refuse", of: [own], words: "", reason: "the end of this message is missing; it is sent again" };
    }
    const channel = own.state === "sending" ? own.channel : "prompt";
    const isFirst = ledger.move(own, "delivered", { delivered_at: clock.now(), channel, evidence: HOOK });
    if (isFirst) return { is: "pass" };
    return { is: "refuse", of: [own], words: "", reason: `message ${id} was taken already` };
  };

  return (agentId, { text, id }) => {
    const verdict = judge(agentId, text);
    if (verdict.is === "pass") return verdict;
    for (const row of verdict.of) mailbox.refused(row, id ?? UNNAMED);
    // The program puts it back into its box, where nothing may be typed before it has been taken out again.
    box.owe(agentId, verdict.words);
    return { is: "block", reason: verdict.reason };
  };
}
