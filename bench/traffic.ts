// Drives messages through a running daemon from outside, over its local socket, and tells how long each leg took.

import type { Caller } from "../src/local/client.ts";
import type { Answer } from "./house.ts";
import { nowMs } from "./measure.ts";

/** A few sentences, as people and agents write them. */
const BODY_BYTES = 300;

export interface Legs {
  /** From the request to the receipt, which is given when the message is on the disk. */
  acceptMs: number[];
  /** From acceptance to the agent's own word, by the two times in the receipt (whole milliseconds). */
  deliverMs: number[];
}

/** One message after the other to one agent that is idle each time. */
export async function sendOneByOne(caller: Caller, agentId: string, count: number): Promise<Legs> {
  const legs: Legs = { acceptMs: [], deliverMs: [] };
  for (let sent = 0; sent < count; sent++) {
    const startedMs = nowMs();
    const message = (await caller.call("send_message_to_agent", {
      agent_id: agentId,
      message: bodyOf(sent),
    })) as Answer;
    legs.acceptMs.push(nowMs() - startedMs);
    const end = await untilProcessed(caller, message.message_id);
    legs.deliverMs.push(Date.parse(end.delivered_at) - Date.parse(end.accepted_at));
    await caller.call("wait_for_agent", { agent_id: agentId, until: "ready", wait_s: 30 });
  }
  return legs;
}

/** Every agent gets its share at once; resolves to processed messages per second, from the first request to the last verdict. */
export async function sendAll(caller: Caller, agentIds: string[], perAgent: number): Promise<number> {
  const startedMs = nowMs();
  await Promise.all(
    agentIds.map(async (agentId) => {
      for (let sent = 0; sent < perAgent; sent++) {
        const input = { agent_id: agentId, message: bodyOf(sent), wait_for: "processed", wait_s: 60 };
        const end = (await caller.call("send_message_to_agent", input)) as Answer;
        if (end.state !== "processed" || end.failure !== null)
          throw new Error(`a message is ${end.state}: ${JSON.stringify(end.failure)}`);
      }
    }),
  );
  return (agentIds.length * perAgent * 1_000) / (nowMs() - startedMs);
}

export async function untilProcessed(caller: Caller, messageId: string): Promise<Answer> {
  const input = { message_id: messageId, wait_for: "processed", wait_s: 60 };
  const end = (await caller.call("get_message", input)) as Answer;
  if (end.state !== "processed") throw new Error(`a message is ${end.state} (${end.failure?.message})`);
  return end;
}

export function bodyOf(number: number): string {
  return `Message ${number}: ${"please look at the importer again, ".repeat(BODY_BYTES)}`.slice(0, BODY_BYTES);
}
