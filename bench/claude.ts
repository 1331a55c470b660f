// The real Claude Code CLI against a scripted model on loopback: what a person sees. Its own drawing and thinking about a prompt
// are part of these figures, so they say less about signalbox than about the pair.

import type { Caller } from "../src/local/client.ts";
import { CLAUDE_VERSION, ensureRealClaude, freshClaudeHome } from "../test/support/real-claude.ts";
import { startScriptedModel } from "../test/support/scripted-model/index.ts";
import { legRow } from "./delivery.ts";
import { type Answer, freshDir, remove, startProduct } from "./house.ts";
import { spread } from "./measure.ts";
import { makePair, newestFromPeer, tellPeer, writePeerScript } from "./peers.ts";
import type { Part } from "./report.ts";
import { bodyOf, sendOneByOne, untilProcessed } from "./traffic.ts";

const MESSAGES = 30;
const PEER_MESSAGES = 15;
const HAND_OVERS = 15;

export async function measureClaude(): Promise<Part> {
  const claude = await ensureRealClaude();
  const model = await startScriptedModel();
  const root = freshDir();
  const claudeHome = await freshClaudeHome({ modelUrl: model.url, trusted: [root] });
  const dir = freshDir();
  const env = { ...claudeHome.env, SIGNALBOX_CLAUDE: claude, SIGNALBOX_SCRIPT: writePeerScript(dir) };
  const product = await startProduct({ env, root });
  try {
    const caller = await product.connect();
    const pair = await makePair(caller, root, "claude-code");
    await sendOneByOne(caller, pair.target, 3);
    const legs = await sendOneByOne(caller, pair.target, MESSAGES);
    const seen = new Set<string>();
    const channels = new Set<string>();
    const peerMs: number[] = [];
    for (let i = 0; i < PEER_MESSAGES; i++) {
      await tellPeer(caller, pair);
      const end = await newestFromPeer(caller, pair, seen);
      seen.add(end.message_id);
      channels.add(end.channel);
      peerMs.push(Date.parse(end.delivered_at) - Date.parse(end.accepted_at));
      await caller.call("wait_for_agent", { agent_id: pair.target, until: "ready", wait_s: 30 });
    }
    const peer = spread(peerMs);
    const handOver = spread(await handOvers(caller, pair.target));
    caller.close();
    const deliver = spread(legs.deliverMs);
    return {
      title: `Delivery to the real Claude Code CLI ${CLAUDE_VERSION}`,
      how: `${MESSAGES} messages, one after the other, each to an idle prompt; the model is scripted and on loopback.`,
      rows: [
        {
          ...legRow("accepted -> delivered (typed into the prompt, confirmed by its hook)", deliver),
          budget: "p50 <= 100 ms",
          kept: deliver.p50 <= 100,
        },
        {
          ...legRow(
            `from another agent, idle prompt: accepted -> delivered (channel: ${[...channels].join(", ")})`,
            peer,
          ),
          budget: "p50 <= 80 ms",
          kept: peer.p50 <= 80,
        },
        {
          ...legRow("a message waits for a turn: its Stop -> delivered (typed)", handOver),
          budget: "<= 250 ms",
          kept: handOver.max <= 250,
        },
      ],
    };
  } finally {
    await product.stop();
    await model.stop();
    await claudeHome.remove();
    await remove(dir);
  }
}

/** From the end of one message's turn to the delivery of the one that waited behind it, by the times in the receipts. */
async function handOvers(caller: Caller, agentId: string): Promise<number[]> {
  const took: number[] = [];
  for (let i = 0; i < HAND_OVERS; i++) {
    const send = (number: number) =>
      caller.call("send_message_to_agent", { agent_id: agentId, message: bodyOf(number) }) as Promise<Answer>;
    const [first, second] = [await send(2 * i), await send(2 * i + 1)];
    const ends = [await untilProcessed(caller, first.message_id), await untilProcessed(caller, second.message_id)];
    took.push(Date.parse(ends[1]?.delivered_at) - Date.parse(ends[0]?.processed_at));
  }
  return took;
}
