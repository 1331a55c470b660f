// How soon an MCP client has its server: `signalbox mcp` from spawn to the answer, beside `node -e 0` in the same rounds, because
// only the ratio of two neighbours means something on a machine that others use.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { socketPathFor } from "../src/kernel/paths.ts";
import { connectLocal, createCaller } from "../src/local/client.ts";
import { freshDir, freshEnv, PROGRAM, type Product, remove } from "./house.ts";
import { ms, nowMs, percentile, round } from "./measure.ts";
import type { Part } from "./report.ts";

const ROUNDS = 30;
const COLD_ROUNDS = 16;
const CACHE_WRITTEN_MS = 1_500;

const INITIALIZE = {
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "bench", version: "1" } },
};
const DISCOVER = {
  method: "server/discover",
  params: {
    _meta: {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientInfo": { name: "bench", version: "1" },
      "io.modelcontextprotocol/clientCapabilities": {},
    },
  },
};

export async function measureStart(product: Product): Promise<Part> {
  const floor: number[] = [];
  const initialize: number[] = [];
  const discover: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    floor.push(await nodeAlone());
    initialize.push(await untilAnswer(product.env, product.stateDir, INITIALIZE));
    discover.push(await untilAnswer(product.env, product.stateDir, DISCOVER));
  }
  const coldFloor: number[] = [];
  const first: number[] = [];
  const cold: number[] = [];
  const cache = freshDir();
  await fromNothing(cache);
  for (let i = 0; i < COLD_ROUNDS; i++) {
    coldFloor.push(await nodeAlone());
    first.push(await fromNothing());
    cold.push(await fromNothing(cache));
  }
  await remove(cache);
  const row = (what: string, samples: number[], beside: number[], budget: number) => {
    const ratio = percentile(samples, 0.5) / percentile(beside, 0.5);
    const measured = `${round(ratio)}x (p50 ${ms(percentile(samples, 0.5))} beside ${ms(percentile(beside, 0.5))}; p90 ${ms(percentile(samples, 0.9))})`;
    return { what, measured, budget: `${budget}x`, kept: ratio <= budget };
  };
  return {
    title: "Start",
    how: `From spawning \`signalbox mcp\` to its first answer, as a multiple of \`node -e 0\` in the same ${ROUNDS} (cold: ${COLD_ROUNDS}) rounds.`,
    rows: [
      row("a daemon runs: `initialize`", initialize, floor, 1.3),
      row("a daemon runs: `server/discover`", discover, floor, 1.3),
      row("cold: new state directory, key, database and daemon, then `initialize`", cold, coldFloor, 8),
      row("the same, and this user has never run signalbox before (empty cache directory)", first, coldFloor, 8),
    ],
  };
}

async function nodeAlone(): Promise<number> {
  const startedMs = nowMs();
  await once(spawn(process.execPath, ["-e", "0"], { stdio: "ignore" }), "exit");
  return nowMs() - startedMs;
}

async function untilAnswer(env: Record<string, string>, stateDir: string, request: object): Promise<number> {
  const startedMs = nowMs();
  const child = spawn(process.execPath, [PROGRAM, "mcp", "--state-dir", stateDir], {
    env,
    stdio: ["pipe", "pipe", "ignore"],
  });
  child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id: 1, ...request })}\n`);
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const tookMs = nowMs() - startedMs;
  if (!line.includes('"result"')) throw new Error(`the bridge answered ${line}`);
  child.stdin.end();
  await once(child, "exit");
  return tookMs;
}

/** `cache`: the user's cache directory, kept between rounds; absent, this user has never run signalbox before. */
async function fromNothing(cache?: string): Promise<number> {
  const home = freshDir();
  const stateDir = join(home, "state");
  const env = freshEnv(home, cache === undefined ? {} : { XDG_CACHE_HOME: cache });
  const tookMs = await untilAnswer(env, stateDir, INITIALIZE);
  // A daemon that compiled for itself, because the build kept no code for this Node, writes it a second after it is ready.
  if (cache !== undefined) await new Promise((resolve) => setTimeout(resolve, CACHE_WRITTEN_MS));
  const caller = createCaller(
    await connectLocal({ socketPath: socketPathFor(stateDir), purpose: "call", role: "owner" }),
  );
  await caller.call("stop_daemon", {});
  caller.close();
  await remove(home);
  return tookMs;
}
