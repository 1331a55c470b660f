// Follows every message of a session and prints each of its moves once, as the receipt tells it. Asking again and again is
// this demonstration's way to catch a state that lasts some hundredths of a second; a client would use wait_for.

import { setTimeout as sleep } from "node:timers/promises";
import { receipt } from "./paper.mjs";

const LOOK_MS = 10;
const PATIENCE_MS = 60_000;

/** The way of a message that all goes well with, the other ends, and which of the receipt's times belongs to which state. */
const WAY = ["queued", "sending", "delivered", "processed"];
const ENDS = new Set(["processed", "failed", "expired", "cancelled", "unknown"]);
const ALL = [...new Set([...WAY, ...ENDS])];
const TIMES = { queued: "accepted_at", delivered: "delivered_at", processed: "processed_at" };

export function openLedger({ client, sessionId, nameOf }) {
  const seen = new Map();
  const mine = new Set();
  let sinceMs = Date.now();

  async function look() {
    const { messages } = await client().call("list_messages", { session_id: sessionId, states: ALL });
    for (const message of messages) {
      const path = WAY.includes(message.state) ? WAY.slice(0, WAY.indexOf(message.state) + 1) : [message.state];
      // What went by between two looks stands in the receipt all the same.
      for (const state of path.slice(seen.get(message.message_id) ?? 0)) tell(message, state);
      seen.set(message.message_id, path.length);
    }
    return messages;
  }

  function tell(message, state) {
    const to = nameOf(message.agent_id);
    const from = mine.has(message.message_id) ? "you" : to === "Agent_1" ? "Agent_2" : "Agent_1";
    const at = message[TIMES[state]];
    receipt({ atMs: at ? Date.parse(at) - sinceMs : null, from, to, state, detail: detailOf(message, state) });
  }

  async function until(fits) {
    const end = performance.now() + PATIENCE_MS;
    while (!(await fits(await look()))) {
      if (performance.now() > end)
        throw new Error(`What was to happen next has not happened for ${PATIENCE_MS / 1000} s.`);
      await sleep(LOOK_MS);
    }
  }

  return {
    /** Times count from here. */
    restart() {
      sinceMs = Date.now();
    },
    /** Sends as the person; resolves when the message is on disk. */
    async send(agentId, message) {
      const { message_id } = await client().call("send_message_to_agent", { agent_id: agentId, message });
      mine.add(message_id);
    },
    /** Prints until `fits` the session's messages, or what else it asks. */
    until,
    /** Prints until `count` messages have ended. */
    untilEnded: (count) => until((messages) => messages.filter(({ state }) => ENDS.has(state)).length >= count),
    /** Prints for so long. */
    async watchFor(ms) {
      const end = performance.now() + ms;
      await until(() => performance.now() > end);
    },
  };
}

function detailOf({ channel, evidence, reply, failure }, state) {
  switch (state) {
    case "queued":
      return "on disk; it waits until the line is clear";
    case "sending":
      return `channel: ${channel}`;
    case "delivered":
      return `evidence: ${evidence}`;
    default:
      return failure === null ? `reply: ${reply}` : `${failure.code}: ${failure.message}`;
  }
}
