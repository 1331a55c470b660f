// A terminal host: the process that owns the terminals of one session and outlives the daemon. It listens on one Unix
// socket, obeys whoever may connect to it (the user alone: 0600 in a 0700 directory), and ends by itself when nobody needs
// it or nobody could ever reach it again. It knows bytes and sizes; why its programs run it never learns.
//
//   node host.ts <HostStart as JSON>     started detached
//   node host.ts --probe                 exits 0 when pseudoterminals can be had here

import { randomUUID } from "node:crypto";
import {
  chmodSync,
  closeSync,
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  unlinkSync,
  watch,
  writeFileSync,
  writeSync,
} from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { dirname } from "node:path";
import { systemClock, type Timer } from "../../kernel/clock.ts";
import { asSignalboxError, SignalboxError } from "../../kernel/errors.ts";
import { assertName } from "../names.ts";
import { createViewerInputFilter } from "../viewer-input.ts";
import { createFrameReader, encodeFrame } from "./frames.ts";
import { type HostedTerminal, openHostedTerminal, type Remains, type ViewerSeat } from "./hosted-terminal.ts";
import type { HostEvent, Reply, Request, ViewerMessage } from "./protocol.ts";
import * as protocol from "./protocol.ts";

const clock = systemClock;

/** Ends are kept for a daemon that was away, with the last screen; 64 of them are some 2 MiB. */
const REMAINS_MAX = 64;
/** While an end has been told to nobody, the host waits this long for a daemon to come and ask. */
const UNTOLD_PATIENCE_MS = 24 * 60 * 60 * 1000;
/** Between SIGHUP and SIGKILL when the host is closed: an agent needs about one second to save its conversation. */
const CLOSE_GRACE_MS = 2000;
/** A viewer with more than this on its way gets a repaint when it has caught up. A dozen full redraws. */
const VIEWER_BEHIND_BYTES = 256 * 1024;
/** Keys of one viewer waiting for a program that does not read; then the viewer's socket is not read either. */
const VIEWER_KEYS_WAITING_BYTES = 64 * 1024;
/** Where the file system cannot be watched, how often the host looks whether its socket is still there. Slow, because it
 *  only matters when somebody has deleted the state directory. */
const SOCKET_LOOK_MS = 30_000;
/** As Linux shows it in fdinfo; node does not export it. */
const O_CLOEXEC = 0o2000000;

const running = new Map<string, HostedTerminal>();
const remains = new Map<string, Remains>();
const controls = new Set<Connection>();
let connections = 0;
let untold = 0;
let idleTimer: Timer | null = null;
let closing: Promise<void> | null = null;

interface Connection {
  send(message: Reply | HostEvent): void;
}

const [argument = ""] = process.argv.slice(2);
if (argument === "--probe") process.exit(0); // the native module was loaded by the imports above
const { socketPath, hostName, idleMs, readyFd } = JSON.parse(argument) as protocol.HostStart;
/** Tells this host from an earlier one of the same name. */
const instance = randomUUID();
await main();

async function main(): Promise<void> {
  closeInherited();
  for (const name of ["SIGHUP", "SIGINT"] as const) process.on(name, () => {}); // no terminal's end is ours
  process.on("SIGTERM", () => void leave());
  process.on("uncaughtException", crash);
  if (await isAnswering(socketPath)) return report("another host listens there already", 1);

  const server = createServer((socket) => serve(socket));
  const binding = protocol.bindingPath(socketPath, process.pid);
  // Born private: the mask is set only for the bind, because the programs started later inherit what it is then.
  const mask = process.umask(0o177);
  server.listen(binding);
  await new Promise<void>((resolve, reject) => server.once("listening", resolve).once("error", reject));
  process.umask(mask);
  chmodSync(binding, 0o600);
  // Moving onto the name is atomic, and replaces what a killed host left. If two hosts meet here, the one whose socket was
  // replaced sees it (watchSocket) and ends.
  renameSync(binding, socketPath);
  const inode = lstatSync(socketPath).ino;
  watchSocket(inode);
  process.on("exit", () => {
    if (isOurs(inode)) unlinkSync(socketPath);
  });
  considerIdling();
  report("ready", null);
}

/** Whatever the daemon was started with and passed on unknowingly (a terminal's pipe, an editor's socket) would go on to
 *  every program, through any sandbox. Node's own descriptors close themselves on exec, which tells them apart. */
