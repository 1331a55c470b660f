// Watches the directory in which a program keeps one small file per running session, and keeps what the files say. The
// watcher hears of changes by the file system's own events; a slow sweep covers events that got lost. Reads only.

import { mkdirSync, readdirSync, readFileSync, watch } from "node:fs";
import { join } from "node:path";
import type { Clock, Timer } from "../kernel/clock.ts";
import type { Log } from "../kernel/log.ts";
import type { RegistryEntry } from "./kind.ts";

/** File events can be dropped under load (inotify queue overflow), so look at the whole directory this often. */
const SWEEP_MS = 5_000;

export interface SessionFiles {
  /** Everything the directory says now, dead processes' leftovers included. */
  entries(): readonly RegistryEntry[];
  /** Reads the files of one process again at once; of a process not known yet, the whole directory. */
  refresh(pid: number): void;
  close(): void;
}

/** Watches `dir` (made when missing). `changed` is called with each entry whose file changed; with the entry's last
 *  known content and `removed: true` when its file went away. */
export function watchSessionFiles(options: {
  dir: string;
  parse: (text: string) => RegistryEntry | null;
  changed: (entry: RegistryEntry, removed: boolean) => void;
  clock: Clock;
  log: Log;
}): SessionFiles {
  const { dir, parse, changed, clock, log } = options;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const known = new Map<string, { text: string; entry: RegistryEntry }>();

  const readOne = (name: string) => {
    if (!name.endsWith(".json")) return;
    const text = readText(join(dir, name));
    const before = known.get(name);
    if (text === null) {
      if (before === undefined) return;
      known.delete(name);
      changed(before.entry, true);
      return;
    }
    if (text === before?.text) return;
    const entry = parse(text);
    if (entry === null) return; // Half written: the next event or the sweep brings the rest.
    known.set(name, { text, entry });
    changed(entry, false);
  };

  const sweep = () => {
    const names = listDir(dir);
    for (const name of names) readOne(name);
    for (const name of [...known.keys()]) if (!names.includes(name)) readOne(name);
  };

  const watcher = watch(dir, { persistent: false }, (_event, name) => {
    if (name === null) sweep();
    else readOne(name);
  });
  watcher.on("error", (error) => log.warn("session_files.watch_failed", { message: error.message }));

  let timer: Timer;
  const arm = () => {
    timer = clock.after(SWEEP_MS, () => {
      sweep();
      arm();
    });
  };
  sweep();
  arm();

  return {
    entries: () => [...known.values()].map((one) => one.entry),
    refresh(pid) {
      const names = [...known].filter(([, { entry }]) => entry.pid === pid).map(([name]) => name);
      if (names.length === 0) sweep();
      for (const name of names) readOne(name);
    },
    close() {
      watcher.close();
      timer.cancel();
    },
  };
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

function listDir(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}
