// A codebase's tasks as its TODO.md tells them. Reads the file as it is now; a codebase without one has no tasks.

import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { readTodo, type TodoTask } from "./todo-file.ts";

/** Where the protocol keeps it, and where projects put it as well (both are met in real repositories). */
const PLACES = ["development/TODO.md", "TODO.md"];
/** A tracker larger than this is not a tracker; reading it on every status would slow everybody down. */
const BYTES_MAX = 4 * 1024 * 1024;

const cache = new Map<string, { stamp: string; tasks: readonly TodoTask[] }>();
const CACHE_MAX = 64;

/** The tasks of the first TODO.md found below `root`; parsed again only when the file changed. */
export function readBoard(root: string): readonly TodoTask[] {
  for (const place of PLACES) {
    const path = join(root, place);
    try {
      const { mtimeMs, size, ino } = statSync(path);
      if (size > BYTES_MAX) return [];
      const stamp = `${mtimeMs}:${size}:${ino}`;
      const known = cache.get(path);
      if (known?.stamp === stamp) return known.tasks;
      const { tasks } = readTodo(readFileSync(path, "utf8"));
      if (cache.size >= CACHE_MAX) cache.clear();
      cache.set(path, { stamp, tasks });
      return tasks;
    } catch {
      // Not here; perhaps at the next place.
    }
  }
  return [];
}
