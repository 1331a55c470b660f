// `node scripts/keep-code.ts <dist/daemon-….cjs>`: runs the daemon once in a directory of its own, greets it as its first client
// will, and keeps beside it the code V8 made for that. The build runs this; everything started here ends with this process.

import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { socketPathFor } from "../src/kernel/paths.ts";
import { connectLocal, type LocalConnection, NoDaemonError } from "../src/local/client.ts";

/** It takes half a second; a machine that needs longer goes without. */
const KEEP_WITHIN_MS = 15_000;
const LOOK_AGAIN_MS = 10;

const INFO = { name: "signalbox-build", version: "0" };
/** How a client of either protocol era begins. */
const GREETINGS = {
  initialize: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: INFO },
  "server/discover": {
    _meta: {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientInfo": INFO,
      "io.modelcontextprotocol/clientCapabilities": {},
    },
  },
};

const { compile, keptFileOf } = createRequire(import.meta.url)("../bin/kept-code.js") as {
  compile(file: string): {
    script: { createCachedData(): Buffer };
    run(): { main(verb: "daemon", args: string[]): Promise<number> };
  };
  keptFileOf(file: string): string;
};

const file = process.argv[2] as string;
const home = mkdtempSync(join(tmpdir(), "signalbox-build-"));
process.on("exit", () => rmSync(home, { recursive: true, force: true }));
setTimeout(() => giveUp("it took too long"), KEEP_WITHIN_MS);
// The keychain belongs to a person and may ask for them.
process.env.SIGNALBOX_KEY_FILE = join(home, "key");
try {
  await keep();
} catch (error) {
  giveUp(String(error));
}
process.exit();

async function keep(): Promise<void> {
  const { script, run } = compile(file);
  const stateDir = join(home, "state");
  const daemon = run().main("daemon", ["--state-dir", stateDir]);
  void daemon.then(() => giveUp("the daemon ended"));
  for (const [method, params] of Object.entries(GREETINGS)) {
    const { socket } = await connect(socketPathFor(stateDir));
    socket.write(`${JSON.stringify({ jsonrpc: "2.0", id: 1, method, params })}\n`);
    socket.resume();
    await once(socket, "data");
    socket.destroy();
  }
  const partial = `${file}.${process.pid}.partial`;
  writeFileSync(partial, script.createCachedData(), { flush: true });
  renameSync(partial, keptFileOf(file));
}

async function connect(socketPath: string): Promise<LocalConnection> {
  for (;;) {
    try {
      return await connectLocal({ socketPath, purpose: "mcp", role: "owner" });
    } catch (error) {
      if (!(error instanceof NoDaemonError)) throw error;
      await sleep(LOOK_AGAIN_MS);
    }
  }
}

/** In one line; the daemon inside would only log what is thrown. */
function giveUp(why: string): void {
  process.stderr.write(`${why}\n`);
  process.exit(1);
}
