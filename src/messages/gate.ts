// The gate before the model: every prompt an agent is about to take passes here, and the message it carries passes once. What is
// answered here is on disk before it is said.

import type { Clock } from "../kernel/clock.ts";
import type { AgentId } from "../kernel/ids.ts";
import { letterOf, markerOf, messageIdIn, wordsAround } from "./envelope.ts";
import type { Ledger } from "./ledger.ts";
import type { Lines } from "./lines.ts";
import type { Mailbox } from "./mailbox.ts";
import type { PromptBox } from "./prompt-box.ts";

export type GateAnswer = { is: "pass" } | { is: "block"; reason: string };

export type Gate = (agentId: AgentId, prompt: string) => GateAnswer;

export function createGate(deps: {
  mailbox: Mailbox;
  ledger: Ledger;
  lines: Lines;
  box: PromptBox;
  clock: Clock;
}): Gate {
  const { mailbox, ledger, lines, box, clock } = deps;
  const block = (reason: string): GateAnswer => ({ is: "block", reason });
  return (agentId, prompt) => {
    const id = messageIdIn(prompt);
    if (id === null) return { is: "pass" };
    const row = mailbox.get(id);
    const own = row?.agent_id === agentId ? row : undefined;
    const kind = lines.line(agentId)?.kind;
    const letter = own === undefined ? markerOf(id) : letterOf(own);
    const around = wordsAround(prompt, kind?.typed(letter) ?? letter, id);
    // A person quoting a header speaks for themselves; a bare letter that we did not send now is a forgery or a repeat.
    const hasWords = around.before !== "" || (own !== undefined && around.after !== "");
    if (own === undefined) return hasWords ? { is: "pass" } : block("signalbox sent this agent no such message");
    if (own.state !== "sending" && own.state !== "queued") {
      return hasWords ? { is: "pass" } : block(`message ${id} was ${own.state} already`);
    }
    // What comes by the peer socket is framed by the program itself, and no person types there.
    if (hasWords && own.channel !== "peer") {
      // The model gets neither, the person gets their words back, and the message returns to the queue.
      if (own.state === "sending") ledger.move(own, "queued", { channel: null });
      box.owe(agentId, [around.before, around.after].filter((part) => part !== "").join(" "));
      return block("a person's draft ran into this message; the draft is put back and the message sent again");
    }
    const evidence = "UserPromptSubmit hook";
    const channel = own.state === "sending" ? own.channel : "prompt";
    const isFirst = ledger.move(own, "delivered", { delivered_at: clock.now(), channel, evidence });
    return isFirst ? { is: "pass" } : block(`message ${id} was taken already`);
  };
}
