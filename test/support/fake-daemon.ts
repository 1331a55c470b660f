// A daemon for tests of what lies around it: the real local socket and the real MCP edge over fake commands. Run as a
// process with the options that signalbox gives its daemon. Environment: FAKE_LOCK_DELAY_MS holds the lock that long
// before listening, FAKE_FAIL makes it refuse to start, FAKE_CRASH makes it die without a word.

import { appendFileSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "../../src/kernel/clock.ts";
import { SignalboxError } from "../../src/kernel/errors.ts";
import { silentLog } from "../../src/kernel/log.ts";
import { runDirFor, socketPathFor } from "../../src/kernel/paths.ts";
import { listenLocal } from "../../src/local/server.ts";
import { announceStart } from "../../src/local/start-daemon.ts";
import { serveMcpConnection } from "../../src/mcp/connection.ts";
import { createMcpServers } from "../../src/mcp/server.ts";
import { createFakeCommands, operator } from "./fake-commands.ts";

const { values } = parseArgs({
  options: {
    "state-dir": { type: "string" },
    "ready-fd": { type: "string" },
    "security-level": { type: "string" },
    "max-agents": { type: "string" },
    "max-sessions": { type: "string" },
    "log-dir": { type: "string" },
    "agent-env": { type: "string", multiple: true },
  },
});
const stateDir = values["state-dir"] as string;
const readyFd = Number(values["ready-fd"]);

if (process.env.FAKE_CRASH) process.exit(7);
if (process.env.FAKE_FAIL) {
  announceStart(readyFd, {
    is: "failed",
    error: new SignalboxError("storage_error", "The disk is full.", "Free some."),
  });
  process.exit(1);
}
mkdirSync(runDirFor(stateDir), { recursive: true, mode: 0o700 });
try {
  openSync(join(stateDir, "lock"), "wx");
} catch {
  announceStart(readyFd, { is: "already_running" });
  process.exit(0);
}
const started = { pid: process.pid, argv: process.argv.slice(2), cwd: process.cwd() };
appendFileSync(join(stateDir, "started"), `${JSON.stringify(started)}\n`);
if (process.env.FAKE_LOCK_DELAY_MS) {
  await new Promise((wake) => setTimeout(wake, Number(process.env.FAKE_LOCK_DELAY_MS)));
}
const commands = createFakeCommands();
const clock = systemClock;
const log = silentLog;
const servers = createMcpServers({ commands, clock, log, version: "0.0.1" });
await listenLocal({
  socketPath: socketPathFor(stateDir),
  clock,
  log,
  commands,
  admit({ role, options }) {
    if (options.max_agents !== undefined && String(options.max_agents) !== (values["max-agents"] ?? "16")) {
      throw new SignalboxError("conflict", "The daemon runs with another --max-agents.", "Leave the option out.");
    }
    return { ...operator, role };
  },
  welcome: { pid: process.pid },
  serveMcp: (stream, principal) => serveMcpConnection({ stream, servers, principal, clock, log }),
  serveAttach: async () => () => {},
});
announceStart(readyFd, { is: "ready" });
