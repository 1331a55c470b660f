// What idle agents cost the daemon: processor time, memory and wake-ups, as the kernel counts them.

import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Product } from "./house.ts";
import { round } from "./measure.ts";
import type { Part } from "./report.ts";

const AGENTS = 200;
const WATCH_MS = 20_000;
/** After the last start: a new agent is looked at for a while. */
const SETTLE_MS = 5_000;
/** Linux counts process times in hundredths of a second. */
const TICK_MS = 10;

export async function measureIdle(product: Product): Promise<Part> {
  const none = await watch(product.pid);
  await product.agents(AGENTS);
  await sleep(SETTLE_MS);
  const many = await watch(product.pid);
  const wakeUps = `${round(many.wakeUpsPerS)}/s with ${AGENTS} agents, ${round(none.wakeUpsPerS)}/s with none`;
  return {
    title: `${AGENTS} idle agents`,
    how: `${AGENTS} stand-in agents in one session, all idle, watched for ${WATCH_MS / 1_000} s by the kernel's own counters.`,
    rows: [
      {
        what: "daemon, processor time",
        measured: `${round(many.cpuPct)} % of one core`,
        budget: "< 1 %",
        kept: many.cpuPct < 1,
      },
      {
        what: "daemon, wake-ups (voluntary context switches of all its threads)",
        measured: wakeUps,
        budget: "none per agent",
        kept: many.wakeUpsPerS - none.wakeUpsPerS < AGENTS / 100,
      },
      {
        what: "daemon, resident memory",
        measured: `${round(many.rssMiB)} MiB; ${round((many.rssMiB - none.rssMiB) / AGENTS)} MiB more per agent`,
        budget: "< 200 MiB + 1.2 MiB per agent",
        kept: many.rssMiB < 200 + 1.2 * AGENTS,
      },
    ],
  };
}

async function watch(pid: number): Promise<{ cpuPct: number; wakeUpsPerS: number; rssMiB: number }> {
  const before = countersOf(pid);
  await sleep(WATCH_MS);
  const after = countersOf(pid);
  return {
    cpuPct: ((after.cpuMs - before.cpuMs) / WATCH_MS) * 100,
    wakeUpsPerS: ((after.switches - before.switches) / WATCH_MS) * 1_000,
    rssMiB: after.rssMiB,
  };
}

export function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

export function memoryMiB(pid: number, field: "VmRSS" | "VmHWM"): number {
  return numberIn(readFileSync(`/proc/${pid}/status`, "utf8"), field) / 1_024;
}

function numberIn(text: string, name: string): number {
  return Number(new RegExp(`${name}:\\s+(\\d+)`).exec(text)?.[1] ?? Number.NaN);
}

function countersOf(pid: number): { cpuMs: number; switches: number; rssMiB: number } {
  let switches = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    switches += numberIn(readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8"), "voluntary_ctxt_switches");
  }
  return {
    cpuMs: cpuMsOf(pid),
    switches,
    rssMiB: memoryMiB(pid, "VmRSS"),
  };
}
