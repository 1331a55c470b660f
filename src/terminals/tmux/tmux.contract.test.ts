// The tmux backend against the contract, with a real tmux on private sockets.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../kernel/clock.ts";
import { silentLog } from "../../kernel/log.ts";
import { socketPath } from "../names.ts";
import { keepsTheTerminalContract } from "../terminal.contract.ts";
import { createTmuxBackend } from "./backend.ts";

keepsTheTerminalContract({
  name: "the tmux backend",
  async setUp() {
    const home = mkdtempSync(join(tmpdir(), "sbx-tmux-"));
    const runDir = join(home, "run");
    const anotherDaemon = () => createTmuxBackend({ runDir, tmux: "tmux", clock: systemClock, log: silentLog });
    const backend = anotherDaemon();
    return {
      backend,
      anotherDaemon,
      program: [process.execPath, fileURLToPath(new URL("../contract-program.ts", import.meta.url))] as const,
      env: { PATH: "/usr/bin:/bin", HOME: home, NODE_NO_WARNINGS: "1" },
      cwd: home,
      async killHost(host) {
        process.kill(Number(ask(socketPath(runDir, host, "tmux"), "display-message", "-p", "#{pid}")), "SIGKILL");
      },
      async tearDown() {
        for (const socket of readdirSync(runDir).filter((name) => name.endsWith(".tmux"))) {
          await backend.closeHost(socket.slice(0, -".tmux".length));
        }
        backend.disconnect();
        rmSync(home, { recursive: true, force: true });
      },
    };
  },
});

function ask(socket: string, ...command: string[]): string {
  return execFileSync("tmux", ["-S", socket, ...command], { encoding: "utf8" }).trim();
}
