// Whether one agent's flood of output makes messages to another agent of the same session late.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freshDir, remove, startProduct } from "./house.ts";
import { ms, percentile, round } from "./measure.ts";
import type { Part } from "./report.ts";
import { sendOneByOne } from "./traffic.ts";

const FLOOD_BYTES = 20_000_000;
const MESSAGES = 60;
/** What the project asks of itself for 100 MB (facts: other panes' p99 at most doubles). */
const RATIO_MAX = 2;

export async function measureFlood(): Promise<Part> {
  const dir = freshDir();
  const script = join(dir, "script.json");
  writeFileSync(
    script,
    JSON.stringify({ rules: [{ match: { contains: "FLOOD" }, actions: [{ flood: FLOOD_BYTES }] }] }),
  );
  const product = await startProduct({ env: { SIGNALBOX_SCRIPT: script } });
  try {
    const { agentIds } = await product.agents(2);
    const [loud = "", other = ""] = agentIds;
    const caller = await product.connect();
    await sendOneByOne(caller, other, 20);
    const quiet = (await sendOneByOne(caller, other, MESSAGES)).deliverMs;
    const flooded: number[] = [];
    while (flooded.length < MESSAGES) {
      let isFlooding = true;
      const flood = await caller.call("send_message_to_agent", {
        agent_id: loud,
        message: "FLOOD",
        wait_for: "delivered",
      });
      const end = caller
        .call("get_message", { message_id: flood.message_id, wait_for: "processed", wait_s: 60 })
        .finally(() => {
          isFlooding = false;
        });
      while (isFlooding) flooded.push(...(await sendOneByOne(caller, other, 1)).deliverMs);
      await end;
    }
    caller.close();
    const ratio = percentile(flooded, 0.99) / percentile(quiet, 0.99);
    const pair = (p: number) => `${ms(percentile(flooded, p))} beside ${ms(percentile(quiet, p))} when quiet`;
    return {
      title: "A flood next door",
      how: `One agent writes ${FLOOD_BYTES / 1e6} MB to its terminal, again and again; messages to another agent of the same session meanwhile (n = ${flooded.length}).`,
      rows: [
        { what: "accepted -> delivered, p50", measured: pair(0.5), budget: "-", kept: null },
        {
          what: "accepted -> delivered, p99",
          measured: `${round(ratio)}x (${pair(0.99)})`,
          budget: `${RATIO_MAX}x`,
          kept: ratio <= RATIO_MAX,
        },
      ],
    };
  } finally {
    await product.stop();
    await remove(dir);
  }
}
