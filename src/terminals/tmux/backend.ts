// The tmux backend: each session's terminals are panes of a private tmux server of its own, on a socket in our directory,
// without the user's configuration. A person can attach to it with plain tmux.

import { execFile } from "node:child_process";
import type { Clock } from "../../kernel/clock.ts";
import { SignalboxError } from "../../kernel/errors.ts";
import type { Log } from "../../kernel/log.ts";
import { assertName, socketPath } from "../names.ts";
import type { Availability, TerminalBackend } from "../terminal.ts";
import { createTmuxServer, TMUX_SESSION, type TmuxServer } from "./server.ts";

export interface TmuxBackendOptions {
  /** Holds the servers' sockets; made 0700. */
  runDir: string;
  /** The tmux executable, absolute or to be found on the daemon's PATH. */
  tmux: string;
  clock: Clock;
  log: Log;
}

export interface TmuxBackend extends TerminalBackend {
  /** Lets go of every server; all terminals run on. */
  disconnect(): void;
}

/** pause-after and per-pane flow control came with 3.2. */
const VERSION_MIN = 3.2;
/** From here on `paste-buffer` makes control characters visible unless it is told not to. */
const VERSION_ESCAPING_PASTES = 3.7;

export function createTmuxBackend({ runDir, tmux, clock, log }: TmuxBackendOptions): TmuxBackend {
  const servers = new Map<string, TmuxServer>();
  let asked: Promise<number | null> | null = null;
  const version = () => {
    asked ??= askVersion(tmux);
    return asked;
  };

  return {
    name: "tmux",
    async availability() {
      return judge(await version());
    },
    async open(spec) {
      assertName(spec.ref, "A terminal's ref");
      return (await serverOf(spec.host)).open(spec);
    },
    adopt: async (host, ref) => (await serverOf(host)).adopt(ref),
    closeHost: async (host) => (await serverOf(host)).closeHost(),
    attachCommand(host, ref) {
      const path = socketPath(runDir, host, "tmux").replaceAll("'", `'\\''`);
      return `tmux -S '${path}' attach-session -t '=${TMUX_SESSION}:=${ref}'`;
    },
    disconnect() {
      for (const server of servers.values()) server.disconnect();
      servers.clear();
    },
  };

  async function serverOf(host: string): Promise<TmuxServer> {
    const path = socketPath(runDir, host, "tmux");
    const found = await version();
    const availability = judge(found);
    if (availability.is === "missing") {
      throw new SignalboxError("terminal_unavailable", `${availability.why}.`, availability.nextStep);
    }
    const known = servers.get(host);
    if (known) return known;
    const pasteFlags = (found ?? 0) >= VERSION_ESCAPING_PASTES ? "-S" : "";
    const server = createTmuxServer({ host, path, runDir, tmux, pasteFlags, clock, log });
    servers.set(host, server);
    return server;
  }
}

/** "tmux 3.3a" and "tmux next-3.5" as numbers; a version without one is a development version of the newest. */
function askVersion(tmux: string): Promise<number | null> {
  return new Promise((resolve) => {
    execFile(tmux, ["-V"], { timeout: 5000 }, (error, stdout) => {
      const number = /(\d+\.\d+)/.exec(stdout)?.[1];
      resolve(error ? null : Number(number ?? Number.POSITIVE_INFINITY));
    });
  });
}

function judge(version: number | null): Availability {
  const nextStep = "Install tmux 3.2 or newer (apt install tmux, brew install tmux), or use the embedded terminals.";
  if (version === null) return { is: "missing", why: "tmux is not installed", nextStep };
  if (version < VERSION_MIN) return { is: "missing", why: `tmux ${version} is too old`, nextStep };
  return { is: "available" };
}
