// A terminal host: the process that owns the terminals of one session and outlives the daemon. It listens on one Unix
// socket, obeys whoever may connect to it (the user alone: 0600 in a 0700 directory), and ends by itself when nobody needs
// it or nobody could ever reach it again. It knows bytes and sizes; why its programs run it never learns. Here are its start
// and its end; in between, host-door.ts and host-terminals.ts.
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
import { connect, createServer } from "node:net";
import { dirname } from "node:path";
import { systemClock, type Timer } from "../../kernel/clock.ts";
import { type Connection, serveConnection } from "./host-door.ts";
import { createHostTerminals } from "./host-terminals.ts";
import { bindingPath, type HostEvent, type HostStart, PROTOCOL, type Request } from "./protocol.ts";

const clock = systemClock;

/** While an end has been told to nobody, the host waits this long for a daemon to come and ask. */
const UNTOLD_PATIENCE_MS = 24 * 60 * 60 * 1000;
/** After the last answer was written, until the process ends. */
const FAREWELL_MS = 50;
/** Where the file system cannot be watched, how often the host looks whether its socket is still there. Slow, because it
 *  only matters when somebody has deleted the state directory. */
const SOCKET_LOOK_MS = 30_000;
/** As Linux shows it in fdinfo; node does not export it. */
const O_CLOEXEC = 0o2000000;

const [argument = ""] = process.argv.slice(2);
if (argument === "--probe") process.exit(0); // the native module was loaded by the imports above
const { socketPath, hostName, idleMs, readyFd } = JSON.parse(argument) as HostStart;
/** `instance` tells this host from an earlier one of the same name. */
const hello: HostEvent = {
  event: "hello",
  protocol: PROTOCOL,
  host: hostName,
  pid: process.pid,
  instance: randomUUID(),
};

const connections = new Set<Connection>();
const terminals = createHostTerminals({ clock, broadcast, changed: considerIdling });
let idleTimer: Timer | null = null;
let leaving: Promise<void> | null = null;
await main();

async function main(): Promise<void> {
  closeInherited();
  for (const name of ["SIGHUP", "SIGINT"] as const) process.on(name, () => {}); // no terminal's end is ours
  process.on("SIGTERM", () => void leave());
  process.on("uncaughtException", crash);
  if (await isAnswering(socketPath)) return report("another host listens there already", 1);

  const server = createServer((socket) => {
    serveConnection(socket, { hello, obey, find: terminals.find, joined, left });
  });
  const binding = bindingPath(socketPath, process.pid);
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

function joined(connection: Connection): void {
  connections.add(connection);
  considerIdling();
}

function left(connection: Connection): void {
  connections.delete(connection);
  considerIdling();
}

async function obey(request: Exclude<Request, { do: "attach" }>): Promise<unknown> {
  if (request.do !== "close") return terminals.obey(request);
  await leave();
  return null;
}

function broadcast(event: HostEvent): boolean {
  const daemons = [...connections].filter(({ isViewer }) => !isViewer);
  for (const daemon of daemons) daemon.send(event);
  return daemons.length > 0;
}

/** With a program running, or a daemon connected, the host stays; else it gives them a while to come back. */
function considerIdling(): void {
  idleTimer?.cancel();
  idleTimer = null;
  if (terminals.count() > 0 || connections.size > 0) return;
  idleTimer = clock.after(terminals.hasUntoldEnds() ? UNTOLD_PATIENCE_MS : idleMs, () => process.exit(0));
}

/** Ends every program and then the host. */
function leave(): Promise<void> {
  leaving ??= terminals.endAll().then(() => {
    // The answers to whoever asked are still to be written.
    clock.after(FAREWELL_MS, () => process.exit(0));
  });
  return leaving;
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
