// A daemon for the tests of the command line: the real socket and protocol in front of answers that the test gives.

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { systemClock } from "../../src/kernel/clock.ts";
import { SignalboxError } from "../../src/kernel/errors.ts";
import { silentLog } from "../../src/kernel/log.ts";
import { socketPathFor } from "../../src/kernel/paths.ts";
import { parseAttachTarget, serveViewer, type Viewer, type ViewerSink } from "../../src/local/attach-frames.ts";
import { listenLocal } from "../../src/local/server.ts";

export type Answer = (input: Record<string, unknown>) => Record<string, unknown> | Promise<Record<string, unknown>>;

export interface FakeDaemon {
  stateDir: string;
  /** Every call but those of the look-up of names, in order. */
  calls: { command: string; input: unknown; role: string }[];
  /** By command; a command without an answer is `not_found`. */
  answers: Record<string, Answer>;
  /** What an attached viewer gets to. */
  attach: (target: ReturnType<typeof parseAttachTarget>, sink: ViewerSink) => Promise<Viewer>;
  welcome: Record<string, unknown>;
  close(): Promise<void>;
}

/** Listens in a fresh state directory, which `close` removes. */
export async function startFakeDaemon(answers: Record<string, Answer>): Promise<FakeDaemon> {
  const stateDir = mkdtempSync(join(tmpdir(), "signalbox-cli-"));
  const socketPath = socketPathFor(stateDir);
  mkdirSync(dirname(socketPath), { recursive: true, mode: 0o700 });
  const daemon: FakeDaemon = {
    stateDir,
    calls: [],
    answers,
    attach: () => Promise.reject(new Error("this test attaches nothing")),
    welcome: { version: "9.9.9", pid: process.pid },
    async close() {
      await server.close();
      rmSync(stateDir, { recursive: true, force: true });
    },
  };
  const server = await listenLocal({
    socketPath,
    clock: systemClock,
    log: silentLog,
    commands: {
      list: [],
      async execute(principal, command, input) {
        daemon.calls.push({ command, input, role: principal.role });
        const answer = daemon.answers[command];
        if (!answer) throw new SignalboxError("not_found", `There is no command ${command}.`, "See the list.");
        return await answer(input as Record<string, unknown>);
      },
    },
    admit: ({ role }) => ({ role, sessionId: null, agentId: null, actor: "local" }),
    welcome: daemon.welcome,
    serveMcp: (stream) => stream.end(),
    serveAttach: async (stream, _principal, target) => {
      const wanted = parseAttachTarget(target);
      return () => void serveViewer(stream, (sink) => daemon.attach(wanted, sink));
    },
  });
  return daemon;
}
