// A gate that somebody outside opens by creating a file. The file system's own events tell; nothing is polled.

import { existsSync, mkdirSync, watch } from "node:fs";
import { dirname } from "node:path";

/** Resolves once `path` exists, at once if it does already. Never resolves after `signal` aborts; rejects when the
 *  folder cannot be watched. */
export function waitForFile(path: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const folder = dirname(path);
    mkdirSync(folder, { recursive: true });
    // Watching starts before the first look, so a file made in between is not missed.
    const watcher = watch(folder, () => look());
    const stop = () => watcher.close();
    function look(): void {
      if (!existsSync(path)) return;
      signal.removeEventListener("abort", stop);
      watcher.close();
      resolve();
    }
    watcher.on("error", reject);
    signal.addEventListener("abort", stop, { once: true });
    look();
  });
}
