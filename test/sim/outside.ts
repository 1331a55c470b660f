// What the daemon finds of the machine in a simulation: the process table, the session files and the transcripts. The watcher
// does what the real one does (events, and a slow sweep for those that got lost), over files that exist only here.

import type { RegistryEntry } from "../../src/agents/kind.ts";
import type { Outside } from "../../src/agents/outside.ts";
import { type AgentProgram, idsIn, SIM_PROMPTS } from "./agent-world.ts";
import { type Life, never } from "./life.ts";
import type { Sim } from "./sim.ts";

/** As in the real watcher. */
const SWEEP_MS = 5_000;

/** As in the real one. */
const WRITE_WITHIN_MS = 5_000;

/** A program that gives no sign for longer cannot be told from one whose turn was given up. */
const HANGS_MS_MAX = 7_000;

const recordOf = (agentId: string, generation: number) => `${SIM_PROMPTS}/${agentId}-g${generation}`;

export interface Processes extends Pick<Outside, "pidExists" | "processBirth"> {
  /** Who listens at a socket. */
  listener(path: string): Pick<AgentProgram, "receive" | "hang"> | null;
}

export function createOutside(sim: Sim, life: Life, { pidExists, processBirth, listener }: Processes): Outside {
  const { files, random } = sim;
  const read = (path: string): string | null => {
    if (!sim.machine.areTranscriptsUnreadable) return files.read(path);
    sim.machine.wasTranscriptLost = true;
    return null;
  };
  return {
    executables: { find: async () => ({ path: "/sim/node", firstArgs: ["/sim/agent"], version: null }) },
    pidExists,
    isStopped: () => false,
    processBirth,
    exists: files.exists,
    readText: read,
    readFrom(path, offset) {
      const text = read(path);
      return text === null ? null : { file: path, bytes: Buffer.from(text).subarray(offset) };
    },
    async writeToPeerSocket(path, line) {
      if (life.fails("daemon_killed_before_write", `into ${path}`)) return await never();
      await life.pause(random.between(0.1, 2));
      const program = listener(path);
      if (program === null || sim.strikes("peer_gone", 0.3, path)) throw new Error("ECONNREFUSED");
      sim.trace(`a message is written to ${path}`);
      sim.restsOn(
        "a message is written to a socket",
        idsIn(line).map((id) => `${id} sending`),
      );
      if (sim.strikes("peer_cut", 0.3, path)) {
        program.receive(line.slice(0, random.whole(1, line.length - 1)));
        throw new Error("EPIPE");
      }
      const hangsMs = sim.strikes("peer_unread", 0.3, path) ? random.between(300, HANGS_MS_MAX) : 0;
      if (hangsMs > 0) program.hang(hangsMs);
      sim.clock.after(random.between(0.05, 2), () => program.receive(line));
      if (sim.strikes("peer_word_lost", 0.3, path)) throw new Error("ECONNRESET");
      if (life.fails("daemon_killed_after_write", `into ${path}`)) return await never();
      await life.pause(Math.min(hangsMs, WRITE_WITHIN_MS) + random.between(0.05, 2));
      if (hangsMs > WRITE_WITHIN_MS) throw new Error("the peer socket does not take the message");
    },
    promptRecords: {
      begin: (agentId, generation) => recordOf(agentId, generation),
      read: (agentId, generation) => files.read(recordOf(agentId, generation)) ?? "",
      keepOnly() {},
    },
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
