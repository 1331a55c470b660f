// Which agent has which worktree, from the plan to the day it goes. Every step is written down before it is taken, so that the
// next daemon goes on where the last one died. What git does for it is in worktrees.ts.
//
//   planned  committed with the agent; perhaps nothing, perhaps half a worktree is there, and no agent has seen it yet. Ends
//            when it is whole (made), or when the agent is deleted before that
//   made     the agent may work in it. Ends when, after the agent's deletion, whatever no branch holds has been saved (leaving)
//   leaving  nothing in it is needed any more: it is being removed. Ends with the row
//
// A worktree whose content cannot be saved is not removed, `force` or not: it stays `made` and is tried again at each start.

import { dirname, join } from "node:path";
import { asSignalboxError, SignalboxError } from "../kernel/errors.ts";
import type { AgentId } from "../kernel/ids.ts";
import type { Log } from "../kernel/log.ts";
import type { Serial } from "../kernel/serial.ts";
import type { Database } from "../storage/database.ts";
import type { AgentRow } from "./registry.ts";
import { type AtRisk, BRANCH_FOLDER, type Checkout, type Worktree, type Worktrees } from "./worktrees.ts";

interface WorktreeRow extends Worktree {
  agent_id: AgentId;
  state: "planned" | "made" | "leaving";
}

export interface Workplaces {
  /** Where a session's root lies in its repository; rejects with `invalid_input` where agents cannot have worktrees. */
  survey(rootPath: string): Promise<Checkout>;
  /** Puts the worktree of a new agent down, inside the transaction that adds the agent, and tells where the agent will work. */
  plan(agent: Pick<AgentRow, "agent_id" | "name">, checkout: Checkout): { cwd: string; branch: string };
  /** Makes the agent's worktree, if it is to have one and has none. */
  ensure(agentId: AgentId): Promise<void>;
  /** What the agent's worktree holds that is nowhere else, in words; empty when nothing. Changes nothing. */
  atRisk(agent: Pick<AgentRow, "agent_id" | "name">): Promise<string[]>;
  /** Saves what is nowhere else, then removes the worktree of a deleted agent whose processes have ended. Resolves to what
   *  stays behind, in words, or null; never rejects. */
  retire(agent: Pick<AgentRow, "agent_id" | "name">): Promise<string | null>;
  /** Goes on with the removals that an earlier daemon did not finish. */
  recover(): Promise<void>;
}

export interface WorkplacesDeps {
  db: Database;
  worktrees: Worktrees;
  /** Where worktrees are made: absolute, resolved, private. */
  dir: string;
  serial: Serial;
  log: Log;
}

