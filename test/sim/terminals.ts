// Simulated terminals behind the real port. Hosts and programs belong to the world and outlive every daemon; what a daemon
// asks of them takes time, can be refused, can arrive late, cut or in two pieces. The bytes a program was given are kept
// apart by who gave them, because that is what the checkers ask.

import { SignalboxError } from "../../src/kernel/errors.ts";
import type { ExitStatus, OpenSpec, Screen, Terminal, TerminalBackend } from "../../src/terminals/terminal.ts";
import { wasPersonActive } from "../../src/terminals/tmux/person.ts";
import { idsIn } from "./agent-world.ts";
import { type Life, never } from "./life.ts";
import type { Sim } from "./sim.ts";
import { type Source, sourceOf } from "./simulated-kind.ts";

/** What keys were meant for. */
export interface Meant {
  /** When their giver last saw the screen. */
  lookedAtMs: number;
  /** They were given in one piece, and come in late or in two. */
  areHeldUp: boolean;
}

/** What runs in a terminal. */
export interface Program {
  input(bytes: string, from: Source, meant: Meant): void;
  screenRows(): { lines: string[]; brightLines: string[] };
  signal(name: string): void;
}

export interface ProgramIo {
  readonly spec: OpenSpec;
  readonly pid: number;
  /** The picture has changed. */
  painted(): void;
  exited(status: ExitStatus): void;
}

interface Keys {
  bytes: string;
  from: Source;
  lookedAtMs: number;
}

export interface SimTerminal {
  readonly spec: OpenSpec;
  readonly pid: number;
  readonly program: Program;
  /** Puts keys behind those that are still on their way: a terminal's input is one queue, and a person's keys come before or after
   *  ours. (Measured with tmux 3.3a: of 8,320 keys of an attached client none came amid one of 4,500 pastes of 70 B to 20 kB.) */
  feed(keys: Keys, delayMs?: number): void;
  viewerInputs: number;
  /** The second of the wall clock in which a person was last active in it; 0: never. */
  personActiveAtS: number;
  end: { exit: ExitStatus | null } | null;
}

export interface Terminals {
  backendFor(life: Life): TerminalBackend;
  killHost(host: string): void;
  /** No host is left, and nobody is told. */
  forget(): void;
  setReachable(host: string, reachable: boolean): void;
  /** A person's keys; counted unless the person types where no viewer sees it. */
  pressKeys(terminal: SimTerminal, keys: string, isCounted: boolean): void;
  /** Terminals whose program runs. */
  running(): SimTerminal[];
}

interface Entry extends SimTerminal {
  program: Program;
  outputBytes: number;
  lookedAtMs: number;
  onTheWay: (Keys & { dueMs: number; areHeldUp: boolean })[];
  onPaint: Set<() => void>;
  onEnd: Set<() => void>;
}

