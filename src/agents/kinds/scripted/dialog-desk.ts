// The dialogs that are open: one on the screen, the others waiting for it, and what keys do to the one on the screen. Every
// key that lands in a dialog and every text it swallows goes to the oracle, in order.

import { type Dialog, dialogTitle, pressInDialog } from "./dialogs.ts";
import type { Key } from "./keys.ts";
import type { Oracle } from "./oracle.ts";
import type { DialogAnswer } from "./turn-world.ts";

export interface DialogDesk {
  /** Opens a dialog; `close` takes it away when something else has answered, and does nothing when it is gone. */
  ask(dialog: Dialog, waitingFor: string): { answer: Promise<DialogAnswer>; close(): void };
  shown(): { dialog: Dialog; waitingFor: string } | null;
  /** A key for the dialog on the screen. `alone`: nothing else came in the same burst. */
  press(key: Key, alone: boolean): void;
  /** The burst of keys is over. */
  endBurst(): void;
}

interface OpenDialog {
  dialog: Dialog;
  waitingFor: string;
  /** Takes it off the screen and gives the answer. */
  settle(answer: DialogAnswer): void;
}

/** `changed` is called when another dialog, or none, is on the screen. */
export function createDialogDesk({ oracle, changed }: { oracle: Oracle; changed: () => void }): DialogDesk {
  const dialogs: OpenDialog[] = [];
  /** Text that went into a dialog in this burst and is gone. */
  let swallowed = { text: "", title: "" };

  const ask: DialogDesk["ask"] = (dialog, waitingFor) => {
    let resolve: (answer: DialogAnswer) => void = () => {};
    const answer = new Promise<DialogAnswer>((settled) => {
      resolve = settled;
    });
    const close = () => {
      const index = dialogs.indexOf(open);
      if (index < 0) return;
      dialogs.splice(index, 1);
      changed();
    };
    const open: OpenDialog = {
      dialog: { ...dialog },
      waitingFor,
      settle(given) {
        close(); // At once, so that later keys of the same burst do not land in a dialog that is answered.
        resolve(given);
      },
    };
    dialogs.push(open);
    oracle({ event: "dialog_opened", kind: dialog.kind, title: dialogTitle(dialog), options: dialog.options });
    changed();
    return { answer, close };
  };

  function press(key: Key, alone: boolean): void {
    const [open] = dialogs;
    if (open === undefined) return;
    const { dialog, settle } = open;
    const title = dialogTitle(dialog);
    const move = pressInDialog(dialog, key, alone);
    if (move.is === "ignored" && key.is !== "key") {
      swallowed = { text: swallowed.text + key.text, title };
      return;
    }
    noteSwallowed(); // First what came before this key: the oracle keeps the order of things.
    oracle({ event: "dialog_key", key: key.is === "key" ? key.name : key.text, title });
    if (move.is === "highlighted") dialog.selected = move.option;
    if (move.is === "chosen" || move.is === "dismissed") {
      const option = move.is === "chosen" ? (dialog.options[move.option] ?? null) : null;
      oracle({ event: "dialog_answered", title, option, by: "keys" });
      settle(move.is === "chosen" ? { is: "option", option: move.option } : { is: "dismissed" });
    }
  }

  function noteSwallowed(): void {
    if (swallowed.text !== "") oracle({ event: "dialog_swallowed", ...swallowed });
    swallowed = { text: "", title: "" };
  }

  return { ask, shown: () => dialogs[0] ?? null, press, endBurst: noteSwallowed };
}
