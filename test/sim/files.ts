// The few files the simulated agents write and the daemon reads: session files and transcripts. They survive everything that
// dies in a simulation. Whoever watches a folder hears of each change at once; delays and losses are added by the listener.

export interface Files {
  read(path: string): string | null;
  exists(path: string): boolean;
  write(path: string, text: string): void;
  append(path: string, text: string): void;
  remove(path: string): void;
  /** Names directly in the folder. */
  list(dir: string): string[];
  watch(dir: string, hear: (name: string) => void): () => void;
}

export function createFiles(): Files {
  const texts = new Map<string, string>();
  const watchers = new Set<{ prefix: string; hear: (name: string) => void }>();

  const ring = (path: string) => {
    for (const { prefix, hear } of [...watchers]) if (path.startsWith(prefix)) hear(path.slice(prefix.length));
  };
  return {
    read: (path) => texts.get(path) ?? null,
    exists: (path) => texts.has(path),
    write(path, text) {
      texts.set(path, text);
      ring(path);
    },
    append(path, text) {
      texts.set(path, (texts.get(path) ?? "") + text);
      ring(path);
    },
    remove(path) {
      if (texts.delete(path)) ring(path);
    },
    list: (dir) =>
      [...texts.keys()].flatMap((path) => (path.startsWith(`${dir}/`) ? [path.slice(dir.length + 1)] : [])),
    watch(dir, hear) {
      const watcher = { prefix: `${dir}/`, hear };
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
  };
}
