// What a simulated program does with what other agents write to its socket, as measured on 2.1.330: nothing is answered, a message
// may be dropped in silence or held for a person, and what was taken waits until the program has a moment for it, dialogs and
// drafts untouched. The program's own bucket of 30 per sender is not here: every message comes from a sender of its own.

import type { Dialog } from "../../src/agents/kinds/scripted/dialogs.ts";
import { permissionDialog } from "../../src/agents/kinds/scripted/dialogs.ts";
import type { Sim } from "./sim.ts";

export interface Inbox {
  /** What came over one connection. Half a line is none. */
  receive(text: string): void;
  /** The oldest that waits, bare, as its prompt hook tells it (the model sees a frame around it); null when none does. */
  take(): string | null;
  holds(messageId: string): boolean;
  /** The question to be put to a person before the next message is taken; null when there is none. */
  question(): { dialog: Dialog; answered: (isYes: boolean) => void } | null;
}

/** `taken`: a message is in the program's own queue. `changed`: there may be something to do. */
export function createInbox(
  sim: Sim,
  name: string,
  { taken, changed }: { taken: (text: string) => void; changed: () => void },
): Inbox {
  const waiting: string[] = [];
  const held: string[] = [];
  const accept = (text: string) => {
    waiting.push(text);
    taken(text);
    changed();
  };
  return {
    receive(text) {
      if (!text.endsWith("\n")) return sim.trace(`${name} gets half a message over its socket`);
      const { content } = (JSON.parse(text) as { message: { content: string } }).message;
      if (sim.strikes("peer_dropped", 0.3, name)) return;
      if (sim.strikes("peer_held", 0.5, name)) {
        held.push(content);
        return changed();
      }
      sim.count("messages taken from the peer socket");
      accept(content);
    },
    take: () => waiting.shift() ?? null,
    holds: (messageId) => [...waiting, ...held].some((text) => text.includes(`[signalbox ${messageId} from `)),
    question() {
      const [first] = held;
      if (first === undefined) return null;
      const answered = (isYes: boolean) => {
        held.shift();
        if (isYes) accept(first);
        else sim.trace(`${name} was told to take no message`);
      };
      return { dialog: permissionDialog("a message from another session", {}), answered };
    },
  };
}
