// `signalbox stop`: asks the daemon to end and stays until it has, so that the next command meets no half-dead one.

import { readFileSync } from "node:fs";
import { SignalboxError } from "../kernel/errors.ts";
import type { LocalRole } from "../local/preface.ts";
import { openLink } from "./daemon-link.ts";
import type { Env, World } from "./world.ts";

/** The daemon writes its last rows and closes its sockets, which takes milliseconds; a stuck disk takes longer. */
const STOP_WITHIN_MS = 15_000;

/** A process tells nobody but its parent that it ended, so we look; each look is one system call. */
const LOOK_AGAIN_MS = 20;

export type StopResult = { stopped: true; pid: number } | { stopped: false; pid: null };

/** Resolves when the process has ended, or at once when there is none. */
export async function stopDaemon(request: {
  env: Env;
  world: World;
  stateDir: string | undefined;
  role: LocalRole;
}): Promise<StopResult> {
  const { clock } = request.world;
  const link = await openLink({ ...request, mayStart: false }).catch((error) => {
    if (error instanceof SignalboxError && error.code === "not_found") return null;
    throw error;
  });
  if (link === null) return { stopped: false, pid: null };
  const pid = Number(link.welcome.pid);
  // Also where the daemon refuses: an open connection would keep this process from ending.
  await link.call("stop_daemon", {}).finally(link.close);
  const deadline = clock.monotonicMs() + STOP_WITHIN_MS;
  while (isAlive(pid)) {
    if (clock.monotonicMs() > deadline) {
      throw new SignalboxError(
        "timeout",
        `The daemon (pid ${pid}) has not ended.`,
        "Look at its log; `signalbox doctor` names it.",
      );
    }
    standStill(LOOK_AGAIN_MS);
  }
  return { stopped: true, pid };
}

/** This process has nothing else to do; a timer would need something to keep it running meanwhile. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** A zombie has ended: in a container whose first process collects none, it would otherwise live for ever. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !isZombie(pid);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Linux says so in the third field, behind the name in parentheses; elsewhere the system's first process collects. */
function isZombie(pid: number): boolean {
  try {
    return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
