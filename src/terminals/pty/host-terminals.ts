// The terminals of one host: those that run, what is left of those that have ended, and the requests about them. Who asks,
// and over which connection, is host-door.ts.

import type { Clock } from "../../kernel/clock.ts";
import { SignalboxError } from "../../kernel/errors.ts";
import { assertName } from "../names.ts";
import type { OpenSpec } from "../terminal.ts";
import { type HostedTerminal, openHostedTerminal, type Remains } from "./hosted-terminal.ts";
import type { Found, HostEvent, Opened, Request } from "./protocol.ts";

export interface HostTerminals {
  obey(request: Exclude<Request, { do: "attach" | "close" }>): Promise<unknown>;
  /** Throws `terminal_unavailable` when it does not run. */
  find(ref: string): HostedTerminal;
  count(): number;
  /** True while an end is known that no daemon has heard of. */
  hasUntoldEnds(): boolean;
  /** Ends every program, asking first; resolves when none is left. Nothing is opened from then on. */
  endAll(): Promise<void>;
}

export interface HostTerminalsNeeds {
  clock: Clock;
  /** Returns whether any daemon was there to hear it. */
  broadcast(event: HostEvent): boolean;
  /** Called whenever one was opened or has ended. */
  changed(): void;
}

/** Ends are kept for a daemon that was away, with the last screen; 64 of them are some 2 MiB. */
const REMAINS_MAX = 64;
/** Between SIGHUP and SIGKILL when the host is closed: an agent needs about one second to save its conversation. */
const CLOSE_GRACE_MS = 2000;
const CLOSE_LOOK_MS = 10;

export function createHostTerminals({ clock, broadcast, changed }: HostTerminalsNeeds): HostTerminals {
  const running = new Map<string, HostedTerminal>();
  const remains = new Map<string, Remains>();
  let isClosing = false;
  let hasUntold = false;

  return {
    obey: async (request) => obey(request),
    find,
    count: () => running.size,
    hasUntoldEnds: () => hasUntold,
    async endAll() {
      isClosing = true;
      for (const terminal of running.values()) terminal.signal("SIGHUP", true);
      const deadline = clock.monotonicMs() + CLOSE_GRACE_MS;
      while (running.size > 0) {
        await new Promise<void>((resolve) => clock.after(CLOSE_LOOK_MS, resolve));
        if (clock.monotonicMs() > deadline) for (const terminal of running.values()) terminal.signal("SIGKILL", true);
      }
    },
  };

  function obey(request: Parameters<HostTerminals["obey"]>[0]): unknown {
    switch (request.do) {
      case "open":
        return open(request.spec);
      case "find":
        return tell(request.ref);
      case "write":
        return find(request.ref)
          .write(Buffer.from(request.data, "base64"), request.ifViewerInputs)
          .then(() => null);
      case "screen":
        return remains.get(request.ref)?.screen ?? find(request.ref).screen();
      case "tail":
        return (remains.get(request.ref) ?? find(request.ref)).tail(request.from);
      case "resize":
        running.get(request.ref)?.resize(request.size);
        return null;
      case "signal":
        running.get(request.ref)?.signal(request.name, request.group);
        return null;
    }
  }

  function open(spec: OpenSpec): Opened {
    const { ref } = spec;
    assertName(ref, "A terminal's ref");
    if (isClosing) throw new SignalboxError("terminal_unavailable", "The terminal host is closing.", "Try again.");
    if (running.has(ref) || remains.has(ref)) {
      throw new SignalboxError("conflict", `A terminal called ${ref} was opened here before.`, "Use a new ref.");
    }
    const terminal = openHostedTerminal(spec, clock, {
      activity: () => broadcast({ event: "activity", ref }),
      ended(rest) {
        running.delete(ref);
        remains.set(ref, rest);
        while (remains.size > REMAINS_MAX) remains.delete(remains.keys().next().value ?? "");
        if (!broadcast({ event: "exit", ref, exit: rest.exit })) hasUntold = true;
        changed();
      },
    });
    running.set(ref, terminal);
    changed();
    return { pid: terminal.pid, birth: terminal.birth };
  }

  function tell(ref: string): Found {
    const rest = remains.get(ref);
    if (rest) {
      hasUntold = false; // whoever asks for one end asks for all
      return { is: "exited", pid: rest.pid, exit: rest.exit };
    }
    const terminal = running.get(ref);
    if (!terminal) return { is: "unknown" };
    terminal.rearm();
    return { is: "running", pid: terminal.pid, birth: terminal.birth };
  }

  function find(ref: string): HostedTerminal {
    const terminal = running.get(ref);
    if (terminal) return terminal;
    throw new SignalboxError("terminal_unavailable", "The terminal's process has ended.", "Start it again.");
  }
}
