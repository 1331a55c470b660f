// `signalbox attach` in a real terminal: a PTY whose child is our command line, against the real socket protocol.

import { join } from "node:path";
import { spawn } from "@lydell/node-pty";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SignalboxError } from "../../src/kernel/errors.ts";
import type { Viewer, ViewerSink } from "../../src/local/attach-frames.ts";
import { type FakeDaemon, startFakeDaemon } from "../support/cli-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

const MAIN = join(import.meta.dirname, "../../src/main.ts");
/** Bounds a wait for an event that never comes; on a busy machine node alone takes seconds to start. */
const WITHIN_MS = 20_000;

const AGENT = { agent_id: "agt_1", name: "Agent_1" };
const STATUS = { sessions: [{ session_id: "ses_1", name: "s", root_path: "/", agents: [AGENT] }], daemon: {} };

let daemon: FakeDaemon;
let endChild: () => Promise<void>;
beforeEach(async () => {
  endChild = async () => {};
  daemon = await startFakeDaemon({ get_session_status: () => STATUS });
});
afterEach(async () => {
  await endChild();
  await daemon.close();
});

/** A shell in a PTY that runs attach and then says what the terminal's settings are. */
function openTerminal() {
  const command = `stty -g > before; ${process.execPath} ${MAIN} attach Agent_1; echo "code=$?"; stty -g > after; cmp before after && echo SAME`;
  const home = tempDir(); // A home of its own: the daemon's directory goes while attach still runs.
  const env = {
    PATH: process.env.PATH ?? "",
    HOME: home,
    SIGNALBOX_HOME: daemon.stateDir,
    TERM: "xterm-256color",
  };
  const pty = spawn("/bin/sh", ["-c", command], { cols: 90, rows: 30, cwd: home, env });
  const ended = new Promise<void>((resolve) => pty.onExit(() => resolve()));
  endChild = () => {
    pty.kill("SIGKILL");
    return ended;
  };
  let shown = "";
  const hearers = new Set<() => void>();
  pty.onData((data) => {
    shown += data;
    for (const hear of hearers) hear();
  });
  const shows = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (!shown.includes(text)) return;
        clearTimeout(timer);
        hearers.delete(look);
        resolve();
      };
      const timer = setTimeout(() => reject(new Error(`never saw ${text} in ${JSON.stringify(shown)}`)), WITHIN_MS);
      hearers.add(look);
      look();
    });
  return { pty, shows, shown: () => shown };
}

/** The agent's side of one attachment, as a list of what it was told. */
function agentTerminal() {
  const told: string[] = [];
  const hearers = new Set<() => void>();
  const tell = (what: string) => {
    told.push(what);
    for (const hear of hearers) hear();
  };
  const viewer: Viewer = {
    input: (data) => tell(`input ${Buffer.from(data).toString("latin1")}`),
    resize: ({ cols, rows }) => tell(`resize ${cols}x${rows}`),
    detach: () => tell("detach"),
  };
  const joined = new Promise<ViewerSink>((resolve) => {
    daemon.attach = async ({ agentId, size }, sink) => {
      tell(`attach ${agentId} ${size.cols}x${size.rows}`);
      resolve(sink);
      return viewer;
    };
  });
  const hears = (what: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (!told.includes(what)) return;
        clearTimeout(timer);
        hearers.delete(look);
        resolve();
      };
      const timer = setTimeout(() => reject(new Error(`never heard ${what} in ${JSON.stringify(told)}`)), WITHIN_MS);
      hearers.add(look);
      look();
    });
  return { told, joined, hears };
}

describe("attach", { timeout: 3 * WITHIN_MS }, () => {
  test("shows the agent, sends keys and sizes, and leaves on Ctrl-] with the terminal as it was", async () => {
    const agent = agentTerminal();
    const terminal = openTerminal();
    const sink = await agent.joined;
    await sink.output(Buffer.from("\u001b[?1003h\u001b[1mhello from the agent"));
    await terminal.shows("hello from the agent");
    // Ctrl-C and Esc are the agent's, not ours.
    terminal.pty.write("ls\r\u0003\u001b");
    await agent.hears("input ls\r\u0003\u001b");
    terminal.pty.resize(100, 40);
    await agent.hears("resize 100x40");
    terminal.pty.write("x\u001dnever sent");
    await agent.hears("detach");
    await terminal.shows("SAME");
    expect(terminal.shown()).toContain("code=0");
    expect(agent.told[0]).toBe("attach agt_1 90x30");
    expect(agent.told).toContain("input x");
    expect(agent.told.join()).not.toContain("never");
    // What the agent's program switched on is off again, and the person's own page is back.
    expect(terminal.shown()).toMatch(/1003[;\d]*l/);
    expect(terminal.shown()).toContain("\u001b[?1049l");
  });

  test("ends with the agent", async () => {
    const agent = agentTerminal();
    const terminal = openTerminal();
    (await agent.joined).exited({ exitCode: 0, signal: null });
    await terminal.shows("The agent's process has ended.");
    await terminal.shows("SAME");
  });

  test("ends with an error when the daemon goes, the terminal as it was", async () => {
    const agent = agentTerminal();
    const terminal = openTerminal();
    await agent.joined;
    await daemon.close();
    await terminal.shows("code=1");
    await terminal.shows("SAME");
    expect(terminal.shown()).toContain("The daemon went away.");
  });

  test("passes on why an agent cannot be joined", async () => {
    daemon.attach = async () => {
      throw new SignalboxError("terminal_unavailable", "The host does not answer.", "Start the agent again.");
    };
    const terminal = openTerminal();
    await terminal.shows("The host does not answer. Start the agent again.");
    await terminal.shows("code=1");
    await terminal.shows("SAME");
  });
});
