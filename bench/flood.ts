// Whether one agent's flood of output makes messages to another agent of the same session late, and what it costs in memory.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Caller } from "../src/local/client.ts";
import { freshDir, type Product, remove, startProduct } from "./house.ts";
import { memoryMiB } from "./idle.ts";
import { ms, percentile, round } from "./measure.ts";
import type { Part } from "./report.ts";
import { sendOneByOne } from "./traffic.ts";

const FLOOD_BYTES = 20_000_000;
/** What the project promises is about this much (facts: other panes' p99 at most doubles, memory grows by less than 32 MiB). */
const DELUGE_BYTES = 100_000_000;
const RATIO_MAX = 2;
const GROWTH_MIB_MAX = 32;
/** Quiet and flooded in turns, so that both meet the same machine, and enough of both that p99 is not the worst one. */
const TURNS = 10;
const MESSAGES_PER_TURN = 30;

export async function measureFlood(): Promise<Part> {
  const dir = freshDir();
  const script = join(dir, "script.json");
  const flood = (word: string, bytes: number) => ({ match: { contains: word }, actions: [{ flood: bytes }] });
  writeFileSync(script, JSON.stringify({ rules: [flood("FLOOD", FLOOD_BYTES), flood("DELUGE", DELUGE_BYTES)] }));
  const product = await startProduct({ env: { SIGNALBOX_SCRIPT: script } });
  try {
    const { agentIds } = await product.agents(2);
    const [loud = "", other = ""] = agentIds;
    const caller = await product.connect();
    await sendOneByOne(caller, other, MESSAGES_PER_TURN);
    const host = hostOf(product);
    const before = memoryMiB(host, "VmRSS");
    const quiet: number[] = [];
    const flooded: number[] = [];
    const sendOne = async () => (await sendOneByOne(caller, other, 1)).deliverMs;
    for (let turn = 1; turn <= TURNS; turn++) {
      while (quiet.length < turn * MESSAGES_PER_TURN) quiet.push(...(await sendOne()));
      while (flooded.length < turn * MESSAGES_PER_TURN) {
        await during(caller, loud, "FLOOD", async () => flooded.push(...(await sendOne())));
      }
    }
    await during(caller, loud, "DELUGE", sendOne);
    const growth = memoryMiB(host, "VmHWM") - before;
    caller.close();
    const ratio = percentile(flooded, 0.99) / percentile(quiet, 0.99);
    const pair = (p: number) => `${ms(percentile(flooded, p))} beside ${ms(percentile(quiet, p))} when quiet`;
    return {
      title: "A flood next door",
      how:
        `One agent writes ${FLOOD_BYTES / 1e6} MB to its terminal, again and again; messages to another agent of the same session ` +
        `meanwhile (n = ${flooded.length}) and, in turns, with nothing else going on (n = ${quiet.length}).`,
      rows: [
        { what: "accepted -> delivered, p50", measured: pair(0.5), budget: "-", kept: null },
        {
          what: "accepted -> delivered, p99",
          measured: `${round(ratio)}x (${pair(0.99)})`,
          budget: `${RATIO_MAX}x`,
          kept: ratio <= RATIO_MAX,
        },
        {
          what: `the terminal host's memory at its highest, one flood of ${DELUGE_BYTES / 1e6} MB included`,
          measured: `${round(growth)} MiB more than before all floods`,
          budget: `< ${GROWTH_MIB_MAX} MiB`,
          kept: growth < GROWTH_MIB_MAX,
        },
      ],
    };
  } finally {
    await product.stop();
    await remove(dir);
  }
}

/** Repeats `work` while the agent answers `word` with its flood. */
async function during(caller: Caller, agentId: string, word: string, work: () => Promise<unknown>): Promise<void> {
  let isFlooding = true;
  const flood = await caller.call("send_message_to_agent", { agent_id: agentId, message: word, wait_for: "delivered" });
  const end = caller
    .call("get_message", { message_id: flood.message_id, wait_for: "processed", wait_s: 60 })
    .finally(() => {
      isFlooding = false;
    });
  while (isFlooding) await work();
  await end;
}

/** The only terminal host whose socket lies in this product's run directory, found as `ps` would find it. */
function hostOf(product: Product): number {
  const run = (pid: string) => {
    try {
      const [, parent = ""] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
      return { parent: Number(parent), command: readFileSync(`/proc/${pid}/cmdline`, "utf8") };
    } catch {
      return null; // it ended meanwhile
    }
  };
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const host = pids.find((pid) => run(pid)?.parent === product.pid && run(pid)?.command.includes("pty-host"));
  if (host === undefined) throw new Error("the terminal host is not a child of the daemon");
  return Number(host);
}
