// `node scripts/keep-code.ts <dist/daemon-….cjs>`: runs the daemon once in a directory of its own, as its first client would meet
// it, and keeps beside it the code V8 made for that. The build runs this; everything started here ends with this process.

import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { socketPathFor } from "../src/kernel/paths.ts";
import { connectLocal, type LocalConnection, NoDaemonError } from "../src/local/client.ts";

const START_WITHIN_MS = 10_000;
const LOOK_AGAIN_MS = 10;

interface Daemon {
  main(verb: "daemon", args: string[]): Promise<number>;
}
const { compile, keptFileOf } = createRequire(import.meta.url)("../bin/kept-code.js") as {
  compile(file: string): { script: { createCachedData(): Buffer }; run(): Daemon };
  keptFileOf(file: string): string;
};

const file = process.argv[2] as string;
const home = mkdtempSync(join(tmpdir(), "signalbox-build-"));
process.on("exit", () => rmSync(home, { recursive: true, force: true }));
// The keychain belongs to a person and may ask for them.
process.env.SIGNALBOX_KEY_FILE = join(home, "key");

const { script, run } = compile(file);
const stateDir = join(home, "state");
void run().main("daemon", ["--state-dir", stateDir]);
const info = { name: "signalbox-build", version: "0" };
await ask("initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: info });
await ask("server/discover", {
  _meta: {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": info,
    "io.modelcontextprotocol/clientCapabilities": {},
  },
});
const kept = keptFileOf(file);
writeFileSync(`${kept}.${process.pid}.partial`, script.createCachedData());
renameSync(`${kept}.${process.pid}.partial`, kept);
process.exit();

async function ask(method: string, params: object): Promise<void> {
  const { socket } = await connect();
  socket.write(`${JSON.stringify({ jsonrpc: "2.0", id: 1, method, params })}\n`);
  socket.resume();
  await once(socket, "data");
  socket.destroy();
}

async function connect(): Promise<LocalConnection> {
  const deadline = performance.now() + START_WITHIN_MS;
  for (;;) {
    try {
      return await connectLocal({ socketPath: socketPathFor(stateDir), purpose: "mcp", role: "owner" });
    } catch (error) {
      if (!(error instanceof NoDaemonError) || performance.now() > deadline) throw error;
      await sleep(LOOK_AGAIN_MS);
    }
  }
}
