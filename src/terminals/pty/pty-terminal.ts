// A terminal of a host, as the daemon holds it: the port's Terminal over whatever connection stands at the moment. All
// questions go to the host; kept here are only who listens, and how it ended.

import { SignalboxError } from "../../kernel/errors.ts";
import { assertUsableSize } from "../names.ts";
import { isStillRunning } from "../processes.ts";
import type { AttachedViewer, ExitStatus, Liveness, Terminal, TerminalSize, ViewerSink } from "../terminal.ts";
import type { ConnectionEvents, ConnectOutcome, HostConnection } from "./host-connection.ts";
import type { Opened } from "./protocol.ts";

export interface PtyTerminal extends Terminal {
  /** From the host client: output came, or the end did. `null` = the host died with it. */
  heardActivity(): void;
  heardExit(exit: ExitStatus | null): void;
  isLive(): boolean;
}

export interface PtyTerminalNeeds {
  host: string;
  ref: string;
  opened: Opened;
  /** The standing connection, or a new one; rejects with `terminal_unavailable` when the host is not there. */
  connection(): Promise<HostConnection>;
  /** A connection of one's own, for a viewer. */
  connectApart(events: ConnectionEvents): Promise<ConnectOutcome>;
}

export function createPtyTerminal({ host, ref, opened, connection, connectApart }: PtyTerminalNeeds): PtyTerminal {
  const activityListeners = new Set<() => void>();
  const exitListeners = new Set<(exit: ExitStatus | null) => void>();
  let ended: { exit: ExitStatus | null } | null = null;

  return {
    ref,
    host,
    pid: opened.pid,
    isShared: false,

    async write(bytes, options = {}) {
      if (ended) throw processGone();
      const data = Buffer.from(bytes, "utf8").toString("base64");
      await (await connection()).ask("write", { ref, data, ifViewerInputs: options.ifViewerInputs ?? null });
    },
    screen: async () => (await connection()).ask("screen", { ref }),
    tail: async (from) => (await connection()).ask("tail", { ref, from }),

    async resize(size) {
      assertUsableSize(size);
      if (!ended) await (await connection()).ask("resize", { ref, size });
    },

    async signal(name, { group = false } = {}) {
      if (!ended) {
        await (await connection()).ask("signal", { ref, name, group });
      } else if (ended.exit === null && isStillRunning(opened)) {
        process.kill(group ? -opened.pid : opened.pid, name);
      }
    },

    async liveness() {
      if (ended) return livenessAfter(ended.exit, opened);
      let reached: HostConnection;
      try {
        reached = await connection();
      } catch (error) {
        if (ended) return livenessAfter(endedNow(), opened);
        return { is: "cannot_tell", why: error instanceof Error ? error.message : String(error) };
      }
      const found = await reached.ask("find", { ref }).catch((error: Error) => error);
      if (found instanceof Error) return { is: "cannot_tell", why: found.message };
      if (found.is === "running") return { is: "alive", pid: found.pid };
      return { is: "gone", exit: found.is === "exited" ? found.exit : null };
    },

    onActivity(ring) {
      activityListeners.add(ring);
      return () => activityListeners.delete(ring);
    },
    onExit(hear) {
      if (ended) {
        const { exit } = ended;
        queueMicrotask(() => hear(exit));
        return () => {};
      }
      exitListeners.add(hear);
      return () => exitListeners.delete(hear);
    },

    attach: (sink, size) => attachViewer(ref, connectApart, sink, size),

    heardActivity() {
      for (const ring of [...activityListeners]) ring();
    },
    heardExit(exit) {
      if (ended) return;
      ended = { exit };
      for (const hear of [...exitListeners]) hear(exit);
      exitListeners.clear();
      activityListeners.clear();
    },
    isLive: () => ended === null,
  };

  function endedNow(): ExitStatus | null {
    return ended?.exit ?? null;
  }
}

/** After a host's death the process has got SIGHUP, which it may ignore; "gone" is said only when it is. */
function livenessAfter(exit: ExitStatus | null, opened: Opened): Liveness {
  if (exit === null && isStillRunning(opened)) {
    return { is: "cannot_tell", why: `the terminal host died, but process ${opened.pid} is still there` };
  }
  return { is: "gone", exit };
}

function processGone(): SignalboxError {
  return new SignalboxError("terminal_unavailable", "The terminal's process has ended.", "Start it again.");
}

async function attachViewer(
  ref: string,
  connectApart: PtyTerminalNeeds["connectApart"],
  sink: ViewerSink,
  size: TerminalSize,
): Promise<AttachedViewer> {
  let isAttached = false;
  let isBroken = false;
  let hasLeft = false;
  let hasHeardExit = false;
  // Output may come before the answer to `attach`. Shown at once to a viewer that does not keep up, it would close the line by
  // which that answer comes.
  let answered = () => {};
  let turn = new Promise<void>((resolve) => {
    answered = resolve;
  });

  const outcome = await connectApart({
    event(event) {
      if (event.event === "exit") {
        hasHeardExit = true;
        turn = turn.then(() => leave(event.exit));
      }
      if (event.event === "output") turn = turn.then(() => show(Buffer.from(event.data, "base64")));
    },
    closed() {
      isBroken = true;
      if (isAttached && !hasHeardExit) turn = turn.then(() => leave(null));
    },
  });
  if (outcome.is !== "connected") {
    throw new SignalboxError(
      "terminal_unavailable",
      "The terminal host cannot be reached.",
      "Look at the session's status.",
    );
  }
  const { connection } = outcome;
  try {
    await connection.ask("attach", { ref, size });
  } catch (error) {
    hasLeft = true;
    connection.close();
    throw error;
  } finally {
    answered();
  }
  isAttached = true;
  if (isBroken && !hasHeardExit) turn = turn.then(() => leave(null));

  return {
    input: (data) => connection.tell({ do: "keys", data: Buffer.from(data).toString("base64") }),
    resize: (newSize) => connection.tell({ do: "viewer_size", size: newSize }),
    detach() {
      hasLeft = true;
      connection.close();
    },
  };

  async function show(data: Buffer): Promise<void> {
    if (hasLeft) return;
    const shown = sink.output(data);
    if (shown === undefined) return;
    connection.setReading(false);
    await shown.catch(() => {});
    connection.setReading(true);
  }

  function leave(exit: ExitStatus | null): void {
    if (hasLeft) return;
    hasLeft = true;
    sink.exited(exit);
    connection.close();
  }
}
