// The machine loses its power: the daemon, every agent and every terminal host are gone at once, the disk keeps what was synced,
// and of the files that nobody syncs the last seconds are torn. Then it starts again, and gives out process numbers anew.

import { turnLines } from "../../src/agents/kinds/scripted/transcript-reader.ts";
import { readTurn } from "../../src/agents/turn-lines.ts";
import type { AgentProgram, ModelEntry } from "./agent-world.ts";
import { SIM_HOME, SIM_PROMPTS } from "./agent-world.ts";
import type { Daemon } from "./daemon.ts";
import type { Sim } from "./sim.ts";
import type { Disk } from "./storage.ts";
import type { Terminals } from "./terminals.ts";

/** How long the kernel keeps written pages to itself (vm.dirty_expire_centisecs). */
const UNSYNCED_MS = 30_000;

export function createPower(parts: {
  sim: Sim;
  daemon: Daemon;
  disk: Disk;
  terminals: Terminals;
  programs: ReadonlyMap<number, AgentProgram>;
  model: readonly ModelEntry[];
  pids: { startAgain(): void };
}): (why: string) => void {
  const { sim, daemon, disk, terminals, programs, model, pids } = parts;
  return (why) => {
    sim.trace(`-- power cut: ${why}`);
    daemon.life().die("without power");
    for (const program of programs.values()) program.kill("without power");
    terminals.forget();
    disk.powerCut();
    if (sim.strikes("power_cut_tears", 0.8, "")) {
      sim.files.tear(sim.random, sim.time.monotonicMs() - UNSYNCED_MS);
      // What its transcript does not hold any more, the resumed conversation does not know.
      for (const entry of model) {
        const header = `[signalbox ${entry.messageId} from `;
        const transcript = sim.files.anyText(`${SIM_HOME}/`, entry.conversationId) ?? "";
        if (readTurn(turnLines(transcript), header).hasMarker) continue;
        entry.isForgotten = true;
        const records = sim.files.list(SIM_PROMPTS).filter((name) => name.startsWith(entry.agentId));
        entry.isTraceless ||= !records.some((name) => sim.files.read(`${SIM_PROMPTS}/${name}`)?.includes(header));
      }
    }
    pids.startAgain();
  };
}