function closeInherited(): void {
  if (process.platform !== "linux") return; // elsewhere node-pty's helper closes them
  for (const name of readdirSync("/proc/self/fd")) {
    const fd = Number(name);
    if (fd <= 2 || fd === readyFd) continue;
    try {
      const flags = /flags:\s+([0-7]+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"))?.[1] ?? "";
      if ((Number.parseInt(flags, 8) & O_CLOEXEC) === 0) closeSync(fd);
    } catch {
      // The listing's own, closed by now.
    }
  }
}

/** One line to the daemon that waits, then the descriptor is closed, so that no program inherits it. */
function report(line: string, exitCode: number | null): void {
  try {
    writeSync(readyFd, `${line}\n`);
    closeSync(readyFd);
  } catch {
    // The daemon is gone already; another one will find the socket.
  }
  if (exitCode !== null) process.exit(exitCode);
}

function serve(socket: Socket): void {
  const connection: Connection = {
    send: (message) => void (socket.writable && socket.write(encodeFrame(message))),
  };
  const reader = createFrameReader();
  let seat: ViewerSeat | null = null;
  const filter = createViewerInputFilter();
  let waitingKeys = 0;
  let isBehind = false;

  connections++;
  controls.add(connection);
  considerIdling();
  socket.on("error", () => {}); // a daemon killed in mid-sentence; "close" follows
  socket.on("close", () => {
    seat?.leave();
    controls.delete(connection);
    connections--;
    considerIdling();
  });
  socket.on("data", (chunk) => {
    try {
      for (const message of reader.push(chunk)) take(message as Request | ViewerMessage);
    } catch {
      socket.destroy(); // not our protocol; nothing that follows can be understood
    }
  });
  socket.on("drain", () => {
    if (isBehind) seat?.catchUp();
    isBehind = false;
  });
  connection.send({ event: "hello", protocol: protocol.PROTOCOL, host: hostName, pid: process.pid, instance });

  function take(message: Request | ViewerMessage): void {
    if (message.do === "keys") keys(Buffer.from(message.data, "base64"));
    else if (message.do === "viewer_size") seat?.resize(message.size);
    else {
      const { id } = message;
      const answer = message.do === "attach" ? attach(message) : obey(message);
      answer.then(
        (ok) => connection.send({ id, ok }),
        (error) => connection.send({ id, error: asSignalboxError(error).toBody() }),
      );
    }
  }

  async function attach({ ref, size }: protocol.Requests["attach"]["ask"]): Promise<null> {
    const terminal = find(ref);
    controls.delete(connection);
    seat = terminal.attach(
      {
        output(data) {
          connection.send({ event: "output", data: Buffer.from(data).toString("base64") });
          if (socket.writableLength <= VIEWER_BEHIND_BYTES) return;
          isBehind = true;
          seat?.skip();
        },
        exited(exit) {
          connection.send({ event: "exit", ref, exit });
          socket.end();
        },
      },
      size,
    );
    return null;
  }

  function keys(bytes: Buffer): void {
    const input = filter.push(bytes);
    waitingKeys += input.bytes.length;
    if (waitingKeys > VIEWER_KEYS_WAITING_BYTES) socket.pause();
    void seat?.keys(input).then(() => {
      waitingKeys -= input.bytes.length;
      if (waitingKeys <= VIEWER_KEYS_WAITING_BYTES) socket.resume();
    });
  }
}

async function obey(request: Exclude<Request, { do: "attach" }>): Promise<unknown> {
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
    case "close":
      await leave();
      return null;
  }
}

function open(spec: protocol.Requests["open"]["ask"]["spec"]): protocol.Opened {
  const { ref } = spec;
  assertName(ref, "A terminal's ref");
  if (closing) throw new SignalboxError("terminal_unavailable", "The terminal host is closing.", "Try again.");
  if (running.has(ref) || remains.has(ref)) {
    throw new SignalboxError("conflict", `A terminal called ${ref} was opened here before.`, "Use a new ref.");
  }
  const terminal = openHostedTerminal(spec, clock, {
    activity: () => broadcast({ event: "activity", ref }),
    ended(rest) {
      running.delete(ref);
      remains.set(ref, rest);
      while (remains.size > REMAINS_MAX) remains.delete(remains.keys().next().value ?? "");
      if (controls.size === 0) untold++;
      broadcast({ event: "exit", ref, exit: rest.exit });
      considerIdling();
    },
  });
  running.set(ref, terminal);
  considerIdling();
  return { pid: terminal.pid, birth: terminal.birth };
}

function tell(ref: string): protocol.Found {
  const rest = remains.get(ref);
  if (rest) {
    untold = 0; // whoever asks for one end asks for all
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

function broadcast(event: HostEvent): void {
  for (const connection of controls) connection.send(event);
}

/** With a program running, or a daemon connected, the host stays; else it gives them a while to come back. */
function considerIdling(): void {
  idleTimer?.cancel();
  idleTimer = null;
  if (running.size > 0 || connections > 0) return;
  idleTimer = clock.after(untold > 0 ? UNTOLD_PATIENCE_MS : idleMs, () => process.exit(0));
}

/** Ends every program, asking first, and then the host. */
function leave(): Promise<void> {
  closing ??= endAll().then(() => {
    // The answers to whoever asked are still to be written.
    clock.after(50, () => process.exit(0));
  });
  return closing;
}

async function endAll(): Promise<void> {
  for (const terminal of running.values()) terminal.signal("SIGHUP", true);
  const deadline = clock.monotonicMs() + CLOSE_GRACE_MS;
  while (running.size > 0) {
    await new Promise<void>((resolve) => clock.after(10, resolve));
    if (clock.monotonicMs() > deadline) for (const terminal of running.values()) terminal.signal("SIGKILL", true);
  }
}

/** Nobody can reach a host whose socket is deleted or replaced; it would be an orphan with programs nobody sees. */
function watchSocket(inode: number): void {
  const look = () => {
    if (!isOurs(inode)) void leave();
  };
  const lookNowAndThen = () => {
    clock.after(SOCKET_LOOK_MS, () => {
      look();
      lookNowAndThen();
    });
  };
  try {
    const watcher = watch(dirname(socketPath), look);
    watcher.on("error", lookNowAndThen);
  } catch {
    lookNowAndThen();
  }
}

function isOurs(inode: number): boolean {
  try {
    return lstatSync(socketPath).ino === inode;
  } catch {
    return false;
  }
}

function isAnswering(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** A broken invariant ends the host loudly: its daemon sees the socket close, and a person finds the place here. */
function crash(error: Error): void {
  try {
    writeFileSync(`${socketPath}.crash`, `${error.stack}\n`, { mode: 0o600 });
  } finally {
    process.exit(70);
  }
}
