// The one way a message's state changes: committed first, told afterwards. Everybody in this room moves messages through it, so
// that no doorbell rings for something that is not on disk.

import type { Events } from "../kernel/events.ts";
import type { Log } from "../kernel/log.ts";
import type { MessageState } from "./delivery.ts";
import type { Mailbox, MessagePatch, MessageRow } from "./mailbox.ts";

export interface Ledger {
  /** Commits the move, then rings. False when another step was first; then nothing has changed. */
  move(row: MessageRow, to: MessageState, patch: MessagePatch): boolean;
  /** Calls `hear` after each committed move, before the doorbell. */
  onMove(hear: (row: MessageRow, to: MessageState) => void): void;
}

export function createLedger(deps: { mailbox: Mailbox; events: Events; log: Log }): Ledger {
  const { mailbox, events, log } = deps;
  const listeners: ((row: MessageRow, to: MessageState) => void)[] = [];
  return {
    move(row, to, patch) {
      if (!mailbox.move(row, to, patch)) return false;
      for (const hear of listeners) hear(row, to);
      log.info("message.state", { message: row.message_id, agent: row.agent_id, state: to });
      events.ring("message", row.message_id);
      return true;
    },
    onMove: (hear) => void listeners.push(hear),
  };
}

/** What a row learns when it ends without having arrived. */
export function verdict(now: number, code: string, reason: string): MessagePatch {
  return { ended_at: now, failure_code: code, failure_message: reason };
}
