// What an agent's program notes down by itself of each prompt it is about to take: which prompt, with which letters. That is a
// hook of its own beside the one that asks the daemon, so it speaks where nobody was there to be asked and the program died
// before its transcript could tell (flushed some 100 ms after the model was asked, measured). Ids only, never text.

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AgentId } from "../kernel/ids.ts";

/** A crash loop is given up after six processes, and what a message was leased to is one of the last. */
const RECORDS_KEPT = 8;

export interface PromptRecords {
  /** Makes the empty record of a process about to start and gives back its absolute path. Those of the agent's processes before
   *  the last few go. */
  begin(agentId: AgentId, generation: number): string;
  /** The record's text; "" when there is none that could be read. */
  read(agentId: AgentId, generation: number): string;
  /** Drops the records of all agents but these. */
  keepOnly(agentIds: ReadonlySet<AgentId>): void;
}

/** The ids of the noted prompts that hold `header`, in order; "" for one that was noted without an id. A record is a list of what
 *  the hook found in its payloads: a conversation's id first, then the prompt's, then each header behind the character before it. */
export function promptsWith(record: string, header: string): string[] {
  const found: string[] = [];
  let promptId = "";
  for (const line of record.split("\n")) {
    const [, of, id] = /^"(session|prompt)_id":"([^"]*)"$/.exec(line) ?? [];
    if (of !== undefined) promptId = of === "prompt" ? (id ?? "") : "";
    else if (line.slice(1) === header && found.at(-1) !== promptId) found.push(promptId);
  }
  return found;
}

/** Records as files in `dir`, which is made when it is needed and closed to others. */
export function createPromptRecords(dir: string): PromptRecords {
  const nameOf = (agentId: AgentId, generation: number) => `${agentId}-g${generation}`;
  const drop = (isOld: (agentId: AgentId, generation: number) => boolean) => {
    for (const name of list(dir)) {
      const [, agentId = "", generation] = /^(.*)-g(\d+)$/.exec(name) ?? [];
      if (isOld(agentId as AgentId, Number(generation))) rmSync(join(dir, name), { force: true });
    }
  };
  return {
    begin(agentId, generation) {
      mkdirSync(dir, { recursive: true, mode: 0o700 });
      drop((of, number) => of === agentId && number <= generation - RECORDS_KEPT);
      const path = join(dir, nameOf(agentId, generation));
      writeFileSync(path, "", { flag: "a", mode: 0o600 });
      return path;
    },
    read(agentId, generation) {
      try {
        return readFileSync(join(dir, nameOf(agentId, generation)), "utf8");
      } catch {
        return "";
      }
    },
    keepOnly: (agentIds) => drop((of) => !agentIds.has(of)),
  };
}

function list(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}