export function createTerminals(sim: Sim, start: (io: ProgramIo) => Program, pids: { next(): number }): Terminals {
  const entries = new Map<string, Entry>();
  const unreachable = new Set<string>();
  const { random, clock } = sim;

  const finish = (entry: Entry, exit: ExitStatus | null) => {
    if (entry.end !== null) return;
    entry.end = { exit };
    sim.trace(
      `terminal ${entry.spec.ref} ended ${exit === null ? "with its host" : (exit.signal ?? `code ${exit.exitCode}`)}`,
    );
    for (const hear of [...entry.onEnd]) hear();
  };

  const open = (spec: OpenSpec): Entry => {
    const entry: Entry = {
      spec,
      pid: pids.next(),
      program: undefined as unknown as Program,
      feed: (keys, delayMs) => feed(entry, keys, delayMs),
      onTheWay: [],
      viewerInputs: 0,
      personActiveAtS: 0,
      outputBytes: 0,
      lookedAtMs: 0,
      end: null,
      onPaint: new Set(),
      onEnd: new Set(),
    };
    entries.set(spec.ref, entry);
    entry.program = start({
      spec,
      pid: entry.pid,
      painted() {
        entry.outputBytes += 100;
        for (const hear of [...entry.onPaint]) hear();
      },
      exited: (status) => finish(entry, status),
    });
    return entry;
  };

  const feed = (entry: Entry, keys: Keys, delayMs = 0) => {
    const dueMs = sim.time.monotonicMs() + delayMs;
    entry.onTheWay.push({ ...keys, dueMs, areHeldUp: delayMs > 0 || entry.onTheWay.length > 0 });
    if (delayMs > 0) clock.after(delayMs, () => arrive(entry));
    else arrive(entry);
  };

  const arrive = (entry: Entry) => {
    for (let next = entry.onTheWay[0]; next !== undefined && next.dueMs <= sim.time.monotonicMs(); ) {
      const { bytes, from, ...meant } = next;
      entry.onTheWay.shift();
      if (entry.end === null) entry.program.input(bytes, from, meant);
      next = entry.onTheWay[0];
    }
  };

  const killHost = (host: string) => {
    for (const [ref, entry] of [...entries]) {
      if (entry.spec.host !== host) continue;
      const wasRunning = entry.end === null;
      finish(entry, null);
      entries.delete(ref);
      if (wasRunning) entry.program.signal("SIGHUP");
    }
  };

  const pressKeys = (terminal: SimTerminal, keys: string, isCounted: boolean) => {
    if (isCounted) terminal.viewerInputs += 1;
    if (isCounted) terminal.personActiveAtS = Math.floor(clock.now() / 1_000);
    const from: Source = { is: "person", isCounted: isCounted && sim.variant.countsKeys };
    terminal.feed({ bytes: keys, from, lookedAtMs: sim.time.monotonicMs() });
  };

  return {
    killHost,
    forget: () => entries.clear(),
    setReachable(host, reachable) {
      if (reachable) unreachable.delete(host);
      else unreachable.add(host);
    },
    pressKeys,
    running: () => [...entries.values()].filter((entry) => entry.end === null),
    backendFor: (life) => createBackend({ sim, life, entries, unreachable, open, finish, killHost }),
  };

  function createBackend(parts: {
    sim: Sim;
    life: Life;
    entries: Map<string, Entry>;
    unreachable: Set<string>;
    open(spec: OpenSpec): Entry;
    finish(entry: Entry, exit: ExitStatus | null): void;
    killHost(host: string): void;
  }): TerminalBackend {
    const { life } = parts;
    const reach = (host: string) => {
      if (unreachable.has(host)) throw unanswered();
    };
    return {
      name: "memory",
      availability: async () => ({ is: "available" }),
      async open(spec) {
        await life.pause(random.between(1, 5));
        reach(spec.host);
        if (sim.strikes("open_refused", 0.3, spec.ref)) throw unanswered();
        if (life.fails("daemon_killed_at_open", `before ${spec.ref}`)) return never();
        if (entries.has(spec.ref))
          throw new SignalboxError("conflict", `${spec.ref} was opened before.`, "Use a new ref.");
        sim.restsOn("a process starts", [`${spec.ref} begun`]);
        const entry = open(spec);
        if (life.fails("daemon_killed_at_open", `after ${spec.ref}`)) return never();
        await life.pause(random.between(1, 5));
        return createTerminal(life, entry);
      },
      async adopt(host, ref) {
        await life.pause(random.between(0.1, 3));
        if (unreachable.has(host)) return { is: "cannot_tell", why: "the host does not answer" };
        const entry = entries.get(ref);
        if (entry === undefined || entry.spec.host !== host) return { is: "gone", exit: null };
        if (entry.end !== null) return { is: "gone", exit: entry.end.exit };
        return { is: "found", terminal: createTerminal(life, entry) };
      },
      async closeHost(host) {
        await life.pause(random.between(1, 10));
        reach(host);
        killHost(host);
      },
      attachCommand: () => null,
    };
  }

  function createTerminal(life: Life, entry: Entry): Terminal {
    const { ref, host } = entry.spec;
    const activityListeners = new Set<() => void>();
    const exitListeners = new Set<(exit: ExitStatus | null) => void>();
    let isArmed = true;
    const reach = () => {
      if (unreachable.has(host)) throw unanswered();
    };
    entry.onPaint.add(() => {
      if (!isArmed || life.isDead) return;
      isArmed = false;
      life.clock.after(random.between(0.1, 2), () => {
        for (const ring of [...activityListeners]) ring();
      });
    });
    const tellEnd = () => {
      // A host notices at once, a control connection that breaks may take a moment.
      life.clock.after(random.between(0.1, 80), () => {
        for (const hear of [...exitListeners]) hear(entry.end?.exit ?? null);
        exitListeners.clear();
      });
    };
    entry.onEnd.add(tellEnd);

    /** As a backend whose terminals tell only in which second somebody was there, the other by their own count. */
    let noticed = 0;
    let noticedAtS = 0;
    const viewerInputs = () => {
      if (sim.variant.countsKeys) return entry.viewerInputs;
      const { personActiveAtS: atS } = entry;
      if (wasPersonActive({ atS, beforeS: noticedAtS, nowS: Math.floor(life.clock.now() / 1_000) })) noticed += 1;
      noticedAtS = atS;
      return noticed;
    };

    return {
      ref,
      host,
      pid: entry.pid,
      isShared: !sim.variant.countsKeys,
      async write(tagged, { ifViewerInputs } = {}) {
        const { from, bytes } = sourceOf(tagged);
        const { lookedAtMs } = entry;
        if (life.fails("daemon_killed_before_write", `${from.is} to ${ref}`)) return never();
        await life.pause(random.between(0.05, 1));
        reach();
        if (entry.end !== null)
          throw new SignalboxError("terminal_unavailable", "The process has ended.", "Start it again.");
        if (sim.strikes("write_refused", 0.3, `${from.is} to ${ref}`)) throw unanswered();
        if (ifViewerInputs !== undefined && ifViewerInputs !== viewerInputs()) {
          throw new SignalboxError("conflict", "A person has typed meanwhile.", "Look at the screen again.");
        }
        if (!sim.variant.countsKeys) {
          // There the look and the keys are two commands, and whatever a person does in between is not held back.
          if (sim.strikes("person_amid", 0.15, ref)) {
            clock.after(random.between(0, 3), () => pressKeys(entry, random.pick(["amid", "amid\r", "\r"]), true));
          }
          await life.pause(random.between(0.3, 3));
        }
        sim.trace(`keys ${from.is} -> ${ref}`);
        if (from.is === "submit")
          sim.restsOn(
            "a letter is typed",
            idsIn(bytes).map((id) => `${id} sending`),
          );
        if (sim.strikes("write_late", 0.2, `${from.is} to ${ref}`)) {
          entry.feed({ bytes, from, lookedAtMs }, random.between(200, 4_000));
          await life.pause(150);
          throw new SignalboxError("timeout", "The program does not read its keys.", "Look at the terminal.");
        }
        const cut = random.whole(1, Math.max(1, bytes.length - 1));
        if (sim.strikes("write_cut", 0.15, `${from.is} to ${ref}, ${cut} of ${bytes.length}`)) {
          entry.feed({ bytes: bytes.slice(0, cut), from, lookedAtMs });
          killHost(host);
          throw unanswered();
        }
        if (sim.strikes("write_split", 0.3, `${from.is} to ${ref}, ${cut} of ${bytes.length}`)) {
          entry.feed({ bytes: bytes.slice(0, cut), from, lookedAtMs });
          entry.feed({ bytes: bytes.slice(cut), from, lookedAtMs }, random.between(0.001, 40));
        } else entry.feed({ bytes, from, lookedAtMs });
        if (life.fails("daemon_killed_after_write", `${from.is} to ${ref}`)) return never();
        await life.pause(random.between(0.05, 2));
      },
      async screen() {
        await life.pause(random.between(0.05, 1));
        if (life.fails("daemon_killed_at_look", ref)) return never();
        reach();
        isArmed = true;
        entry.lookedAtMs = sim.time.monotonicMs();
        const { lines, brightLines } = entry.program.screenRows();
        const screen: Screen = {
          size: entry.spec.size,
          lines,
          brightLines,
          cursor: { row: 0, col: 0, visible: true },
          bracketedPaste: true,
          alternate: true,
          title: "",
          outputBytes: entry.outputBytes,
          viewerInputs: viewerInputs(),
        };
        await life.pause(random.between(0.05, 1));
        return screen;
      },
      tail: async () => ({ text: "", next: entry.outputBytes }),
      resize: async () => {},
      async signal(name) {
        await life.pause(random.between(0.05, 1));
        reach();
        if (entry.end === null) entry.program.signal(name);
      },
      async liveness() {
        await life.pause(0.1);
        if (unreachable.has(host)) return { is: "cannot_tell", why: "the host does not answer" };
        return entry.end === null ? { is: "alive", pid: entry.pid } : { is: "gone", exit: entry.end.exit };
      },
      onActivity(ring) {
        activityListeners.add(ring);
        return () => activityListeners.delete(ring);
      },
      onExit(hear) {
        exitListeners.add(hear);
        if (entry.end !== null) tellEnd();
        return () => exitListeners.delete(hear);
      },
      async attach() {
        throw new SignalboxError("terminal_unavailable", "Nobody attaches in a simulation.", "Use pressKeys.");
      },
    };
  }
}

function unanswered(): SignalboxError {
  return new SignalboxError("terminal_unavailable", "The terminal host does not answer.", "Try again.");
}
