// The daemon's Unix socket: who may connect, the preface, and handing the socket on to what was asked for. It knows
// neither MCP nor terminals; those come in as functions. Who a client is follows from the socket's file permissions
// (the same user) or from a token, never from anything else a client says.

import { once } from "node:events";
import { chmodSync, unlinkSync } from "node:fs";
import { createConnection, createServer, type Socket } from "node:net";
import { dirname } from "node:path";
import type { Duplex } from "node:stream";
import type { Principal } from "../access/principal.ts";
import type { Commands } from "../commands/command.ts";
import type { Clock } from "../kernel/clock.ts";
import { asSignalboxError, SignalboxError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import { serveCalls } from "./calls.ts";
import { readFirstLine } from "./first-line.ts";
import { PREFACE_BYTES_MAX, type Preface, type PrefaceAnswer, parsePreface } from "./preface.ts";
import { whyNotPrivate } from "./private-dir.ts";

/** A client writes its preface at once; one that has not by then is no client of ours. */
const PREFACE_DEADLINE_MS = 5_000;

/** 16 agents, a person's programs and some scripts stay far below; a runaway script meets a clear end. */
const CONNECTIONS_MAX = 256;

export interface LocalEdge {
  /** Its directory exists, is ours alone, and the caller holds the lock that makes this the only daemon. */
  socketPath: string;
  clock: Clock;
  log: Log;
  commands: Commands;
  /** Who the client is. Rejects with a SignalboxError: an unknown token, or options other than the daemon's own. */
  admit(preface: Preface): Principal | Promise<Principal>;
  /** Told to every admitted client: version, pid and the like. */
  welcome: Record<string, unknown>;
  /** Takes over an admitted socket, which is paused; from then on it is theirs to read, write and end. */
  serveMcp(stream: Duplex, principal: Principal): void;
  /** As serveMcp; `target` is the client's wish, unchecked. Rejects (SignalboxError) before the answer is sent. */
  serveAttach(stream: Duplex, principal: Principal, target: Record<string, unknown>): Promise<() => void>;
}

export interface LocalServer {
  /** Takes no more clients, ends the ones there are, and removes the socket. */
  close(): Promise<void>;
}

/** Listens on the socket (0600). Rejects with `conflict` when a daemon answers there already, `storage_error` when the
 *  directory is not ours alone. A socket left behind by a dead daemon is replaced. */
export async function listenLocal(edge: LocalEdge): Promise<LocalServer> {
  const why = whyNotPrivate(dirname(edge.socketPath));
  if (why !== null) {
    throw new SignalboxError(
      "storage_error",
      `The socket's directory cannot be trusted: ${why}.`,
      "Remove it and start again.",
    );
  }
  await removeDeadSocket(edge.socketPath);
  const open = new Set<Socket>();
  // Half-open: a client that has said all it has to say still reads our answers.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    // A reset is how a killed client ends; whoever owns the socket hears its close.
    socket.on("error", (error: NodeJS.ErrnoException) => edge.log.debug("local_socket_error", { code: error.code }));
    if (open.size > CONNECTIONS_MAX) {
      const limit = new SignalboxError("limit_reached", "Too many clients are connected to the daemon.", "Close some.");
      return refuse(socket, limit);
    }
    welcome(edge, socket);
  });
  // The mask holds from bind to chmod: nobody else can connect in between, wherever the directory lies.
  const mask = process.umask(0o177);
  try {
    server.listen(edge.socketPath);
  } finally {
    process.umask(mask);
  }
  await once(server, "listening");
  chmodSync(edge.socketPath, 0o600);
  return {
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

function welcome(edge: LocalEdge, socket: Socket): void {
  const deadline = edge.clock.after(PREFACE_DEADLINE_MS, () => {
    refuse(socket, new SignalboxError("timeout", "No preface came from the client.", "Use the signalbox client."));
  });
  socket.on("close", () => deadline.cancel());
  readFirstLine(socket, PREFACE_BYTES_MAX, (line) => {
    deadline.cancel();
    admit(edge, socket, line).catch((thrown: unknown) => {
      const error = asSignalboxError(thrown);
      edge.log.warn("local_client_refused", { code: error.code });
      refuse(socket, error);
    });
  });
}

async function admit(edge: LocalEdge, socket: Socket, line: string | null): Promise<void> {
  if (line === null) {
    throw new SignalboxError("invalid_input", "The first line is too long.", "Use the signalbox client.");
  }
  const preface = parsePreface(line);
  const principal = await edge.admit(preface);
  const begin = await prepare(edge, socket, principal, preface);
  if (socket.destroyed) return;
  answer(socket, { ok: true, ...edge.welcome });
  begin();
}

async function prepare(edge: LocalEdge, socket: Socket, principal: Principal, preface: Preface): Promise<() => void> {
  switch (preface.purpose) {
    case "mcp":
      return () => edge.serveMcp(socket, principal);
    case "call":
      return () => serveCalls({ stream: socket, principal, commands: edge.commands, log: edge.log });
    case "attach":
      return edge.serveAttach(socket, principal, preface.target);
  }
}

function answer(socket: Socket, body: PrefaceAnswer): void {
  socket.write(`${JSON.stringify(body)}\n`);
}

function refuse(socket: Socket, error: SignalboxError): void {
  answer(socket, { ok: false, error: error.toBody() });
  socket.end();
  // Half-open sockets close only when both sides have ended; what a refused client still says is thrown away.
  socket.resume();
  socket.once("finish", () => socket.destroy());
}

async function removeDeadSocket(socketPath: string): Promise<void> {
  const answers = await new Promise<boolean>((resolve) => {
    const probe = createConnection(socketPath, () => resolve(true));
    probe.on("error", () => resolve(false));
    probe.on("connect", () => probe.destroy());
  });
  if (answers) {
    throw new SignalboxError(
      "conflict",
      "A daemon is already running for this state directory.",
      "Use the running one.",
    );
  }
  try {
    unlinkSync(socketPath);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
