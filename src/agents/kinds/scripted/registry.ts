// The program's own account of its running self: one small file named after its pid, replaced whole on each change and
// removed on a clean exit. After SIGKILL it stays behind with its last words, as Claude Code's does.

import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface RegistryState {
  sessionId: string;
  status: "idle" | "busy" | "waiting";
  waitingFor: string | null;
}

export interface Registry {
  /** Writes the state if it differs from the last one written. */
  write(state: RegistryState): void;
  remove(): void;
}

export function createRegistry(options: {
  dir: string;
  pid: number;
  cwd: string;
  name: string;
  version: string;
  now: () => number;
}): Registry {
  const { dir, pid, cwd, name, version, now } = options;
  const path = join(dir, `${pid}.json`);
  const startedAt = now();
  const procStart = processStart(pid);
  let last = "";
  return {
    write({ sessionId, status, waitingFor }) {
      const key = JSON.stringify([sessionId, status, waitingFor]);
      if (key === last) return;
      last = key;
      const entry = {
        pid,
        sessionId,
        cwd,
        startedAt,
        ...(procStart === null ? {} : { procStart }),
        version,
        kind: "interactive",
        entrypoint: "cli",
        name,
        status,
        ...(waitingFor === null ? {} : { waitingFor }),
        statusUpdatedAt: now(),
      };
      mkdirSync(dir, { recursive: true, mode: 0o700 });
      // A reader sees the old file or the new one, never half of it. The name must not end in .json meanwhile.
      const draft = `${path}.new`;
      writeFileSync(draft, JSON.stringify(entry), { mode: 0o600 });
      renameSync(draft, path);
    },
    remove() {
      rmSync(path, { force: true });
    },
  };
}

/** The kernel's start mark of the process (field 22 of its stat file), which tells a recycled pid; Linux only. */
function processStart(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch {
    return null;
  }
}
