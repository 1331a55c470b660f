// The process table, asked about one pid. "Cannot tell" is an answer of its own, and nobody ends anything because of it.

import { readFileSync } from "node:fs";

/** Whether a process of that pid exists now. A pid we may not signal exists all the same. */
export function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Whether the process stands still by a signal. Told by Linux only; false where nothing tells. */
export function isStopped(pid: number): boolean {
  try {
    // The name in parentheses may hold anything; the state is the first word behind it.
    return /\) [Tt] /.test(readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\)/s, ")"));
  } catch {
    return false;
  }
}
