// What backends need to know about processes, apart from any terminal: can this one be started, is that one still the same.

import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { constants as osConstants } from "node:os";
import { SignalboxError } from "../kernel/errors.ts";
import type { OpenSpec } from "./terminal.ts";

/** A process, told apart from a later one with the same pid. */
export interface ProcessMark {
  pid: number;
  /** When it began; null where the system does not say. */
  birth: string | null;
}

/** False when it has ended; true may be wrong only where `birth` is null and the pid was given out again. */
export function isStillRunning({ pid, birth }: ProcessMark): boolean {
  if (birth !== null) return processBirth(pid) === birth;
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** When a process began, in the kernel's own count; null where there is no /proc, or no such process. */
export function processBirth(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // Counted after the name, which is in parentheses and may itself hold spaces and parentheses: state, then field 22.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? null : (fields[19] ?? null); // a zombie runs no more, whoever fails to bury it
  } catch {
    return null;
  }
}

/** A start that fails after the fork leaves only an exit code. So what can be seen before is seen here; throws
 *  `terminal_unavailable` with the reason. */
export function refuseHopelessStart(spec: OpenSpec): void {
  const [file] = spec.argv;
  try {
    if (!statSync(file).isFile()) throw new Error("it is not a file");
    accessSync(file, constants.X_OK);
  } catch (cause) {
    throw unavailable(`${file} cannot be started: ${reason(cause)}`, "Install the program or correct its path.", cause);
  }
  try {
    if (!statSync(spec.cwd).isDirectory()) throw new Error("it is not a directory");
    accessSync(spec.cwd, constants.X_OK);
  } catch (cause) {
    throw unavailable(`The directory ${spec.cwd} cannot be entered: ${reason(cause)}`, "Check the directory.", cause);
  }
}

export function signalName(number: number): string {
  const found = Object.entries(osConstants.signals).find(([, value]) => value === number);
  return found?.[0] ?? `SIG${number}`;
}

export function unavailable(what: string, nextStep: string, cause: unknown): SignalboxError {
  return new SignalboxError("terminal_unavailable", `${what}.`, nextStep, { cause });
}

function reason(cause: unknown): string {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === "ENOENT") return "there is no such file or directory";
  if (code === "EACCES") return "permission denied";
  return cause instanceof Error ? cause.message : String(cause);
}