export function createWorkplaces({ db, worktrees, dir, serial, log }: WorkplacesDeps): Workplaces {
  const rowOf = (id: AgentId) => db.get<WorktreeRow>("SELECT * FROM worktrees WHERE agent_id = ?", [id]);
  const move = (id: AgentId, state: WorktreeRow["state"]) =>
    db.run("UPDATE worktrees SET state = ? WHERE agent_id = ?", [state, id]);
  const forget = (id: AgentId) => db.run("DELETE FROM worktrees WHERE agent_id = ?", [id]);
  /** One change at a time to a repository: git's own locks refuse instead of waiting. */
  const alone = <T>(row: WorktreeRow, work: () => Promise<T>) => serial.run(`git ${row.repository}`, work);

  const make = async (row: WorktreeRow) => {
    if (row.state === "made") {
      if (!worktrees.isThere(row)) await worktrees.restore(row);
      return;
    }
    // Half of one may be there from an earlier attempt; no agent has worked in it.
    await worktrees.remove(row);
    await worktrees.dropBranch(row);
    await worktrees.add(row);
    move(row.agent_id, "made");
    log.info("worktree.made", { agent: row.agent_id });
  };

  const clear = async (row: WorktreeRow): Promise<string | null> => {
    const stays: string[] = [];
    if (!worktrees.hasRepository(row) && !worktrees.isThere(row)) {
      forget(row.agent_id);
      return null;
    }
    if (row.state === "made") {
      const ref = `refs/${BRANCH_FOLDER}/rescued/${row.agent_id}`;
      if (worktrees.isThere(row) && (await worktrees.rescue(row, ref))) {
        log.warn("worktree.rescued", { agent: row.agent_id });
        stays.push(`what was not committed is saved in the repository as ${ref}`);
      }
      move(row.agent_id, "leaving");
    }
    await worktrees.remove(row);
    const left = await worktrees.dropBranch(row);
    if (left !== null) {
      const why = left === 0 ? "it is checked out" : `it holds ${counted(left, "commit")} that no other branch has`;
      stays.push(`the branch ${row.branch} is kept: ${why}`);
    }
    forget(row.agent_id);
    log.info("worktree.removed", { agent: row.agent_id, branch: left === null ? "deleted" : "kept" });
    return stays.length === 0 ? null : stays.join("; ");
  };

  /** A copy of a state directory knows the worktrees of the original; they are not its own to make or remove. */
  const refuseAnothers = (row: WorktreeRow) => {
    if (dirname(row.path) === dir) return;
    throw new SignalboxError(
      "conflict",
      "It belongs to the state directory that this one was copied or moved from.",
      "Move the state directory back, or remove the worktree by hand with git worktree remove.",
    );
  };

  /** Nobody saw its process end: it may be at work in there. */
  const refuseWhileOneMayRun = (id: AgentId) => {
    const unseen = "SELECT 1 FROM agents WHERE agent_id = ? AND terminal_ref IS NOT NULL AND rest = 'none'";
    if (db.get(unseen, [id]) === undefined) return;
    throw new SignalboxError(
      "terminal_unavailable",
      "Its terminal cannot be asked whether the agent still runs; the next start of the daemon tries again.",
      "Start the daemon anew.",
    );
  };

  const retire: Workplaces["retire"] = async ({ agent_id, name }) => {
    const row = rowOf(agent_id);
    if (row === undefined) return null;
    try {
      refuseAnothers(row);
      refuseWhileOneMayRun(agent_id);
      const stays = await alone(row, () => clear(row));
      return stays === null ? null : `${name}: ${stays}.`;
    } catch (thrown) {
      const error = asSignalboxError(thrown);
      log.warn("worktree.kept", { agent: agent_id, code: error.code });
      return `${name}: the worktree ${row.path} (branch ${row.branch}) is kept. ${error.message}`;
    }
  };

  return {
    survey: worktrees.locate,
    plan({ agent_id, name }, { repository, base, subdirectory }) {
      const path = join(dir, agent_id);
      const branch = branchFor(name, agent_id);
      db.run(
        "INSERT INTO worktrees (agent_id, repository, path, branch, base, state) VALUES (?, ?, ?, ?, ?, 'planned')",
        [agent_id, repository, path, branch, base],
      );
      return { cwd: join(path, subdirectory), branch };
    },
    async ensure(agentId) {
      const row = rowOf(agentId);
      if (row === undefined) return;
      refuseAnothers(row);
      await alone(row, () => make(row));
    },
    async atRisk({ agent_id, name }) {
      const row = rowOf(agent_id);
      if (row === undefined || row.state !== "made") return [];
      try {
        const found = inWords(await worktrees.atRisk(row), row.branch);
        return found === null ? [] : [`${name}'s worktree holds ${found}`];
      } catch (thrown) {
        return [`${name}'s worktree ${row.path} cannot be looked into (${asSignalboxError(thrown).message})`];
      }
    },
    retire,
    async recover() {
      const rows = db.all<Pick<AgentRow, "agent_id" | "name">>(
        "SELECT agent_id, name FROM agents JOIN worktrees USING (agent_id) WHERE deleted_at IS NOT NULL ORDER BY agent_id",
        [],
      );
      for (const row of rows) await retire(row);
    },
  };
}

/** Long enough to be read, short enough for every file system with an id behind it, in any script. */
const NAME_CHARS_MAX = 40;

/** A branch name git takes, from any agent's name: letters and digits of any script, and single dashes. The end of the agent's
 *  id keeps two agents of the same name apart. */
export function branchFor(name: string, agentId: string): string {
  const safe = [...name.normalize("NFC").replace(/[^\p{L}\p{M}\p{N}]+/gu, "-")].slice(0, NAME_CHARS_MAX).join("");
  return `${BRANCH_FOLDER}/${safe.replace(/^-|-$/g, "") || "agent"}-${agentId.slice(-8)}`;
}

function inWords({ changed, untracked, commits, inner }: AtRisk, branch: string): string | null {
  const parts = [
    ...(changed > 0 ? [counted(changed, "changed file")] : []),
    ...(untracked > 0 ? [counted(untracked, "untracked file")] : []),
    ...(commits > 0 ? [`${counted(commits, "commit")} that no other branch has (on ${branch})`] : []),
    ...(inner > 0 ? [`${counted(inner, "git repository", "git repositories")} inside it`] : []),
  ];
  return parts.length === 0 ? null : parts.join(", ");
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** Added to the agent's system prompt: without it a model finds the codebase's well-known path and edits there. */
export function worktreePrompt(branch: string): string {
  return (
    `You work in a git worktree of your own, on the branch ${branch}: your current directory. Read and change the codebase ` +
    "there and nowhere else, and commit your work to that branch. Other agents and people have other checkouts of it."
  );
}
