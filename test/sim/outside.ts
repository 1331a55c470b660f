// What the daemon finds of the machine in a simulation: the process table, the session files and the transcripts. The watcher
// does what the real one does (events, and a slow sweep for those that got lost), over files that exist only here.

import type { RegistryEntry } from "../../src/agents/kind.ts";
import type { Outside } from "../../src/agents/outside.ts";
import type { Life } from "./life.ts";
import type { Sim } from "./sim.ts";

/** As in the real watcher. */
const SWEEP_MS = 5_000;

export type Processes = Pick<Outside, "pidExists" | "processBirth">;

export function createOutside(sim: Sim, life: Life, { pidExists, processBirth }: Processes): Outside {
  const { files, random } = sim;
  const read = (path: string): string | null => {
    if (!sim.machine.areTranscriptsUnreadable) return files.read(path);
    sim.machine.wasTranscriptLost = true;
    return null;
  };
  return {
    executables: { find: async () => ({ path: "/sim/node", firstArgs: ["/sim/agent"], version: null }) },
    pidExists,
    processBirth,
    exists: files.exists,
    readText: read,
    readTail: (path, bytes) => read(path)?.slice(-bytes) ?? null,
    // The simulated program has no such socket, as the older Claude Code has none.
    writeToPeerSocket: () => Promise.reject(new Error("nobody listens")),
    // No session of a simulation asks for worktrees.
    worktrees: new Proxy({} as Outside["worktrees"], {
      get: (_, verb) => () => Promise.reject(new Error(`no git in a simulation: ${String(verb)}`)),
    }),
    watchSessionFiles({ dir, parse, changed }) {
      const known = new Map<string, { text: string; entry: RegistryEntry }>();
      const readOne = (name: string) => {
        const text = files.read(`${dir}/${name}`);
        const before = known.get(name);
        if (text === null) {
          if (before === undefined) return;
          known.delete(name);
          changed(before.entry, true);
          return;
        }
        if (text === before?.text) return;
        const entry = parse(text);
        if (entry === null) return;
        known.set(name, { text, entry });
        changed(entry, false);
      };
      const sweep = () => {
        for (const name of new Set([...files.list(dir), ...known.keys()])) readOne(name);
      };
      const arm = () => {
        life.clock.after(SWEEP_MS, () => {
          sweep();
          arm();
        });
      };
      const stop = files.watch(dir, (name) => {
        if (life.isDead || sim.strikes("file_event_lost", 0.25, name)) return;
        life.clock.after(random.between(0.1, 4), () => readOne(name));
      });
      sweep();
      arm();
      return { entries: () => [...known.values()].map((one) => one.entry), refresh: sweep, close: () => void stop() };
    },
  };
}
