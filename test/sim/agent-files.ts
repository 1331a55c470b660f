// The files a simulated agent writes about itself: its session file and its transcript, each a moment behind what it tells of,
// and the record of its prompts. A kill -9 leaves the session file as it was and takes with it what the transcript had not been
// given yet; the hook that notes a prompt is a process of its own and comes to its end.

import { registryDirIn, transcriptFileIn } from "../../src/agents/kinds/scripted/home.ts";
import type { Clock } from "../../src/kernel/clock.ts";
import { type ModelEntry, SIM_HOME } from "./agent-world.ts";
import type { Sim } from "./sim.ts";

export interface AgentFiles {
  report(
    entry: { conversationId: string; status: "idle" | "busy" | "waiting"; waitingFor: string | null },
    delayMs: number,
  ): void;
  /** When `busy` was last there to be read. */
  busyShownMs(): number;
  /** A line of the transcript. `entries`: what the model got with it. */
  write(conversationId: string, line: Record<string, unknown>, delayMs: number, entries?: ModelEntry[]): void;
  /** Notes a prompt down; resolves when it is noted. */
  note(payload: Record<string, unknown>): Promise<void>;
  /** A tidy end: everything is on disk, the session file is gone. */
  close(): void;
  /** kill -9. */
  forget(): void;
}

/** The socket of a program, by its process number. */
export function socketOf(pid: number): string {
  return `/sim/socks/${pid}.sock`;
}

/** What the real program's hook looks for in its payload. */
const NOTED = /"(?:session|prompt)_id":"[^"]*"|[^\\]\[signalbox msg_[0-9a-z]+ from /g;

export function createAgentFiles(
  sim: Sim,
  program: { pid: number; cwd: string; name: string; clock: Clock; promptRecord: string },
): AgentFiles {
  const { random, files } = sim;
  const { pid, cwd, name, clock } = program;
  const sessionFile = `${registryDirIn(SIM_HOME)}/${pid}.json`;
  const now = () => sim.time.monotonicMs();
  let fileAtMs = 0;
  let flushAtMs = 0;
  let busyShownMs = 0;
  let notes = 0;
  let newest = "";
  let unflushed: { path: string; text: string; entries: ModelEntry[] }[] = [];

  return {
    busyShownMs: () => busyShownMs,
    report({ conversationId, status, waitingFor }, delayMs) {
      const lateMs = sim.strikes("file_late", 0.15, `${name} ${status}`) ? random.between(100, 1_500) : 0;
      fileAtMs = Math.max(fileAtMs, now() + delayMs + lateMs); // Late ones keep their order.
      const waiting = waitingFor === null ? {} : { waitingFor };
      const socket = sim.variant.hasPeerSockets ? { messagingSocketPath: socketOf(pid) } : {};
      const about = { pid, sessionId: conversationId, ...socket };
      const text = JSON.stringify({ ...about, status, ...waiting, statusUpdatedAt: clock.now() });
      clock.after(fileAtMs - now(), () => {
        newest = text;
        if (sim.strikes("file_torn", 0.15, name)) {
          files.write(sessionFile, text.slice(0, random.whole(0, text.length - 1)));
          clock.after(random.between(1, 30), () => files.write(sessionFile, newest));
          fileAtMs = Math.max(fileAtMs, now() + 31);
        } else files.write(sessionFile, text);
        if (status === "busy") busyShownMs = Math.max(fileAtMs, now());
      });
    },
    write(conversationId, line, delayMs, entries = []) {
      const lateMs = sim.strikes("transcript_late", 0.3, name) ? random.between(100, 1_000) : 0;
      flushAtMs = Math.max(flushAtMs, now() + delayMs + lateMs);
      const item = {
        path: transcriptFileIn(SIM_HOME, cwd, conversationId),
        text: `${JSON.stringify(line)}\n`,
        entries,
      };
      unflushed.push(item);
      clock.after(flushAtMs - now(), () => {
        unflushed = unflushed.filter((one) => one !== item);
        files.append(item.path, item.text);
      });
    },
    async note(payload) {
      const words = JSON.stringify(payload).match(NOTED) ?? [];
      const append = () => files.append(program.promptRecord, `${words.join("\n")}\n`);
      if (!sim.variant.notesLate) return append();
      notes += 1;
      await new Promise<void>((resolve) => {
        sim.clock.after(2 + ((pid * 31 + notes * 17) % 60), () => {
          append();
          resolve();
        });
      });
    },
    close() {
      for (const { path, text } of unflushed) files.append(path, text);
      files.remove(sessionFile);
    },
    forget() {
      for (const { entries } of unflushed) for (const entry of entries) entry.isForgotten = true;
    },
  };
}
