// Messages between agents: a stand-in agent that writes to a named peer whenever it is told to, and what the receipts of its
// messages say.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Caller } from "../src/local/client.ts";
import type { Answer } from "./house.ts";
import { untilProcessed } from "./traffic.ts";

/** Long enough for a message to arrive in the middle of the turn. */
const TURN_MS = 500;

/** A script for all stand-in agents: TELL makes one write to the agent called Target, WORK keeps one busy for a while. */
export function writePeerScript(dir: string): string {
  const file = join(dir, "script.json");
  const tell = {
    name: "send_message_to_agent",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the stand-in's own script fills it in
    arguments: { agent_id: "${agent:Target}", message: "a word between colleagues" },
  };
  const rules = [
    { match: { contains: "TELL" }, actions: [{ tool: tell }, { reply: "told" }] },
    { match: { contains: "WORK" }, actions: [{ delayMs: TURN_MS }, { reply: "worked" }] },
  ];
  writeFileSync(file, JSON.stringify({ rules }));
  return file;
}

export interface Pair {
  sessionId: string;
  sender: string;
  target: string;
}

export async function makePair(caller: Caller, root: string, targetKind: string): Promise<Pair> {
  const session = await caller.call("create_session", { root_path: root, terminal: "pty", trust: true });
  const make = async (name: string, kind: string) => {
    const input = { session_id: session.session_id, name, kind, adder_plus: false, wait_s: 120 };
    return String((await caller.call("create_agent", input)).agent_id);
  };
  const target = await make("Target", targetKind);
  return { sessionId: String(session.session_id), sender: await make("Sender", "scripted"), target };
}

/** Has the sender write to the target once; resolves when its own turn is over. */
export async function tellPeer(caller: Caller, { sender }: Pair): Promise<void> {
  const sent = await caller.call("send_message_to_agent", { agent_id: sender, message: "TELL" });
  await untilProcessed(caller, String(sent.message_id));
}

/** The receipt of the newest message that the target got from its peer, when it is processed. */
export async function newestFromPeer(
  caller: Caller,
  { target }: Pair,
  alreadySeen: ReadonlySet<string>,
): Promise<Answer> {
  const states = ["queued", "sending", "delivered", "processed"];
  const { messages } = (await caller.call("list_messages", { agent_id: target, states, limit: 1_000 })) as Answer;
  const newest = messages.findLast((message: Answer) => !alreadySeen.has(message.message_id));
  if (newest === undefined) throw new Error("the sender's message is not in the target's list");
  return await untilProcessed(caller, newest.message_id);
}
