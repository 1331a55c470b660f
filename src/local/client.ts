// The other end of the daemon's socket, for the CLI and the bridge. Depends on node:net and the kernel alone, because the
// bridge must be ready as soon as node itself is. It never starts a daemon; start-daemon.ts does.

import { createConnection, type Socket } from "node:net";
import { dirname } from "node:path";
import { type ErrorBody, SignalboxError } from "../kernel/errors.ts";
import { createLineSplitter } from "../kernel/lines.ts";
import type { CallReply } from "./calls.ts";
import { readFirstLine } from "./first-line.ts";
import { type DaemonOptions, type LocalRole, PREFACE_BYTES_MAX, type Purpose, parsePrefaceAnswer } from "./preface.ts";
import { whyNotPrivate } from "./private-dir.ts";

/** Nobody serves at the socket (any more): the caller may start a daemon and try again. */
export class NoDaemonError extends Error {
  override readonly name = "NoDaemonError";
}

export interface LocalRequest {
  socketPath: string;
  purpose: Purpose;
  role?: LocalRole;
  options?: DaemonOptions;
  token?: string;
  target?: Record<string, unknown>;
}

export interface LocalConnection {
  /** Paused, with everything behind the daemon's answer still to be read. */
  socket: Socket;
  /** What the daemon said of itself. */
  welcome: Record<string, unknown>;
}

/** Connects and is admitted. Rejects with NoDaemonError when nobody serves, else with the daemon's own refusal. */
export function connectLocal(request: LocalRequest): Promise<LocalConnection> {
  const { socketPath, ...preface } = request;
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path: socketPath, allowHalfOpen: true });
    socket.on("error", (error: NodeJS.ErrnoException) => reject(notConnected(error)));
    socket.on("close", () => reject(new NoDaemonError("the daemon closed the connection before it answered")));
    socket.on("end", () => socket.destroy());
    socket.on("connect", () => {
      const why = whyNotPrivate(dirname(socketPath));
      if (why === null) return socket.write(`${JSON.stringify({ signalbox: 1, ...preface })}\n`);
      reject(new SignalboxError("permission_denied", `The daemon's socket cannot be trusted: ${why}.`, "Remove it."));
      socket.destroy();
    });
    readFirstLine(socket, PREFACE_BYTES_MAX, (line) => {
      const answer = line === null ? null : parsePrefaceAnswer(line);
      if (answer?.ok) {
        for (const event of ["error", "close", "end", "connect"]) socket.removeAllListeners(event);
        return resolve({ socket, welcome: answer });
      }
      reject(answer ? errorFromBody(answer.error) : noSense(socketPath));
      socket.destroy();
    });
  });
}

export interface Caller {
  /** Runs one command. Rejects with the command's SignalboxError, or NoDaemonError when the daemon goes away. An
   *  aborted call is cancelled at the daemon and rejects with what the daemon then says. */
  call(
    command: string,
    input: Record<string, unknown>,
    how?: { onProgress?: (message: string) => void; signal?: AbortSignal },
  ): Promise<Record<string, unknown>>;
  /** Leaves at once; calls that still wait are cancelled at the daemon and reject with NoDaemonError. */
  close(): void;
}

interface WaitingCall {
  onProgress: (message: string) => void;
  resolve: (result: Record<string, unknown>) => void;
  reject: (error: Error) => void;
}

/** Speaks the protocol of calls.ts over a connection whose purpose is `call`. */
export function createCaller({ socket }: LocalConnection): Caller {
  const waiting = new Map<number, WaitingCall>();
  let lastId = 0;

  function take(line: string): void {
    const reply = JSON.parse(line) as CallReply;
    if (reply.id === null) return;
    const call = waiting.get(reply.id);
    if (call === undefined) return;
    if ("progress" in reply) return call.onProgress(reply.progress);
    waiting.delete(reply.id);
    if ("result" in reply) call.resolve(reply.result);
    else call.reject(errorFromBody(reply.error));
  }

  // The daemon bounds its answers; this side trusts it and takes them whole.
  const splitter = createLineSplitter({ lineBytesMax: Number.POSITIVE_INFINITY, onLine: take, onOversized: () => {} });
  socket.on("data", (chunk: Buffer) => splitter.push(chunk));
  socket.on("error", () => {}); // "close" follows and tells every caller
  socket.on("end", () => socket.destroy()); // a daemon that says no more answers no more
  socket.on("close", () => {
    for (const call of waiting.values()) call.reject(new NoDaemonError("the daemon went away during the call"));
    waiting.clear();
  });
  socket.resume();

  return {
    call(command, input, how = {}) {
      if (socket.destroyed) return Promise.reject(new NoDaemonError("the connection to the daemon is closed"));
      lastId += 1;
      const id = lastId;
      const cancel = () => socket.write(`${JSON.stringify({ id, cancel: true })}\n`);
      return new Promise<Record<string, unknown>>((resolve, reject) => {
        waiting.set(id, { onProgress: how.onProgress ?? (() => {}), resolve, reject });
        socket.write(`${JSON.stringify({ id, command, input })}\n`);
        if (how.signal?.aborted) cancel();
        else how.signal?.addEventListener("abort", cancel, { once: true });
      }).finally(() => how.signal?.removeEventListener("abort", cancel));
    },
    // Not merely ended: a daemon that says no more would keep the caller's process alive with its half of the connection.
    close: () => socket.destroy(),
  };
}

/** Codes that mean "nobody listens here"; anything else is a fault of its own. What is wrong with a path that leads through
 *  a file, the daemon says better when it is started. */
const NOBODY = new Set(["ENOENT", "ENOTDIR", "ECONNREFUSED", "ECONNRESET", "EPIPE"]);

function notConnected(error: NodeJS.ErrnoException): Error {
  if (NOBODY.has(error.code ?? "")) return new NoDaemonError(`no daemon answers (${error.code})`, { cause: error });
  return new SignalboxError(
    "permission_denied",
    `The daemon's socket cannot be used: ${error.message}.`,
    "Check who owns it.",
    {
      cause: error,
    },
  );
}

/** An error as it was before it crossed the wire. */
export function errorFromBody(body: ErrorBody): SignalboxError {
  return new SignalboxError(body.code, body.message, body.next_step, { retryable: body.retryable });
}

function noSense(socketPath: string): SignalboxError {
  return new SignalboxError(
    "internal",
    "What answers at the daemon's socket is no signalbox daemon.",
    `End the program that listens at ${socketPath}, then try again.`,
  );
}
