// The daemon's side of one terminal host: one standing connection, the terminals known on it, and what its breaking means.
// A broken connection is not a dead host: it is opened again at once, and only when nobody listens any more, or another
// host does, are the terminals told that theirs has died.

import type { Clock, Timer } from "../../kernel/clock.ts";
import { SignalboxError } from "../../kernel/errors.ts";
import type { Log } from "../../kernel/log.ts";
import type { ExitStatus, Liveness, OpenSpec, Terminal } from "../terminal.ts";
import { type ConnectOutcome, connectToHost, type HostConnection } from "./host-connection.ts";
import type { HostEvent, Opened } from "./protocol.ts";
import { createPtyTerminal, type PtyTerminal } from "./pty-terminal.ts";

export interface HostClient {
  open(spec: OpenSpec): Promise<Terminal>;
  adopt(ref: string): Promise<{ is: "found"; terminal: Terminal } | Exclude<Liveness, { is: "alive" }>>;
  /** Resolves when the host and all its processes are gone. */
  closeHost(): Promise<void>;
  /** Leaves host and terminals alone; nobody here hears of them any more. */
  disconnect(): void;
}

export interface HostClientNeeds {
  host: string;
  path: string;
  clock: Clock;
  log: Log;
  /** Starts the host's process and resolves when it listens. */
  start(): Promise<void>;
}

/** With no live terminal for this long the connection is closed, so that the host may end by itself. */
const UNUSED_MS = 60_000;
/** The host gives its programs 2 s before SIGKILL; one that needs longer than this is stuck and gets SIGKILL itself. */
const CLOSE_PATIENCE_MS = 8_000;
/** Between attempts to reach a host that is there but cannot be talked to. Its terminals may be well. */
const RECOVER_EVERY_MS = 2_000;

export function createHostClient({ host, path, clock, log, start }: HostClientNeeds): HostClient {
  const terminals = new Map<string, PtyTerminal>();
  /** Ends heard in the moment between the host's answer and our knowing the terminal. */
  const earlyExits = new Map<string, ExitStatus>();
  /** The host these terminals live in. */
  let instance: string | null = null;
  let standing: HostConnection | null = null;
  let connecting: Promise<ConnectOutcome> | null = null;
  let starting: Promise<void> | null = null;
  let unusedTimer: Timer | null = null;
  let isDisconnected = false;
  let hearGone = () => {};

  return {
    async open(spec) {
      const connection = await reachOrStart();
      return know(spec.ref, await connection.ask("open", { spec }));
    },

    async adopt(ref) {
      const outcome = await reach();
      if (outcome.is === "absent") return { is: "gone", exit: null };
      if (outcome.is === "cannot_tell") return outcome;
      const found = await outcome.connection.ask("find", { ref }).catch((error: Error) => error);
      if (found instanceof Error) return { is: "cannot_tell", why: found.message };
      if (found.is === "running") return { is: "found", terminal: know(ref, found) };
      return { is: "gone", exit: found.is === "exited" ? found.exit : null };
    },

    async closeHost() {
      const outcome = await reach();
      if (outcome.is === "absent") return;
      if (outcome.is === "cannot_tell") throw unavailable(`The terminal host cannot be reached: ${outcome.why}.`);
      const { connection } = outcome;
      const orphans = [...terminals.values()];
      const gone = new Promise<void>((resolve) => {
        hearGone = resolve;
      });
      const patience = clock.after(CLOSE_PATIENCE_MS, () => {
        log.warn("terminal host is stuck, killing it", { host, pid: connection.hostPid });
        process.kill(connection.hostPid, "SIGKILL");
      });
      connection.ask("close", {}).catch(() => {}); // the end of the connection is the answer that counts
      await gone;
      patience.cancel();
      for (const terminal of orphans) await terminal.signal("SIGKILL", { group: true }); // no error when gone, as usual
    },

    disconnect() {
      isDisconnected = true;
      unusedTimer?.cancel();
      standing?.close();
    },
  };

  async function reachOrStart(): Promise<HostConnection> {
    let outcome = await reach();
    if (outcome.is === "absent") {
      starting ??= start().finally(() => {
        starting = null;
      });
      await starting;
      outcome = await reach();
    }
    if (outcome.is === "connected") return outcome.connection;
    throw unavailable(
      outcome.is === "absent" ? "The terminal host ended at once." : `It cannot be reached: ${outcome.why}.`,
    );
  }

  /** The standing connection or a new one; never starts a host. */
  function reach(): Promise<ConnectOutcome> {
    if (isDisconnected) return Promise.resolve({ is: "cannot_tell", why: "this daemon has let go of the host" });
    if (standing) return Promise.resolve({ is: "connected", connection: standing });
    connecting ??= connectToHost(path, clock, { event: hear, closed: lost }).then((outcome) => {
      connecting = null;
      if (outcome.is === "connected") stand(outcome.connection);
      return outcome;
    });
    return connecting;
  }

  function stand(connection: HostConnection): void {
    if (instance !== null && instance !== connection.instance) mournAll();
    instance = connection.instance;
    standing = connection;
    considerUnused();
    if (isDisconnected) connection.close();
  }

  function hear(event: HostEvent): void {
    if (event.event === "activity") terminals.get(event.ref)?.heardActivity();
    if (event.event === "exit") {
      if (terminals.has(event.ref)) ended(event.ref, event.exit);
      else earlyExits.set(event.ref, event.exit);
    }
  }

  function know(ref: string, opened: Opened): Terminal {
    const known = terminals.get(ref);
    if (known) return known;
    const terminal = createPtyTerminal({
      host,
      ref,
      opened,
      async connection() {
        const outcome = await reach();
        if (outcome.is === "connected") return outcome.connection;
        throw unavailable(outcome.is === "absent" ? "The terminal host is gone." : outcome.why);
      },
      connectApart: (events) => connectToHost(path, clock, events),
    });
    terminals.set(ref, terminal);
    considerUnused();
    const early = earlyExits.get(ref);
    earlyExits.delete(ref);
    if (early) ended(ref, early);
    return terminal;
  }

  function ended(ref: string, exit: ExitStatus | null): void {
    const terminal = terminals.get(ref);
    terminals.delete(ref);
    considerUnused();
    terminal?.heardExit(exit);
  }

  function mournAll(): void {
    for (const ref of [...terminals.keys()]) ended(ref, null);
  }

  function lost(): void {
    standing = null;
    earlyExits.clear();
    hearGone();
    if (!isDisconnected && terminals.size > 0) void recover();
  }

  /** The connection broke under live terminals: is it the host, or only the connection? */
  async function recover(): Promise<void> {
    const outcome = await reach();
    if (outcome.is === "absent") {
      log.warn("terminal host died", { host, terminals: terminals.size });
      return mournAll();
    }
    if (outcome.is === "cannot_tell") {
      if (!isDisconnected) clock.after(RECOVER_EVERY_MS, () => void recover());
      return;
    }
    for (const ref of [...terminals.keys()]) {
      const found = await outcome.connection.ask("find", { ref }).catch(() => null);
      if (found === null) return; // broken again, and lost() has taken over
      if (found.is === "running")
        terminals.get(ref)?.heardActivity(); // a ring may have been missed
      else ended(ref, found.is === "exited" ? found.exit : null);
    }
  }

  function considerUnused(): void {
    unusedTimer?.cancel();
    unusedTimer = terminals.size > 0 || standing === null ? null : clock.after(UNUSED_MS, () => standing?.close());
  }
}

function unavailable(message: string): SignalboxError {
  return new SignalboxError("terminal_unavailable", message, "Look at the session's status, then try again.");
}
