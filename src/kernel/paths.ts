// Where signalbox lives on disk, as one rule for the daemon, the bridge and the CLI: if two of them disagreed about a
// path, two daemons would run. Only the rule lives here; nothing is created, and nothing heavy is imported, because the
// bridge loads this file on every start of an MCP client.

import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";

type Env = Readonly<Record<string, string | undefined>>;

/** sockaddr_un holds 108 bytes on Linux and 104 on macOS, the closing NUL included; 100 leaves room for a suffix. */
const SOCKET_PATH_BYTES_MAX = 100;

/** The absolute state directory: `override` (--state-dir), else SIGNALBOX_HOME, else the platform's own place. */
export function stateDirFor(env: Env, platform: NodeJS.Platform, override?: string): string {
  if (override !== undefined && override !== "") return resolve(override);
  if (env.SIGNALBOX_HOME) return resolve(env.SIGNALBOX_HOME);
  const home = env.HOME || homedir();
  if (platform === "darwin") return join(home, "Library", "Application Support", "signalbox");
  // The XDG specification says that a relative path in its variables is to be ignored.
  const xdgState = env.XDG_STATE_HOME;
  return join(xdgState && isAbsolute(xdgState) ? xdgState : join(home, ".local", "state"), "signalbox");
}

/** The directory of the daemon's sockets. Its maker gives it mode 0700 and refuses one that belongs to somebody else. */
export function runDirFor(stateDir: string, uid: number = process.getuid?.() ?? 0): string {
  const beside = join(stateDir, "run");
  if (Buffer.byteLength(join(beside, "daemon.sock")) <= SOCKET_PATH_BYTES_MAX) return beside;
  // Too deep for a socket. /tmp rather than TMPDIR: programs started by a desktop and by a shell differ in TMPDIR, and
  // all of them must find the same daemon.
  return join("/tmp", `signalbox-${uid}-${fnv1a64(stateDir)}`);
}

export function socketPathFor(stateDir: string): string {
  return join(runDirFor(stateDir), "daemon.sock");
}

/** A short name for a path. Nothing secret hangs on it, and node:crypto would cost the bridge milliseconds. */
function fnv1a64(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return hash.toString(16).padStart(16, "0");
}
