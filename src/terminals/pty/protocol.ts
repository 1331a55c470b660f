// What the daemon and a terminal host say to each other, and where they meet. Both ends come from one version of the
// package, but a host outlives the daemon that started it, so the greeting names the protocol's number and a daemon that
// does not speak it says "cannot tell" instead of guessing.
//
// A connection begins with the host's hello. Then the daemon asks and the host answers by id; events come in between.
// `attach` turns its connection into a viewer's: from then on it carries that terminal's output one way and keys the other,
// and the socket's own back-pressure tells the host how fast the viewer is.

import { join } from "node:path";
import type { ErrorBody } from "../../kernel/errors.ts";
import type { ExitStatus, OpenSpec, OutputTail, Screen, TerminalSize } from "../terminal.ts";

export const PROTOCOL = 1;

export type SignalName = "SIGTERM" | "SIGHUP" | "SIGINT" | "SIGKILL";

/** Each request with its arguments and its answer. Bytes travel as base64. */
export interface Requests {
  open: { ask: { spec: OpenSpec }; answer: Opened };
  find: { ask: { ref: string }; answer: Found };
  write: { ask: { ref: string; data: string; ifViewerInputs: number | null }; answer: null };
  screen: { ask: { ref: string }; answer: Screen };
  tail: { ask: { ref: string; from: number }; answer: OutputTail };
  resize: { ask: { ref: string; size: TerminalSize }; answer: null };
  signal: { ask: { ref: string; name: SignalName; group: boolean }; answer: null };
  attach: { ask: { ref: string; size: TerminalSize }; answer: null };
  /** Ends every process of the host. The answer comes when they are gone; the host follows. */
  close: { ask: Record<never, never>; answer: null };
}

export type RequestName = keyof Requests;

export interface Opened {
  pid: number;
  /** Tells this process from a later one with the same pid; null where the system does not say. */
  birth: string | null;
}

export type Found =
  | { is: "running"; pid: number; birth: string | null }
  | { is: "exited"; pid: number; exit: ExitStatus }
  | { is: "unknown" };

export type Request = { [Name in RequestName]: { id: number; do: Name } & Requests[Name]["ask"] }[RequestName];

/** From a viewer's connection, without an answer. */
export type ViewerMessage = { do: "keys"; data: string } | { do: "viewer_size"; size: TerminalSize };

export type Reply = { id: number; ok: unknown } | { id: number; error: ErrorBody };

export type HostEvent =
  | { event: "hello"; protocol: number; host: string; pid: number; instance: string }
  | { event: "activity"; ref: string }
  | { event: "exit"; ref: string; exit: ExitStatus }
  | { event: "output"; data: string };

/** What a host is started with, as one JSON argument. Nothing secret: arguments can be read by everybody. */
export interface HostStart {
  socketPath: string;
  hostName: string;
  /** How long it stays without terminals and without a daemon. */
  idleMs: number;
  /** Where it writes one line, "ready" or why not; closed afterwards. */
  readyFd: number;
}

/** The temporary name a host binds before it moves onto its real one; no longer than the shortest real name. */
export function bindingPath(path: string, pid: number): string {
  return join(path, "..", `b_${pid}.sock`);
}
