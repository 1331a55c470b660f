// What the agents room needs of the machine beside terminals, as one port: programs, processes and the files that the programs
// write about themselves. The simulator brings a world of its own.

import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { processBirth } from "../terminals/processes.ts";
import type { Executables } from "./executables.ts";
import { writeToPeerSocket } from "./peer-socket.ts";
import { isStopped, pidExists } from "./processes.ts";
import { createPromptRecords, type PromptRecords } from "./prompt-records.ts";
import { watchSessionFiles } from "./session-files.ts";
import { createWorktrees, type Worktrees } from "./worktrees.ts";

export interface Outside {
  executables: Executables;
  /** Whether a process of that pid exists now. */
  pidExists(pid: number): boolean;
  /** Whether the process stands still by a signal (SIGSTOP, Ctrl-Z); false where nothing tells. */
  isStopped(pid: number): boolean;
  /** When the process began, so that a later one of the same number is not taken for it; null where nothing tells. */
  processBirth(pid: number): string | null;
  exists(path: string): boolean;
  /** The file's text, or null when it cannot be read. */
  readText(path: string): string | null;
  /** What the file holds from that byte on, and a name that another file in its place would not have; null when it cannot be read. */
  readFrom(path: string, offset: number): { file: string; bytes: Buffer } | null;
  watchSessionFiles: typeof watchSessionFiles;
  writeToPeerSocket: typeof writeToPeerSocket;
  promptRecords: PromptRecords;
  worktrees: Worktrees;
}

/** `env` is the daemon's own environment, `promptsDir` where agents' programs note their prompts down. */
export function realOutside(
  executables: Executables,
  env: Readonly<Record<string, string | undefined>>,
  promptsDir: string,
): Outside {
  return {
    executables,
    pidExists,
    isStopped,
    processBirth,
    exists: existsSync,
    readText(path) {
      try {
        return readFileSync(path, "utf8");
      } catch {
        return null;
      }
    },
    readFrom,
    watchSessionFiles,
    writeToPeerSocket,
    promptRecords: createPromptRecords(promptsDir),
    worktrees: createWorktrees(env),
  };
}

function readFrom(path: string, offset: number): { file: string; bytes: Buffer } | null {
  let descriptor: number | null = null;
  try {
    descriptor = openSync(path, "r");
    const { size, dev, ino } = fstatSync(descriptor);
    const bytes = Buffer.alloc(Math.max(0, size - offset));
    const got = readSync(descriptor, bytes, 0, bytes.length, offset);
    return { file: `${dev}:${ino}`, bytes: bytes.subarray(0, got) };
  } catch {
    return null;
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
}
