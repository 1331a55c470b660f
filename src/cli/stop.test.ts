import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { startFakeDaemon } from "../../test/support/cli-daemon.ts";
import { stopDaemon } from "./stop.ts";
import { thisMachine } from "./world.ts";

test("stop stays until the daemon's process has ended", async () => {
  const child = spawn(process.execPath, [
    "-e",
    "process.on('SIGTERM', () => setTimeout(process.exit, 300)); console.log(1); setInterval(() => {}, 1e6)",
  ]);
  const gone = once(child, "exit");
  await once(child.stdout, "data");
  const daemon = await startFakeDaemon({ stop_daemon: () => ({ stopping: child.kill("SIGTERM") }) });
  try {
    daemon.welcome.pid = child.pid;
    const env = { SIGNALBOX_HOME: daemon.stateDir };
    const result = await stopDaemon({ env, world: thisMachine(env), stateDir: undefined, role: "operator" });
    expect(result).toEqual({ stopped: true, pid: child.pid });
    // It has ended before we were told, so its end is heard without anything else happening.
    await gone;
  } finally {
    child.kill("SIGKILL");
    await daemon.close();
  }
});
