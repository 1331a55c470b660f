// The programs' session files as witnesses of runs: which directory to watch for which kind, and which file speaks of which run.

import type { Clock } from "../kernel/clock.ts";
import type { ConversationId } from "../kernel/ids.ts";
import type { Log } from "../kernel/log.ts";
import type { AgentKind, RegistryEntry } from "./kind.ts";
import type { Outside } from "./outside.ts";
import type { Registry } from "./registry.ts";
import type { Run } from "./run.ts";
import type { SessionFiles } from "./session-files.ts";

export interface FileWitnesses {
  /** From now on the kind's files are heard. */
  watch(kind: AgentKind): void;
  /** Tells a run what its file says already. What is there before a process that `isNew` has reported is by one that was
   *  killed, whose number was given out again: only its own conversation is believed. */
  tell(run: Run, how: { isNew: boolean }): void;
  /** Reads the run's file at once: events can be lost, and whoever is about to type wants the file as it is. Only that one,
   *  because this happens once per message, and a house may have hundreds of agents. */
  refresh(run: Run): void;
  close(): void;
}

export function createFileWitnesses(
  deps: {
    outside: Outside;
    clock: Clock;
    log: Log;
    agentEnv: Readonly<Record<string, string>>;
    registry: Pick<Registry, "isConversationOfAnother">;
  },
  runs: () => Iterable<Run>,
): FileWitnesses {
  const { outside, clock, log, agentEnv, registry } = deps;
  const files = new Map<string, SessionFiles>();

  const isAnothers = (run: Run, id: ConversationId) => registry.isConversationOfAnother(id, run.row.agent_id);

  /** A file belongs to a run by pid; under a sandbox the pids differ and the conversation tells, if that process lives. A person's
   *  /clear brings a new conversation; one that another agent is in was left by a process of its own that had the same pid. */
  const speaksOf = (run: Run, entry: RegistryEntry) =>
    entry.conversationId === run.conversationId
      ? entry.pid === run.terminal.pid || outside.pidExists(entry.pid)
      : entry.pid === run.terminal.pid && !isAnothers(run, entry.conversationId);

  const changed = (entry: RegistryEntry, removed: boolean) => {
    for (const run of runs()) if (speaksOf(run, entry)) run.fileChanged(entry, removed);
  };

  return {
    watch(kind) {
      const dir = kind.registryDir(agentEnv);
      if (files.has(dir)) return;
      const parse = (text: string) => kind.readRegistry(text);
      files.set(dir, outside.watchSessionFiles({ dir, parse, changed, clock, log }));
    },
    tell(run, { isNew }) {
      const entries = [...files.values()].flatMap((file) => file.entries()).filter((entry) => speaksOf(run, entry));
      const byPid = entries.filter((entry) => entry.pid === run.terminal.pid);
      // Its own file outdoes one of its conversation whose number another process has now.
      for (const entry of byPid.length > 0 || isNew ? byPid : entries) {
        if (!isNew || entry.conversationId === run.conversationId) run.fileChanged(entry, false);
      }
    },
    refresh: (run) => files.get(run.kind.registryDir(agentEnv))?.refresh(run.facts.file?.pid ?? run.terminal.pid),
    close() {
      for (const file of files.values()) file.close();
    },
  };
}
