// The processes of this machine, read from /proc, so all of this is for Linux.

import { existsSync, readdirSync, readFileSync } from "node:fs";

export interface TableRow {
  pid: number;
  parent: number;
  commandLine: string;
}

/** Everything that is alive but ourselves. `places` holds each command line with its environment, to look for paths in. */
export function processTable(): (TableRow & { argv: string[]; places: string })[] {
  if (!existsSync("/proc/self/cmdline")) throw new Error("the tests with the real program need /proc (Linux)");
  const rows = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && isAlive(pid))
    .map((pid) => {
      const parent = Number(/^\d+ \(.*\) \S (\d+)/s.exec(readProc(pid, "stat") ?? "")?.[1]);
      const words = readProc(pid, "cmdline") ?? "";
      const places = `${words}\0${readProc(pid, "environ") ?? ""}`;
      const argv = words.split("\0").filter((word) => word !== "");
      return { pid, parent, argv, commandLine: argv.join(" "), places };
    });
  return withoutForks(rows);
}

/**
 * The rows without those that are still copies of their parents. Between fork and exec a child shows its parent's command line
 * (after vfork: out of its parent's own memory): whoever reads the table in that moment sees two of what there is one of. Claude
 * Code does that for each hook.
 */
export function withoutForks<T extends TableRow>(rows: readonly T[]): T[] {
  const commandLines = new Map(rows.map(({ pid, commandLine }) => [pid, commandLine]));
  return rows.filter(({ parent, commandLine }) => commandLines.get(parent) !== commandLine);
}

/** A process that has ended but whose parent has not collected it is not alive. */
export function isAlive(pid: number): boolean {
  const stat = readProc(pid, "stat");
  return stat !== null && !/^\d+ \(.*\) [ZX]/s.test(stat);
}

/** Sends SIGKILL; nothing happens when the process has ended by itself. */
export function killIfAlive(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function readProc(pid: number, file: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    return null;
  }
}
