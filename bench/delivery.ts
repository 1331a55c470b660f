// How soon a message arrives at an idle agent, and how soon a change of state can be read: with the stand-in agent, which spends
// nothing on thinking or drawing, so that what is measured is signalbox, its terminal host and the disk.

import { type Answer, freshDir, type Product, remove, startProduct } from "./house.ts";
import { ms, nowMs, type Spread, spread } from "./measure.ts";
import { makePair, newestFromPeer, tellPeer, writePeerScript } from "./peers.ts";
import type { Part, Row } from "./report.ts";
import { bodyOf, sendOneByOne, untilProcessed } from "./traffic.ts";

const MESSAGES = 300;
const WARM_UP = 40;
const CHANGES = 40;
const HAND_OVERS = 15;

export async function measureDelivery(product: Product): Promise<Part> {
  const { agentIds } = await product.agents(1);
  const [agentId = ""] = agentIds;
  const caller = await product.connect();
  await sendOneByOne(caller, agentId, WARM_UP);
  const legs = await sendOneByOne(caller, agentId, MESSAGES);
  const deliver = spread(legs.deliverMs);
  const accept = spread(legs.acceptMs);
  const change = spread(await changesSeen(product, agentId));
  caller.close();
  const handOver = spread(await handOvers());
  return {
    title: "Delivery to an idle stand-in agent",
    how:
      `${MESSAGES} messages of 300 bytes, one after the other, each to an agent that is idle; a real daemon, terminal host and agent ` +
      "process. Accepted and delivered are the two times in the receipt, both behind an fsync.",
    rows: [
      legRow("request -> receipt (accepted, on disk, audited)", accept),
      {
        ...legRow("accepted -> delivered", deliver),
        budget: "p50 <= 5 ms, p99 <= 25 ms",
        kept: deliver.p50 <= 5 && deliver.p99 <= 25,
      },
      {
        ...legRow("the agent's own word (hook) that a turn began -> readable in get_session_status", change),
        budget: "<= 100 ms",
        kept: change.p99 <= 100,
      },
      {
        ...legRow("a colleague's message waits for a turn: its Stop -> delivered", handOver),
        budget: "<= 250 ms",
        kept: handOver.p99 <= 250,
      },
    ],
  };
}

export function legRow(what: string, { n, p50, p99, max }: Spread): Row {
  const measured = `p50 ${ms(p50)}, p99 ${ms(p99)}, max ${ms(max)} (n = ${n})`;
  return { what, measured, budget: "-", kept: null };
}

/** A turn runs, a colleague's message is queued, the turn ends: from the end of the first to the arrival of the second. */
async function handOvers(): Promise<number[]> {
  const dir = freshDir();
  const product = await startProduct({ env: { SIGNALBOX_SCRIPT: writePeerScript(dir) } });
  const took: number[] = [];
  try {
    const caller = await product.connect();
    const pair = await makePair(caller, product.root, "scripted");
    const seen = new Set<string>();
    for (let i = 0; i < HAND_OVERS; i++) {
      const work = { agent_id: pair.target, message: "WORK", wait_for: "delivered", wait_s: 30 };
      const first = (await caller.call("send_message_to_agent", work)) as Answer;
      seen.add(first.message_id);
      await tellPeer(caller, pair);
      const second = await newestFromPeer(caller, pair, seen);
      seen.add(second.message_id);
      const end = await untilProcessed(caller, first.message_id);
      took.push(Date.parse(second.delivered_at) - Date.parse(end.processed_at));
      await caller.call("wait_for_agent", { agent_id: pair.target, until: "ready", wait_s: 30 });
    }
    caller.close();
  } finally {
    await product.stop();
    await remove(dir);
  }
  return took;
}

/** The receipt says when the hook was heard; from there to the first status that shows the turn or its end, asked without pause. */
async function changesSeen(product: Product, agentId: string): Promise<number[]> {
  const caller = await product.connect();
  const seen: number[] = [];
  for (let i = 0; i < CHANGES; i++) {
    const before = await stateOf(product, agentId);
    const sent = await caller.call("send_message_to_agent", {
      agent_id: agentId,
      message: bodyOf(i),
      wait_for: "delivered",
    });
    const heardMs = nowMs();
    let since = before.since;
    while (since === before.since) since = (await stateOf(product, agentId)).since;
    seen.push(nowMs() - heardMs);
    await untilProcessed(caller, String(sent.message_id));
    await caller.call("wait_for_agent", { agent_id: agentId, until: "ready", wait_s: 30 });
  }
  caller.close();
  return seen;
}

async function stateOf(product: Product, agentId: string): Promise<{ state: string; since: string }> {
  const { sessions } = await product.call("get_session_status");
  return sessions.flatMap((session: Answer) => session.agents).find((agent: Answer) => agent.agent_id === agentId);
}
