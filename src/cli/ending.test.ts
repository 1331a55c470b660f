import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { type FakeDaemon, startFakeDaemon } from "../../test/support/cli-daemon.ts";
import { SignalboxError } from "../kernel/errors.ts";

const MAIN = join(import.meta.dirname, "../main.ts");

let daemon: FakeDaemon;
beforeEach(async () => {
  const refuse = () => {
    throw new SignalboxError("permission_denied", "You may not.", "Ask.");
  };
  const commands = [
    "get_session_status",
    "get_message",
    "get_audit_log",
    "new_thing",
    "stop_daemon",
    "describe_daemon",
  ];
  daemon = await startFakeDaemon(Object.fromEntries(commands.map((command) => [command, refuse])));
});
afterEach(() => daemon.close());

/** Runs a process of its own, because what keeps a process alive shows in no function's answer. */
async function run(...words: string[]): Promise<{ code: unknown; stderr: string }> {
  const child = spawn(process.execPath, [MAIN, ...words], {
    env: { PATH: process.env.PATH, HOME: daemon.stateDir, SIGNALBOX_HOME: daemon.stateDir },
    stdio: ["ignore", "ignore", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const [code] = await once(child, "close");
  return { code, stderr };
}

describe("a call that the daemon refuses ends the process", () => {
  test.each(["stop", "status", "status --watch", "logs Agent_1", "message get msg_1", "audit", "call new_thing"])(
    "%s",
    async (line) => {
      expect(await run(...line.split(" "))).toEqual({ code: 1, stderr: "signalbox: You may not. Ask.\n" });
    },
  );

  test("doctor", async () => {
    expect(await run("doctor")).toEqual({ code: 1, stderr: "" });
  });
});
