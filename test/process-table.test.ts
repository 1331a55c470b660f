import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, it, onTestFinished } from "vitest";
import { processTable } from "./support/process-table.ts";

it.skipIf(process.platform !== "linux")(
  "a child that has not become its own program yet is not a second one of its parent",
  async () => {
    // A subshell is a fork without exec, so it stays for as long as one looks what others are for a moment.
    const shell = spawn("bash", ["-c", "(echo $BASHPID; read -r); :"], { stdio: ["pipe", "pipe", "inherit"] });
    onTestFinished(() => void shell.stdin.end());
    const [line] = await once(shell.stdout, "data");
    const fork = Number(line);
    expect(fork).toBeGreaterThan(1);
    expect(fork).not.toBe(shell.pid);
    const pids = processTable().map(({ pid }) => pid);
    expect(pids).toContain(shell.pid);
    expect(pids).not.toContain(fork);
  },
);
