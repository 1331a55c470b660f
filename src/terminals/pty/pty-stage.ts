// For tests: the embedded backend with a run directory of its own, and what is needed to look at it from outside.

import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../kernel/clock.ts";
import { silentLog } from "../../kernel/log.ts";
import { socketPath } from "../names.ts";
import type { ContractStage } from "../terminal.contract.ts";
import { createPtyBackend, type PtyBackend } from "./backend.ts";
import { createFrameReader } from "./frames.ts";
import type { HostEvent } from "./protocol.ts";

export const HOST_SCRIPT = fileURLToPath(new URL("./host.ts", import.meta.url));
export const CONTRACT_PROGRAM = fileURLToPath(new URL("../contract-program.ts", import.meta.url));

export interface PtyStage extends ContractStage {
  runDir: string;
  backend: PtyBackend;
  anotherDaemon(): PtyBackend;
  hostPid(host: string): Promise<number>;
}

export function createPtyStage(changes: { hostIdleMs?: number } = {}): PtyStage {
  const home = mkdtempSync(join(tmpdir(), "sbx-pty-"));
  const runDir = join(home, "run");
  const daemons: PtyBackend[] = [];
  const anotherDaemon = () => {
    const options = { runDir, hostScript: HOST_SCRIPT, node: process.execPath, clock: systemClock, log: silentLog };
    const backend = createPtyBackend({ ...options, ...changes });
    daemons.push(backend);
    return backend;
  };
  return {
    runDir,
    backend: anotherDaemon(),
    anotherDaemon,
    program: [process.execPath, CONTRACT_PROGRAM],
    env: { PATH: "/usr/bin:/bin", HOME: home, NODE_NO_WARNINGS: "1" },
    cwd: home,
    hostPid: (host) => askHostPid(socketPath(runDir, host, "sock")),
    async killHost(host) {
      process.kill(await askHostPid(socketPath(runDir, host, "sock")), "SIGKILL");
    },
    async tearDown() {
      for (const daemon of daemons) daemon.disconnect();
      rmSync(home, { recursive: true, force: true }); // hosts end when their socket is gone
    },
  };
}

/** As the host itself says it in its greeting. */
function askHostPid(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const reader = createFrameReader();
    const socket = connect(path);
    socket.once("error", reject);
    socket.on("data", (chunk) => {
      for (const message of reader.push(chunk) as HostEvent[]) if (message.event === "hello") resolve(message.pid);
      socket.destroy();
    });
  });
}
