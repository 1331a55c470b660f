// For tests: the tmux backend with a run directory of its own, and what is needed to look at it from outside.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../kernel/clock.ts";
import { silentLog } from "../../kernel/log.ts";
import { socketPath } from "../names.ts";
import type { ContractStage } from "../terminal.contract.ts";
import { createTmuxBackend, type TmuxBackend } from "./backend.ts";

export interface TmuxStage extends ContractStage {
  backend: TmuxBackend;
  anotherDaemon(): TmuxBackend;
  runDir: string;
  /** Plain tmux on the host's socket, as a person would. */
  tmux(host: string, ...command: string[]): string;
}

export function createTmuxStage(): TmuxStage {
  const home = mkdtempSync(join(tmpdir(), "sbx-tmux-"));
  const runDir = join(home, "run");
  mkdirSync(runDir);
  const daemons: TmuxBackend[] = [];
  const anotherDaemon = () => {
    const backend = createTmuxBackend({ runDir, tmux: "tmux", clock: systemClock, log: silentLog });
    daemons.push(backend);
    return backend;
  };
  const backend = anotherDaemon();
  const tmux = (host: string, ...command: string[]) =>
    execFileSync("tmux", ["-S", socketPath(runDir, host, "tmux"), ...command], { encoding: "utf8" }).trim();
  return {
    backend,
    runDir,
    tmux,
    anotherDaemon,
    program: [process.execPath, fileURLToPath(new URL("../contract-program.ts", import.meta.url))],
    env: { PATH: "/usr/bin:/bin", HOME: home, NODE_NO_WARNINGS: "1" },
    cwd: home,
    async killHost(host) {
      process.kill(Number(tmux(host, "display-message", "-p", "#{pid}")), "SIGKILL");
    },
    async tearDown() {
      for (const socket of readdirSync(runDir).filter((name) => name.endsWith(".tmux"))) {
        await backend.closeHost(socket.slice(0, -".tmux".length));
      }
      for (const daemon of daemons) daemon.disconnect();
      rmSync(home, { recursive: true, force: true });
    },
  };
}
