// One private tmux server, the host of one session's terminals, as the daemon holds it: one control connection, the panes
// known on it, and what its end means. The server outlives the daemon by nature; its windows keep the exit status of
// programs that have ended (remain-on-exit) until a daemon has asked.

import { chmodSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { type Clock, sleep, type Timer } from "../../kernel/clock.ts";
import { SignalboxError } from "../../kernel/errors.ts";
import type { Log } from "../../kernel/log.ts";
import { assertUsableSize, ensurePrivate } from "../names.ts";
import { isStillRunning, processBirth, refuseHopelessStart, signalName } from "../processes.ts";
import type { ExitStatus, Liveness, OpenSpec, Terminal } from "../terminal.ts";
import { type Control, openControl, type PaneId } from "./control.ts";
import { removeLaunchScript, writeLaunchScript } from "./launch.ts";
import { createTmuxTerminal, type PaneRow, type TmuxTerminal } from "./tmux-terminal.ts";

export interface TmuxServer {
  open(spec: OpenSpec): Promise<Terminal>;
  adopt(ref: string): Promise<{ is: "found"; terminal: Terminal } | Exclude<Liveness, { is: "alive" }>>;
  closeHost(): Promise<void>;
  disconnect(): void;
}

export interface TmuxServerNeeds {
  host: string;
  path: string;
  runDir: string;
  tmux: string;
  pasteFlags: string;
  clock: Clock;
  log: Log;
}

export const TMUX_SESSION = "signalbox";
/** A tmux server lives as long as a window does; this one holds no program of anybody's. */
const KEEPER = "keeper";
const KEEPER_COMMAND = "exec /usr/bin/tail -f /dev/null";

/** Set each time a daemon connects, before any window of a program is made. -q: an older tmux lacks some. The window size
 *  is not set to manual for all: tmux 3.3a crashes at the next new-window. */
const SETTINGS = [
  "set-option -gq default-shell /bin/sh",
  "set-option -gq history-limit 1000",
  "set-option -gq remain-on-exit on",
  'set-option -gq remain-on-exit-format ""',
  "set-option -gq allow-rename off",
  "set-option -gq automatic-rename off",
  "set-option -gq allow-passthrough off",
  "set-option -sq set-clipboard off", // OSC 52 of a program must not reach anybody's clipboard
  "set-option -sq escape-time 0",
  "refresh-client -f pause-after=1", // else a flood is buffered without bound in the server (200 MB measured)
];

const LIST =
  'list-panes -s -F "#{pane_id} #{pane_pid} #{pane_dead} [#{pane_dead_status}] [#{pane_dead_signal}] [#{@paste}] [#{@pid}] #{window_name}"';
const ROW = /^(%\d+) (\d+) ([01]) \[(\d*)\] \[(\d*)\] \[(\d*)\] \[(\d*)\] (.*)$/;

/** tmux 3.3a misses the end of about one program in eight until another one ends (measured; the zombie waits in its process
 *  table). So once a second, while there are programs, their pids are looked at; a signal to the server does the rest. */
const WATCH_EVERY_MS = 1000;
/** A tmux too old to tell the signal that ended a program shows no status at all; after so many looks that is the answer. */
const LOOKS_WITHOUT_STATUS_MAX = 4;

/** Ended programs whose window is kept for a daemon that was away. */
const REMAINS_MAX = 64;
const CLOSE_GRACE_MS = 2000;
const CLOSE_LOOK_MS = 20;
/** A server that has just been killed holds its socket for some milliseconds: measured, "server exited unexpectedly". */
const START_ATTEMPTS = 3;
const START_PAUSE_MS = 150;

export function createTmuxServer(needs: TmuxServerNeeds): TmuxServer {
  const { host, path, runDir, tmux, clock, log } = needs;
  const terminals = new Map<PaneId, TmuxTerminal>();
  /** Output of panes that are being opened and are not known yet. */
  let early: Map<PaneId, Buffer[]> | null = null;
  let standing: Control | null = null;
  let connecting: Promise<Control> | null = null;
  let keeper: PaneId = "%0";
  let serverPid = 0;
  let watchTimer: Timer | null = null;
  const looksWithoutStatus = new Map<PaneId, number>();
  let isDisconnected = false;
  let lastNumber = 0;
  let opening: Promise<unknown> = Promise.resolve();
  let sweeping: Promise<void> = Promise.resolve();

  return {
    open(spec) {
      // One after the other: a new window takes the client's size, which is one for all.
      const mine = opening.then(() => open(spec));
      opening = mine.catch(() => {});
      return mine;
    },

    async adopt(ref) {
      if (!(await isListening(path))) return { is: "gone", exit: null };
      try {
        const row = (await list(await reach(false))).find((candidate) => candidate.ref === ref);
        if (!row) return { is: "gone", exit: null };
        return row.exit ? { is: "gone", exit: row.exit } : { is: "found", terminal: know(row) };
      } catch (error) {
        return { is: "cannot_tell", why: error instanceof Error ? error.message : String(error) };
      }
    },

    async closeHost() {
      if (!(await isListening(path))) return;
      const control = await reach(false);
      await endPrograms(control);
      await sweep();
      control.run("kill-server", 1).catch(() => {}); // the end of the server is the answer that counts
      while (await isListening(path)) await sleep(clock, CLOSE_LOOK_MS);
      rmSync(path, { force: true });
    },

    disconnect() {
      isDisconnected = true;
      watchTimer?.cancel();
      standing?.close();
    },
  };

  async function open(spec: OpenSpec): Promise<Terminal> {
    assertUsableSize(spec.size);
    refuseHopelessStart(spec);
    const control = await reach(true);
    if ((await list(control)).some(({ ref }) => ref === spec.ref)) {
      throw new SignalboxError("conflict", `A terminal called ${spec.ref} was opened here before.`, "Use a new ref.");
    }
    const command = writeLaunchScript(runDir, spec);
    const { cols, rows } = spec.size;
    early = new Map();
    try {
      const made = `new-window -d -P -F "#{pane_id} #{pane_pid}" -n ${spec.ref} "${command}"`;
      const [, answer] = await control.run(`refresh-client -C ${cols}x${rows} ; ${made}`, 2);
      const [, id, pid] = /^(%\d+) (\d+)$/.exec(answer?.[0] ?? "") ?? [];
      if (!id) throw new Error(`tmux answered new-window with ${JSON.stringify(answer)}`);
      const row: PaneRow = { id: id as PaneId, pid: Number(pid), ref: spec.ref, exit: null, bracketedPaste: false };
      const terminal = know(row);
      for (const bytes of early.get(row.id) ?? []) terminal.heardOutput(bytes);
      // From here on the window keeps its size, whoever attaches; its title is the program's, not this machine's name; and
      // what a person puts in the program's place (respawn-pane) is not taken for it.
      const noted = `select-pane -t ${row.id} -T "" ; set-option -p -t ${row.id} @pid ${row.pid}`;
      await control.run(`resize-window -t ${row.id} -x ${cols} -y ${rows} ; ${noted}`, 3);
      await sweep(); // it may have ended before it was known
      return terminal;
    } catch (cause) {
      removeLaunchScript(runDir, spec.ref);
      throw cause;
    } finally {
      early = null;
    }
  }

  /** The standing connection or a new one. */
  function reach(mayStart: boolean): Promise<Control> {
    if (isDisconnected) return Promise.reject(unavailable("this daemon has let go of the tmux server"));
    if (standing) return Promise.resolve(standing);
    connecting ??= connectAndSet(mayStart).finally(() => {
      connecting = null;
    });
    return connecting;
  }

  async function connectAndSet(mayStart: boolean): Promise<Control> {
    const attach = ["attach-session", "-t", `=${TMUX_SESSION}`];
    const create = ["new-session", "-A", "-s", TMUX_SESSION, "-n", KEEPER, "-x", "120", "-y", "40", KEEPER_COMMAND];
    ensurePrivate(runDir);
    const start = { tmux, socketPath: path, cwd: runDir, first: mayStart ? create : attach };
    const events = { output: hearOutput, paused: hearPause, closed: lost };
    let control: Control | null = null;
    for (let attempt = 1; control === null; attempt++) {
      try {
        control = await openControl(start, clock, events);
      } catch (error) {
        if (!mayStart || attempt >= START_ATTEMPTS) throw error;
        await sleep(clock, START_PAUSE_MS);
      }
    }
    chmodSync(path, 0o600); // tmux makes it for the group too
    await control.run(SETTINGS.join(" ; "), SETTINGS.length);
    keeper = (await list(control)).find(({ ref }) => ref === KEEPER)?.id ?? keeper;
    serverPid = Number((await control.run('display-message -p "#{pid}"', 1))[0]?.[0]);
    await hangBell(control);
    standing = control;
    if (terminals.size > 0) void sweep().catch(() => {});
    return control;
  }

  /** tmux 3.3 tells a control client nothing when a program ends and its window remains. But it tells at once when a pane's
   *  output is paused: so a hook pauses the keeper's, which has none. The hook's index is the client's pid, for a daemon that
   *  goes while another comes; bells of clients that are gone are taken down. */
  async function hangBell(control: Control): Promise<void> {
    const [hooks = [], clients = []] = await control.run(
      'show-hooks -g pane-died ; list-clients -F "#{client_pid}"',
      2,
    );
    const stale = hooks
      .map((line) => /^pane-died\[(\d+)\]/.exec(line)?.[1])
      .filter((pid) => pid && !clients.includes(pid));
    for (const pid of stale) await control.run(`set-hook -gu pane-died[${pid}]`, 1);
    const pid = control.clientPid;
    const bell = `refresh-client -t client-${pid} -A \\"${keeper}:pause\\"`;
    await control.run(`set-hook -g pane-died[${pid}] "${bell}"`, 1);
  }

  /** The panes that still hold the program they were opened for. */
  async function list(control: Control): Promise<PaneRow[]> {
    return (await listAll(control)).filter(({ isReplaced }) => !isReplaced);
  }

  async function listAll(control: Control): Promise<(PaneRow & { isReplaced: boolean })[]> {
    const [lines = []] = await control.run(LIST, 1);
    return lines.map(rowOf).filter((row) => row !== null);
  }

  function know(row: PaneRow): TmuxTerminal {
    const known = terminals.get(row.id);
    if (known) return known;
    const terminal = createTmuxTerminal({
      ...{ host, row, runDir, clock, pasteFlags: needs.pasteFlags },
      control: () => reach(false),
      list: async () => list(await reach(false)),
      nextNumber: () => ++lastNumber,
    });
    terminals.set(row.id, terminal);
    watchTimer ??= clock.after(WATCH_EVERY_MS, watch);
    return terminal;
  }

  function watch(): void {
    watchTimer = terminals.size > 0 && !isDisconnected ? clock.after(WATCH_EVERY_MS, watch) : null;
    if ([...terminals.values()].some((terminal) => !terminal.isRunning())) sweep().catch(() => {});
  }

  function hearOutput(pane: PaneId, bytes: Buffer): void {
    const terminal = terminals.get(pane);
    if (terminal) terminal.heardOutput(bytes);
    else if (early) early.set(pane, [...(early.get(pane) ?? []), bytes]);
  }

  function hearPause(pane: PaneId): void {
    standing?.run(`refresh-client -A "${pane}:continue"`, 1).catch(() => {});
    if (pane === keeper) sweep().catch(() => {});
    else terminals.get(pane)?.heardGap();
  }

  /** Tells each known terminal its end, if it has come. One sweep at a time, so that none works on another's list. */
  function sweep(): Promise<void> {
    const mine = sweeping.then(sweepOnce);
    sweeping = mine.catch(() => {});
    return mine;
  }

  async function sweepOnce(): Promise<void> {
    const knownBefore = [...terminals]; // a terminal opened while tmux answers is on no list yet
    const rows = new Map((await list(await reach(false))).map((row) => [row.id, row]));
    for (const [id, terminal] of knownBefore) {
      const row = rows.get(id);
      const isMissed = row?.exit === null && !terminal.isRunning();
      if (isMissed || (row?.exit && isUntold(row.exit) && countLook(id) < LOOKS_WITHOUT_STATUS_MAX)) {
        process.kill(serverPid, "SIGCHLD"); // makes it look for ended children; the bell rings when it has found one
        continue;
      }
      if (row?.exit === null) continue;
      terminals.delete(id);
      looksWithoutStatus.delete(id);
      removeLaunchScript(runDir, terminal.ref);
      terminal.heardExit(row?.exit ?? { exitCode: null, signal: null }); // no row: a person has closed or reused it
    }
    const remains = [...rows.values()].filter(({ exit }) => exit !== null);
    for (const { id } of remains.slice(0, Math.max(0, remains.length - REMAINS_MAX))) {
      await (await reach(false)).run(`kill-window -t ${id}`, 1).catch(() => {}); // a person was faster
    }
  }

  function countLook(id: PaneId): number {
    const looks = (looksWithoutStatus.get(id) ?? 0) + 1;
    looksWithoutStatus.set(id, looks);
    return looks;
  }

  function lost(): void {
    standing = null;
    if (!isDisconnected && terminals.size > 0) void recover();
  }

  /** The connection ended: is it the server, or only our client? */
  async function recover(): Promise<void> {
    if (await isListening(path)) {
      await reach(false).catch(() => {
        clock.after(CLOSE_GRACE_MS, () => void (terminals.size > 0 && !isDisconnected && recover()));
      });
      return;
    }
    log.warn("tmux server died", { host, terminals: terminals.size });
    for (const [id, terminal] of [...terminals]) {
      terminals.delete(id);
      terminal.heardExit(null);
    }
  }

  async function endPrograms(control: Control): Promise<void> {
    const rows = (await listAll(control)).filter(({ exit, ref }) => exit === null && ref !== KEEPER);
    const marks = rows.map(({ pid }) => ({ pid, birth: processBirth(pid) }));
    const deadline = clock.monotonicMs() + CLOSE_GRACE_MS;
    const left = () => marks.filter(isStillRunning);
    for (const { pid } of left()) signalGroup(pid, "SIGHUP");
    while (left().length > 0) {
      await sleep(clock, CLOSE_LOOK_MS);
      if (clock.monotonicMs() > deadline) for (const { pid } of left()) signalGroup(pid, "SIGKILL");
    }
  }
}

function rowOf(line: string): (PaneRow & { isReplaced: boolean }) | null {
  const [, id, pid, isDead, status = "", signal = "", paste, opened, ref = ""] = ROW.exec(line) ?? [];
  if (!id) return null;
  const exit: ExitStatus | null =
    isDead === "0"
      ? null
      : { exitCode: status === "" ? null : Number(status), signal: signal === "" ? null : signalName(Number(signal)) };
  const isReplaced = opened !== "" && opened !== pid;
  return { id: id as PaneId, pid: Number(pid), ref, exit, bracketedPaste: paste === "1", isReplaced };
}

function isUntold({ exitCode, signal }: ExitStatus): boolean {
  return exitCode === null && signal === null;
}

function signalGroup(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(-pid, name);
  } catch {
    // Gone in this moment.
  }
}

function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

function unavailable(why: string): SignalboxError {
  return new SignalboxError("terminal_unavailable", `${why}.`, "Look at the session's status, then try again.");
}
