// Terminals that exist only in this process: for tests and for the simulator. The world holds hosts and programs and goes on
// when a daemon dies; each daemon looks at it through a backend of its own. A program is an object that is given bytes and
// writes output; its screen is the real emulator's, parsed at once, so that no timer but the world's clock plays a part.

import { assert, SignalboxError } from "../../kernel/errors.ts";
import { createEmulator, type Emulator } from "../emulator.ts";
import type {
  ExitStatus,
  Liveness,
  OpenSpec,
  Terminal,
  TerminalBackend,
  TerminalSize,
  ViewerSink,
  WriteOptions,
} from "../terminal.ts";
import { createViewerInputFilter } from "../viewer-input.ts";

/** What a program can do. All of it takes effect at once. */
export interface ProgramIo {
  readonly spec: OpenSpec;
  readonly pid: number;
  output(text: string): void;
  exit(status: ExitStatus): void;
}

/** What happens to a program. */
export interface MemoryProgram {
  input(bytes: string): void;
  resized?(size: TerminalSize): void;
  /** Without this, and for SIGKILL always, a signal ends the program. */
  signalled?(name: string): void;
}

/** Finds the program for argv; throws what `open` shall reject with. */
export type StartProgram = (io: ProgramIo) => MemoryProgram;

export interface MemoryWorld {
  /** A daemon's view. `disconnect` is the daemon's death: its Terminals fall silent, the programs run on. */
  connect(): TerminalBackend & { disconnect(): void };
  /** The host dies as by kill -9, and its programs with it. */
  killHost(host: string): void;
  /** While unreachable, nobody can tell anything about the host's terminals. Its programs run on. */
  setReachable(host: string, reachable: boolean): void;
  /** A person at an attached terminal presses keys. */
  pressKeys(ref: string, keys: string): void;
}

interface Entry {
  spec: OpenSpec;
  pid: number;
  program: MemoryProgram;
  emulator: Emulator;
  outputBytes: number;
  viewerInputs: number;
  output: string;
  end: { exit: ExitStatus | null } | null;
  watchers: Set<Watcher>;
  viewers: Set<ViewerSink>;
}

interface Watcher {
  output(): void;
  ended(exit: ExitStatus | null): void;
}

/** As much output as a test may want to look at. */
const TAIL_CHARS = 256 * 1024;

export function createMemoryWorld(start: StartProgram): MemoryWorld {
  const entries = new Map<string, Entry>();
  const unreachable = new Set<string>();
  let lastPid = 1000;

  return {
    connect: () => createBackend({ entries, unreachable, open, end }),
    killHost(host) {
      for (const entry of entries.values()) if (entry.spec.host === host) end(entry, null);
      for (const [ref, entry] of entries) if (entry.spec.host === host) entries.delete(ref);
    },
    setReachable(host, reachable) {
      if (reachable) unreachable.delete(host);
      else unreachable.add(host);
    },
    pressKeys(ref, keys) {
      const entry = entries.get(ref);
      assert(entry, `a terminal ${ref} was opened`);
      entry.viewerInputs++;
      if (!entry.end) entry.program.input(keys);
    },
  };

  function open(spec: OpenSpec): Entry {
    if (entries.has(spec.ref)) throw new SignalboxError("conflict", `${spec.ref} was opened before.`, "Use a new ref.");
    const pid = ++lastPid;
    const entry: Entry = {
      spec,
      pid,
      program: { input() {} },
      emulator: createEmulator({
        size: spec.size,
        scrollbackLines: 0,
        answer: (bytes) => entry.program.input(bytes),
        synchronous: true,
      }),
      outputBytes: 0,
      viewerInputs: 0,
      output: "",
      end: null,
      watchers: new Set(),
      viewers: new Set(),
    };
    entry.program = start({
      spec,
      pid,
      output: (text) => write(entry, text),
      exit: (status) => end(entry, status),
    });
    entries.set(spec.ref, entry);
    return entry;
  }
}

function write(entry: Entry, text: string): void {
  if (entry.end) return;
  const bytes = Buffer.from(text, "utf8");
  entry.emulator.write(bytes);
  entry.outputBytes += bytes.length;
  entry.output = (entry.output + text).slice(-TAIL_CHARS);
  for (const viewer of entry.viewers) void viewer.output(bytes);
  for (const watcher of [...entry.watchers]) watcher.output();
}

function end(entry: Entry, exit: ExitStatus | null): void {
  if (entry.end) return;
  entry.end = { exit };
  for (const viewer of entry.viewers) viewer.exited(exit);
  entry.viewers.clear();
  for (const watcher of [...entry.watchers]) watcher.ended(exit);
}

interface World {
  entries: Map<string, Entry>;
  unreachable: Set<string>;
  open(spec: OpenSpec): Entry;
  end(entry: Entry, exit: ExitStatus | null): void;
}

