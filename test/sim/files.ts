// The few files the simulated agents write and the daemon reads: session files and transcripts. They survive everything that
// dies in a simulation, but for what a power cut takes of them, because nobody syncs them. Whoever watches a folder hears of each change at once; delays and losses are added by the listener.

import type { Random } from "./random.ts";

export interface Files {
  read(path: string): string | null;
  exists(path: string): boolean;
  write(path: string, text: string): void;
  append(path: string, text: string): void;
  remove(path: string): void;
  /** Names directly in the folder. */
  list(dir: string): string[];
  watch(dir: string, hear: (name: string) => void): () => void;
  /** What was written since then is whole, cut, blank or not there. */
  tear(random: Random, sinceMs: number): void;
  /** The text of the file below `dir` in whose name `part` stands. */
  anyText(dir: string, part: string): string | null;
}

export function createFiles(nowMs: () => number): Files {
  const texts = new Map<string, string>();
  /** What each file was before it was written to, oldest first. */
  const before = new Map<string, { atMs: number; text: string | undefined }[]>();
  const watchers = new Set<{ prefix: string; hear: (name: string) => void }>();

  const put = (path: string, text: string | undefined) => {
    const writes = before.get(path) ?? [];
    if (writes.length === 0) before.set(path, writes);
    writes.push({ atMs: nowMs(), text: texts.get(path) });
    if (text === undefined) texts.delete(path);
    else texts.set(path, text);
  };

  const ring = (path: string) => {
    for (const { prefix, hear } of [...watchers]) if (path.startsWith(prefix)) hear(path.slice(prefix.length));
  };
  return {
    read: (path) => texts.get(path) ?? null,
    exists: (path) => texts.has(path),
    write(path, text) {
      put(path, text);
      ring(path);
    },
    append(path, text) {
      put(path, (texts.get(path) ?? "") + text);
      ring(path);
    },
    remove(path) {
      if (!texts.has(path)) return;
      put(path, undefined);
      ring(path);
    },
    list: (dir) =>
      [...texts.keys()].flatMap((path) => (path.startsWith(`${dir}/`) ? [path.slice(dir.length + 1)] : [])),
    watch(dir, hear) {
      const watcher = { prefix: `${dir}/`, hear };
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    tear(random, sinceMs) {
      for (const [path, writes] of before) {
        const recent = writes.filter(({ atMs }) => atMs >= sinceMs);
        const now = texts.get(path) ?? "";
        const oldest = recent[0]?.text ?? "";
        if (recent.length === 0) continue;
        const isGrown = now.startsWith(oldest);
        const kept = isGrown ? now.slice(0, random.whole(oldest.length, now.length)) : now;
        const { torn } = random.pick([
          { torn: texts.get(path) }, // The kernel was quick.
          { torn: random.pick(recent).text }, // An earlier one, or none.
          { torn: kept },
          // The length was written, the pages were not.
          { torn: isGrown ? kept + "\0".repeat(now.length - kept.length) : "" },
        ]);
        if (torn === undefined) texts.delete(path);
        else texts.set(path, torn);
      }
      before.clear();
    },
    anyText: (dir, part) => [...texts].find(([path]) => path.startsWith(dir) && path.includes(part))?.[1] ?? null,
  };
}
