// How many messages per second go the whole way, from acceptance to their verdict: once with real agent processes, and once with
// agents that cost nothing, which shows what the daemon itself can do.

import { type Product, programWithSimulatedAgents, remove, startProduct } from "./house.ts";
import { cpuMsOf } from "./idle.ts";
import { percentile, round } from "./measure.ts";
import type { Part } from "./report.ts";
import { sendAll } from "./traffic.ts";

const AGENTS = 50;
const ROUNDS = 5;
/** Messages per agent and round. */
const REAL_SHARE = 6;
const SIMULATED_SHARE = 20;

export async function measureThroughput(): Promise<Part> {
  const real = await startProduct();
  const withProcesses = await rates(real, REAL_SHARE).finally(() => real.stop());
  const { program, dir } = await programWithSimulatedAgents();
  const alone = await startProduct({ program });
  const daemonAlone = await rates(alone, SIMULATED_SHARE).finally(() => alone.stop());
  await remove(dir);
  const told = ({ perS, cpuMs }: Rates) =>
    `${round(percentile(perS, 0.5))}/s (best of ${ROUNDS} rounds ${round(percentile(perS, 1))}/s), daemon ${round(cpuMs)} ms of processor time each`;
  return {
    title: "Throughput",
    how:
      `Messages accepted, delivered and processed per second, all three behind an fsync, over ${AGENTS} agents with one message each on ` +
      "its way. With real processes the agents' own work shares the machine's cores; in the second row one process answers for all " +
      "of them with the same hooks and session files, so that the daemon is what is measured.",
    rows: [
      {
        what: `${AGENTS} stand-in agents, each a process in its own terminal`,
        measured: told(withProcesses),
        budget: "-",
        kept: null,
      },
      {
        what: `the daemon alone, ${AGENTS} simulated agents`,
        measured: told(daemonAlone),
        budget: ">= 1 000/s",
        kept: percentile(daemonAlone.perS, 0.5) >= 1_000,
      },
    ],
  };
}

interface Rates {
  perS: number[];
  /** Of the daemon, per message. */
  cpuMs: number;
}

async function rates(product: Product, perAgent: number): Promise<Rates> {
  const { agentIds } = await product.agents(AGENTS);
  const caller = await product.connect();
  await sendAll(caller, agentIds, perAgent);
  const perS: number[] = [];
  const before = cpuMsOf(product.pid);
  for (let round = 0; round < ROUNDS; round++) perS.push(await sendAll(caller, agentIds, perAgent));
  const cpuMs = (cpuMsOf(product.pid) - before) / (ROUNDS * AGENTS * perAgent);
  caller.close();
  return { perS, cpuMs };
}