function createBackend(world: World): TerminalBackend & { disconnect(): void } {
  const { entries, unreachable } = world;
  const link = { isCut: false };
  return {
    name: "memory",
    availability: async () => ({ is: "available" }),
    async open(spec) {
      reach(spec.host);
      return createTerminal(world, link, world.open(spec));
    },
    async adopt(host, ref) {
      if (unreachable.has(host)) return { is: "cannot_tell", why: "the host does not answer" };
      const entry = entries.get(ref);
      if (!entry || entry.spec.host !== host) return { is: "gone", exit: null };
      if (entry.end) return { is: "gone", exit: entry.end.exit };
      return { is: "found", terminal: createTerminal(world, link, entry) };
    },
    async closeHost(host) {
      reach(host);
      for (const [ref, entry] of [...entries]) {
        if (entry.spec.host !== host) continue;
        world.end(entry, { exitCode: null, signal: "SIGHUP" });
        entries.delete(ref);
      }
    },
    attachCommand: () => null,
    disconnect() {
      link.isCut = true;
    },
  };

  function reach(host: string): void {
    if (unreachable.has(host)) throw unanswered();
  }
}

function createTerminal({ unreachable, end }: World, link: { isCut: boolean }, entry: Entry): Terminal {
  const { ref, host } = entry.spec;
  const activityListeners = new Set<() => void>();
  const exitListeners = new Set<(exit: ExitStatus | null) => void>();
  let isArmed = true;
  entry.watchers.add({
    output() {
      if (!isArmed || link.isCut) return;
      isArmed = false;
      for (const ring of [...activityListeners]) queueMicrotask(ring);
    },
    ended(exit) {
      if (link.isCut) return;
      for (const hear of [...exitListeners]) queueMicrotask(() => hear(exit));
      exitListeners.clear();
    },
  });

  return {
    ref,
    host,
    pid: entry.pid,
    isShared: false,
    async write(bytes, { ifViewerInputs }: WriteOptions = {}) {
      reach();
      if (entry.end) throw new SignalboxError("terminal_unavailable", "The process has ended.", "Start it again.");
      if (ifViewerInputs !== undefined && ifViewerInputs !== entry.viewerInputs) {
        throw new SignalboxError("conflict", "A person has typed meanwhile.", "Look at the screen again.");
      }
      entry.program.input(bytes);
    },
    async screen() {
      reach();
      isArmed = true;
      return entry.emulator.screen({ outputBytes: entry.outputBytes, viewerInputs: entry.viewerInputs });
    },
    async tail(from) {
      reach();
      const kept = Buffer.from(entry.output, "utf8");
      const start = Math.max(0, kept.length - Math.max(0, entry.outputBytes - from));
      return { text: kept.toString("utf8", start), next: entry.outputBytes };
    },
    async resize(size) {
      reach();
      if (entry.end) return;
      entry.emulator.resize(size);
      entry.program.resized?.(size);
    },
    async signal(name) {
      reach();
      if (entry.end) return;
      if (entry.program.signalled && name !== "SIGKILL") entry.program.signalled(name);
      else end(entry, { exitCode: null, signal: name });
    },
    async liveness(): Promise<Liveness> {
      if (unreachable.has(host)) return { is: "cannot_tell", why: "the host does not answer" };
      return entry.end ? { is: "gone", exit: entry.end.exit } : { is: "alive", pid: entry.pid };
    },
    onActivity(ring) {
      activityListeners.add(ring);
      return () => activityListeners.delete(ring);
    },
    onExit(hear) {
      if (entry.end) {
        const { exit } = entry.end;
        queueMicrotask(() => hear(exit));
      } else exitListeners.add(hear);
      return () => exitListeners.delete(hear);
    },
    async attach(sink, size) {
      reach();
      if (entry.end) throw new SignalboxError("terminal_unavailable", "The process has ended.", "Start it again.");
      resizeFor(size);
      void sink.output(Buffer.from(entry.emulator.repaint(), "utf8"));
      entry.viewers.add(sink);
      const filter = createViewerInputFilter();
      return {
        input(data) {
          const { bytes, isTyped } = filter.push(data);
          if (isTyped) entry.viewerInputs++;
          if (bytes.length > 0 && !entry.end) entry.program.input(bytes.toString("utf8"));
        },
        resize: resizeFor,
        detach: () => void entry.viewers.delete(sink),
      };
    },
  };

  function reach(): void {
    if (unreachable.has(host) || link.isCut) throw unanswered();
  }

  function resizeFor(size: TerminalSize): void {
    entry.emulator.resize(size);
    entry.program.resized?.(size);
  }
}

function unanswered(): SignalboxError {
  return new SignalboxError("terminal_unavailable", "The terminal host does not answer.", "Try again.");
}
