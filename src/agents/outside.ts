// What the agents room needs of the machine beside terminals, as one port: programs, processes and the files that the programs
// write about themselves. The simulator brings a world of its own.

import { existsSync, readFileSync } from "node:fs";
import type { Executables } from "./executables.ts";
import { pidExists } from "./processes.ts";
import { watchSessionFiles } from "./session-files.ts";

export interface Outside {
  executables: Executables;
  /** Whether a process of that pid exists now. */
  pidExists(pid: number): boolean;
  exists(path: string): boolean;
  /** The file's text, or null when it cannot be read. */
  readText(path: string): string | null;
  watchSessionFiles: typeof watchSessionFiles;
}

export function realOutside(executables: Executables): Outside {
  return {
    executables,
    pidExists,
    exists: existsSync,
    readText(path) {
      try {
        return readFileSync(path, "utf8");
      } catch {
        return null;
      }
    },
    watchSessionFiles,
  };
}
