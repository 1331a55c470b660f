// The embedded backend: terminals without any terminal program installed. Each session's terminals live in a host process of
// their own (host.ts) that outlives the daemon; this file starts hosts when they are needed and hands out their terminals.

import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import type { Readable } from "node:stream";
import type { Clock } from "../../kernel/clock.ts";
import { SignalboxError } from "../../kernel/errors.ts";
import type { Log } from "../../kernel/log.ts";
import { assertName, assertUsableSize, ensurePrivate, socketPath } from "../names.ts";
import type { Availability, TerminalBackend } from "../terminal.ts";
import { createHostClient, type HostClient } from "./host-client.ts";
import type { HostStart } from "./protocol.ts";

export interface PtyBackendOptions {
  /** Holds the hosts' sockets; made 0700. Short: a socket's whole path has 103 bytes. */
  runDir: string;
  /** The host's entry script, and the node that runs it. */
  hostScript: string;
  node: string;
  clock: Clock;
  log: Log;
  /** How long a host stays without terminals and without a daemon. Default one minute. */
  hostIdleMs?: number;
}

export interface PtyBackend extends TerminalBackend {
  /** Lets go of every host; all terminals run on. For a daemon that shuts down. */
  disconnect(): void;
}

const HOST_IDLE_MS = 60_000;
/** V8's room for new objects in MiB; its default of 16 lets a host grow by 35 MiB during a flood (measured). */
const HEAP_FLAGS = ["--max-semi-space-size=4"];
/** A host listens after some 150 ms; on a starved machine it has taken seconds. */
const START_PATIENCE_MS = 20_000;

export function createPtyBackend(options: PtyBackendOptions): PtyBackend {
  const { runDir, clock, log } = options;
  const clients = new Map<string, HostClient>();
  let probed: Promise<Availability> | null = null;

  return {
    name: "pty",
    availability() {
      probed ??= probe(options);
      return probed;
    },
    async open(spec) {
      assertName(spec.ref, "A terminal's ref");
      assertUsableSize(spec.size);
      return clientOf(spec.host).open(spec);
    },
    adopt: async (host, ref) => clientOf(host).adopt(ref),
    closeHost: async (host) => clientOf(host).closeHost(),
    attachCommand: () => null, // only our own `attach` speaks the host's protocol
    disconnect() {
      for (const client of clients.values()) client.disconnect();
      clients.clear();
    },
  };

  function clientOf(host: string): HostClient {
    let client = clients.get(host);
    if (!client) {
      const path = socketPath(runDir, host, "sock");
      client = createHostClient({ host, path, clock, log, start: () => startHost(options, host, path) });
      clients.set(host, client);
    }
    return client;
  }
}

/** Starts a host in a session of its own, with nothing of ours inherited but the descriptor it reports on. */
async function startHost(
  { runDir, hostScript, node, clock, log, hostIdleMs }: PtyBackendOptions,
  host: string,
  path: string,
) {
  ensurePrivate(runDir);
  const argument: HostStart = { socketPath: path, hostName: host, idleMs: hostIdleMs ?? HOST_IDLE_MS, readyFd: 3 };
  const process = spawn(node, [...HEAP_FLAGS, hostScript, JSON.stringify(argument)], {
    detached: true,
    stdio: ["ignore", "ignore", "ignore", "pipe"],
    cwd: "/", // holds no directory of the user's
    env: {}, // programs get theirs with `open`; a host needs none and must not leak ours
  });
  process.unref();
  const ready = process.stdio[3] as Readable;
  try {
    const line = await new Promise<string>((resolve, reject) => {
      const patience = clock.after(START_PATIENCE_MS, () => reject(new Error("it does not report")));
      let text = "";
      ready.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      ready.on("close", () => {
        patience.cancel();
        resolve(text.trim());
      });
      process.once("error", reject);
    });
    if (line === "") throw new Error("it ended before it listened");
    log.info("terminal host started", { host, pid: process.pid, said: line });
  } catch (cause) {
    process.kill("SIGKILL"); // one that starts later would be one that nobody asked for
    throw new SignalboxError(
      "terminal_unavailable",
      `The terminal host did not start: ${cause instanceof Error ? cause.message : String(cause)}.`,
      "Try again; if it stays so, reinstall signalbox with its optional dependencies (npm ci), or use terminal: tmux.",
      { cause },
    );
  } finally {
    ready.destroy();
  }
}

/** Whether a host can run here: its native part loads only where a build for the platform is installed. */
async function probe({ node, hostScript }: PtyBackendOptions): Promise<Availability> {
  try {
    accessSync(hostScript, constants.R_OK);
  } catch {
    return {
      is: "missing",
      why: `the terminal host's program ${hostScript} is not there`,
      nextStep: "Reinstall signalbox.",
    };
  }
  const code = await new Promise<number | null>((resolve) => {
    const process = spawn(node, [hostScript, "--probe"], { stdio: "ignore", env: {} });
    process.once("error", () => resolve(null));
    process.once("exit", resolve);
  });
  if (code === 0) return { is: "available" };
  return {
    is: "missing",
    why: "pseudoterminals cannot be used from node here",
    nextStep: "Reinstall signalbox with its optional dependencies (npm ci), or use tmux.",
  };
}
