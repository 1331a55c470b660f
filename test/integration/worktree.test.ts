// Worktrees: each agent in a checkout and on a branch of its own, and nobody's work gone without a trace. With the real git.

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Outside } from "../../src/agents/outside.ts";
import { branchFor } from "../../src/agents/workplaces.ts";
import type { Log } from "../../src/kernel/log.ts";
import { startHouse, type TestHouse } from "../support/house.ts";
import { commit, git, makeRepository, put } from "../support/repository.ts";
import { tempDir } from "../support/temp-dir.ts";

const openSession = (house: TestHouse, root = house.root) =>
  house.call("create_session", { root_path: root, terminal: "pty", workspace: "worktree" });
const addAgent = (house: TestHouse, session: Record<string, any>, input: Record<string, unknown> = {}) =>
  house.call("create_agent", { session_id: session.session_id, kind: "scripted", ...input });
const cwdOf = (house: TestHouse, agent: Record<string, any>) => {
  const row = house.house.registry.agent(agent.agent_id);
  if (row === undefined) throw new Error("no such agent");
  return row.cwd;
};
const branches = (dir: string) => git(dir, "for-each-ref", "--format=%(refname:short)", "refs/heads").split("\n");
const worktrees = (dir: string) =>
  git(dir, "worktree", "list", "--porcelain")
    .split("\n")
    .filter((line) => line.startsWith("worktree "))
    .map((line) => line.slice("worktree ".length));
const rescued = (agent: Record<string, any>) => `refs/signalbox/rescued/${agent.agent_id}`;
/** Everything of the person's own that must stay as it is. */
const ownState = (dir: string) => ({
  head: git(dir, "symbolic-ref", "HEAD"),
  main: git(dir, "rev-parse", "main"),
  status: git(dir, "status", "--porcelain"),
  config: readFileSync(join(dir, ".git/config"), "utf8"),
});

/** A house on a repository, a session with worktrees and one ready agent, with its directory. */
async function withWorktree(options: Parameters<typeof startHouse>[0] = {}, input: Record<string, unknown> = {}) {
  const house = await startHouse(options);
  makeRepository(house.root);
  const session = await openSession(house);
  const agent = await addAgent(house, session, input);
  const cwd = cwdOf(house, agent);
  return { house, session, agent, cwd, branch: git(cwd, "branch", "--show-current") };
}

function expectNothingLeft(house: TestHouse) {
  expect(branches(house.root)).toEqual(["main"]);
  expect(worktrees(house.root)).toEqual([house.root]);
  expect(existsSync(join(house.root, ".git/worktrees"))).toBe(false);
  expect(readdirSync(join(house.dir, "worktrees"))).toEqual([]);
  expect(house.house.db.all("SELECT * FROM worktrees")).toEqual([]);
}

describe("agents of a session with worktrees", () => {
  it("work in checkouts of their own, without seeing each other, and the person's own is not touched", async () => {
    const house = await startHouse();
    makeRepository(house.root);
    put(house.root, "README", "changed by the person, not committed\n");
    const before = ownState(house.root);
    const session = await openSession(house);
    expect(session.workspace).toBe("worktree");
    const [one, two] = await Promise.all([addAgent(house, session), addAgent(house, session, { name: "B" })]);
    expect([one.state, two.state]).toEqual(["ready", "ready"]);
    const [here, there] = [cwdOf(house, one), cwdOf(house, two)];
    expect(here).toBe(join(house.dir, "worktrees", one.agent_id));
    expect(programsAt(house)).toEqual([here, there].sort());

    put(here, "README", "from one\n");
    commit(there, "only-two.ts", "two\n");
    expect(readFileSync(join(there, "README"), "utf8")).toBe("hello\n");
    expect(existsSync(join(here, "only-two.ts"))).toBe(false);
    expect(git(here, "branch", "--show-current")).toBe(branchFor(one.name, one.agent_id));
    expect(git(there, "branch", "--show-current")).toBe(branchFor("B", two.agent_id));
    expect(ownState(house.root)).toEqual(before);
    const { sessions } = await house.call("get_session_status");
    expect(sessions[0]).toMatchObject({ workspace: "worktree", root_path: house.root, health: "ok" });
  });

  it("are told where they work, and nobody else on the machine may look into it", async () => {
    const { house, agent, cwd, branch } = await withWorktree({}, { adder_plus: false, system_prompt: "Be brief." });
    const prompt = house.house.registry.agent(agent.agent_id)?.system_prompt;
    expect(prompt).toContain(branch);
    expect(prompt).toMatch(/\n\nBe brief\.$/);
    expect(statSync(cwd).mode & 0o777).toBe(0o700);
    expect(statSync(join(house.dir, "worktrees")).mode & 0o777).toBe(0o700);
  });

  it("start at the commit that is checked out when they are made, in the same subdirectory", async () => {
    const house = await startHouse();
    makeRepository(house.root);
    const session = await openSession(house, join(house.root, "packages/api"));
    expect(session.root_path).toBe(join(house.root, "packages/api"));
    commit(house.root, "later", "x\n");
    git(house.root, "checkout", "--quiet", "--detach");
    const agent = await addAgent(house, session);
    expect(cwdOf(house, agent)).toBe(join(house.dir, "worktrees", agent.agent_id, "packages/api"));
    expect(git(cwdOf(house, agent), "rev-parse", "HEAD")).toBe(git(house.root, "rev-parse", "main"));
    expect(await house.call("delete_agent", { agent_id: agent.agent_id })).not.toHaveProperty("note");
    expectNothingLeft(house);
  });

  it("may have an odd name, and a codebase whose path is odd", async () => {
    const house = await startHouse();
    const root = join(tempDir(), "-my ünïcode\n'code'");
    mkdirSync(root);
    makeRepository(root);
    const session = await openSession(house, root);
    const agent = await addAgent(house, session, { name: "--force Größe 東京 ../..lock" });
    expect(agent.state).toBe("ready");
    expect(branches(root)).toContain(branchFor(agent.name, agent.agent_id));
    put(cwdOf(house, agent), "-x y\n", "new\n");
    await expect(house.call("delete_agent", { agent_id: agent.agent_id })).rejects.toMatchObject({
      message: expect.stringContaining("1 untracked file"),
    });
    await house.call("delete_agent", { agent_id: agent.agent_id, force: true });
    expect(git(root, "show", `${rescued(agent)}:-x y\n`)).toBe("new");
  });

  it("may be on a codebase that is itself a worktree, or is reached through a link", async () => {
    const house = await startHouse();
    makeRepository(house.root);
    const own = join(tempDir(), "own");
    git(house.root, "worktree", "add", "--quiet", "-b", "feature", own);
    commit(own, "feature.ts", "x\n");
    const link = join(tempDir(), "link");
    symlinkSync(own, link);
    const agent = await addAgent(house, await openSession(house, link));
    expect(existsSync(join(cwdOf(house, agent), "feature.ts"))).toBe(true);
    await house.call("delete_agent", { agent_id: agent.agent_id });
    expect(branches(house.root)).toEqual(["feature", "main"]);
    expect(worktrees(house.root)).toEqual([house.root, own]);
  });

  it("run none of the repository's hooks by being made and removed", async () => {
    const house = await startHouse();
    makeRepository(house.root);
    const trace = join(tempDir(), "hook-ran");
    for (const hook of ["post-checkout", "reference-transaction", "pre-commit"]) {
      writeFileSync(join(house.root, ".git/hooks", hook), `#!/bin/sh\ntouch ${trace}\n`, { mode: 0o755 });
    }
    const agent = await addAgent(house, await openSession(house));
    put(cwdOf(house, agent), "README", "changed\n");
    await house.call("delete_agent", { agent_id: agent.agent_id, force: true });
    expect(existsSync(trace)).toBe(false);
  });
});

describe("a session with worktrees is refused, with the next step", () => {
  const bare = (dir: string) => git(dir, "init", "--quiet", "--bare");
  const unborn = (dir: string) => git(dir, "init", "--quiet");
  const taken = (dir: string) => {
    makeRepository(dir);
    git(dir, "branch", "signalbox");
  };
  const ignored = (dir: string) => {
    makeRepository(dir);
    mkdirSync(join(dir, "new"));
  };
  it.each<[string, (dir: string) => void, string, RegExp]>([
    ["outside of a repository", () => {}, ".", /not in a git repository/],
    ["in a bare repository", bare, ".", /bare repository/],
    ["in a repository without a commit", unborn, ".", /without a commit/],
    ["inside of the git directory", makeRepository, ".git/refs", /inside a git directory/],
    ["in a directory that no commit has", ignored, "new", /in no commit/],
    ["where a branch is in the way", taken, ".", /branch named signalbox/],
  ])("%s", async (_what, prepare, below, message) => {
    const house = await startHouse();
    prepare(house.root);
    await expect(openSession(house, join(house.root, below))).rejects.toMatchObject({
      code: "invalid_input",
      message: expect.stringMatching(message),
      nextStep: expect.stringContaining("workspace: shared"),
    });
    expect(house.house.registry.sessions()).toEqual([]);
  });

  it("where there is no git", async () => {
    const path = process.env.PATH;
    process.env.PATH = tempDir();
    try {
      const house = await startHouse();
      await expect(openSession(house)).rejects.toMatchObject({
        code: "invalid_input",
        message: expect.stringContaining("no git"),
        nextStep: expect.stringContaining("Install git"),
      });
    } finally {
      process.env.PATH = path;
    }
  });
});

describe("an agent that cannot have its worktree", () => {
  it("is not made, and neither is a part of it", async () => {
    const broken = (real: Outside): Outside => ({
      ...real,
      worktrees: {
        ...real.worktrees,
        async add(worktree) {
          await real.worktrees.add(worktree);
          throw new Error("the disk went away");
        },
      },
    });
    const house = await startHouse({ outside: broken });
    makeRepository(house.root);
    const session = await openSession(house);
    await expect(addAgent(house, session)).rejects.toMatchObject({ code: "internal" });
    expect(house.house.registry.agents()).toEqual([]);
    expectNothingLeft(house);
  });

  it("is refused when its repository has gone meanwhile", async () => {
    const house = await startHouse();
    makeRepository(house.root);
    const session = await openSession(house);
    rmSync(join(house.root, ".git"), { recursive: true });
    await expect(addAgent(house, session)).rejects.toMatchObject({ code: "invalid_input" });
    expect(house.house.registry.agents()).toEqual([]);
  });
});

describe("deleting an agent", () => {
  it("leaves nothing when its worktree holds nothing of its own; ignored files do not count", async () => {
    const { house, agent, cwd } = await withWorktree();
    put(cwd, "build.log", "noise\n");
    expect(await house.call("delete_agent", { agent_id: agent.agent_id })).toEqual({
      agent_id: agent.agent_id,
      name: agent.name,
      deleted: true,
    });
    expectNothingLeft(house);
  });

  it("leaves nothing when its commits are on another branch", async () => {
    const { house, agent, cwd, branch } = await withWorktree();
    commit(cwd, "feature.ts", "x\n");
    git(house.root, "merge", "--quiet", branch);
    await house.call("delete_agent", { agent_id: agent.agent_id });
    expectNothingLeft(house);
    expect(existsSync(join(house.root, "feature.ts"))).toBe(true);
  });

  it("is refused while its worktree holds work that is nowhere else, and says what; so is deleting the session", async () => {
    const { house, session, agent, cwd, branch } = await withWorktree();
    commit(cwd, "kept.ts", "x\n");
    put(cwd, "README", "changed\n");
    put(cwd, "a", "x");
    put(cwd, "dir/b", "x");
    const found = `Agent_1's worktree holds 1 changed file, 2 untracked files, 1 commit that no other branch has (on ${branch})`;
    for (const [command, input] of [
      ["delete_agent", { agent_id: agent.agent_id }],
      ["delete_session", { session_id: session.session_id }],
    ] as const) {
      await expect(house.call(command, input)).rejects.toMatchObject({
        code: "confirmation_required",
        message: `Work would be lost: ${found}.`,
      });
    }
    expect((await house.call("get_session_status")).sessions[0].agents[0].state).toBe("ready");
    expect(readFileSync(join(cwd, "README"), "utf8")).toBe("changed\n");
  });

  it("keeps the worktree when only the conversation is cleared, and the next one works there again", async () => {
    const { house, agent, cwd } = await withWorktree();
    put(cwd, "README", "changed\n");
    await house.call("clear_agent_conversation", { agent_id: agent.agent_id });
    expect(readFileSync(join(cwd, "README"), "utf8")).toBe("changed\n");
    expect(await house.call("start_new_agent_conversation", { agent_id: agent.agent_id })).toMatchObject({
      state: "ready",
    });
    expect(programsAt(house)).toEqual([cwd]);
  });
});

describe("deleting an agent with force", () => {
  it("saves what was not committed, keeps the branch that holds commits, and says both", async () => {
    const { house, agent, cwd, branch } = await withWorktree();
    const before = ownState(house.root);
    commit(cwd, "kept.ts", "committed\n");
    const tip = git(cwd, "rev-parse", "HEAD");
    put(cwd, "staged.ts", "as staged\n");
    git(cwd, "add", "staged.ts");
    put(cwd, "staged.ts", "changed after\n");
    put(cwd, "dir/ünträcked.ts", "untracked\n");
    rmSync(join(cwd, "packages"), { recursive: true });
    put(cwd, "secret.log", "ignored\n");

    const answer = await house.call("delete_agent", { agent_id: agent.agent_id, force: true });
    expect(answer.note).toContain(rescued(agent));
    expect(answer.note).toContain(`the branch ${branch} is kept: it holds 1 commit`);
    const show = (what: string) => git(house.root, "show", `${rescued(agent)}${what}`);
    expect(show(":staged.ts")).toBe("changed after");
    expect(show("^2:staged.ts")).toBe("as staged");
    expect(show(":dir/ünträcked.ts")).toBe("untracked");
    expect(git(house.root, "ls-tree", "-r", "--name-only", "-z", rescued(agent)).split("\0").sort()).toEqual(
      ["", ".gitignore", "README", "dir/ünträcked.ts", "kept.ts", "staged.ts"].sort(),
    );
    expect(git(house.root, "rev-parse", `${rescued(agent)}^`)).toBe(tip);
    expect(git(house.root, "rev-parse", branch)).toBe(tip);
    expect(worktrees(house.root)).toEqual([house.root]);
    expect(readdirSync(join(house.dir, "worktrees"))).toEqual([]);
    expect(ownState(house.root)).toEqual(before);
  });

  it("keeps a worktree with another repository inside, and says where it is", async () => {
    const { house, agent, cwd } = await withWorktree();
    nested(cwd);
    const { note, deleted } = await house.call("delete_agent", { agent_id: agent.agent_id, force: true });
    expect(deleted).toBe(true);
    expect(note).toContain(`the worktree ${cwd}`);
    expect(note).toContain('"vendor/inner"');
    expect(existsSync(join(cwd, "vendor/inner/work"))).toBe(true);
  });

  it("does all that for each agent of a session", async () => {
    const { house, session, agent, cwd } = await withWorktree();
    const other = await addAgent(house, session);
    put(cwd, "README", "changed\n");
    const answer = await house.call("delete_session", { session_id: session.session_id, force: true });
    expect(answer).toMatchObject({ deleted: true, agents_deleted: 2 });
    expect(answer.note).toMatch(/^Agent_1: .*rescued\/\S+\.$/);
    expect(git(house.root, "show", `${rescued(agent)}:README`)).toBe("changed");
    expect(() => git(house.root, "rev-parse", "--verify", rescued(other))).toThrow();
    expect(branches(house.root)).toEqual(["main"]);
    expect(worktrees(house.root)).toEqual([house.root]);
  });

  it("keeps a branch that the person has checked out", async () => {
    const { house, agent, cwd, branch } = await withWorktree();
    git(cwd, "checkout", "--quiet", "--detach");
    git(house.root, "checkout", "--quiet", branch);
    const answer = await house.call("delete_agent", { agent_id: agent.agent_id, force: true });
    expect(answer.note).toContain(`the branch ${branch} is kept`);
    expect(git(house.root, "branch", "--show-current")).toBe(branch);
  });
});

describe("a daemon that died", () => {
  it("finds agents in their worktrees again, and the next one deletes as it would have", async () => {
    const { house, agent, cwd } = await withWorktree();
    put(cwd, "README", "changed\n");
    await house.leave();
    const next = await startHouse({ after: house });
    await next.recover();
    const receipt = await next.call("send_message_to_agent", {
      agent_id: agent.agent_id,
      message: "still there?",
      wait_for: "processed",
    });
    expect(receipt.state).toBe("processed");
    await expect(next.call("delete_agent", { agent_id: agent.agent_id })).rejects.toMatchObject({
      code: "confirmation_required",
    });
    await next.call("delete_agent", { agent_id: agent.agent_id, force: true });
    expect(git(next.root, "show", `${rescued(agent)}:README`)).toBe("changed");
  });

  it("between the plan and the worktree: the next one makes it, half made or not", async () => {
    const { house, session } = await withWorktree();
    const reached = Promise.withResolvers<void>();
    const dying = (real: Outside): Outside => ({
      ...real,
      worktrees: {
        ...real.worktrees,
        async add(worktree) {
          await real.worktrees.add(worktree);
          rmSync(join(worktree.path, "README"));
          reached.resolve();
          await new Promise(() => {});
        },
      },
    });
    await house.leave();
    const second = await startHouse({ after: house, outside: dying });
    void second.call("create_agent", { session_id: session.session_id, kind: "scripted", name: "late" });
    await reached.promise;
    await second.leave();
    const third = await startHouse({ after: second });
    await third.recover();
    const late = third.house.registry.agents().find((row) => row.name === "late");
    expect(await third.call("wait_for_agent", { agent_id: late?.agent_id })).toMatchObject({ state: "ready" });
    expect(git(late?.cwd ?? "", "status", "--porcelain")).toBe("");
  });

  it("between the deletion and the removal: the next one saves and removes", async () => {
    const { house, agent, cwd } = await withWorktree();
    put(cwd, "README", "changed\n");
    const reached = Promise.withResolvers<void>();
    const dying = (real: Outside): Outside => ({
      ...real,
      worktrees: {
        ...real.worktrees,
        rescue: () => {
          reached.resolve();
          return new Promise(() => {});
        },
      },
    });
    await house.leave();
    const second = await startHouse({ after: house, outside: dying });
    await second.recover();
    void second.call("delete_agent", { agent_id: agent.agent_id, force: true });
    await reached.promise;
    await second.leave();
    const { log, heard } = listen("worktree.removed");
    const third = await startHouse({ after: second, log });
    await third.recover();
    await heard;
    expect(git(house.root, "show", `${rescued(agent)}:README`)).toBe("changed");
    expectNothingLeft(third);
  });

  it("in the middle of the removal: what was saved whole is not saved again in pieces", async () => {
    const { house, agent, cwd } = await withWorktree();
    put(cwd, "README", "changed\n");
    const reached = Promise.withResolvers<void>();
    const dying = (real: Outside): Outside => ({
      ...real,
      worktrees: {
        ...real.worktrees,
        remove: (worktree) => {
          rmSync(join(worktree.path, "README"));
          reached.resolve();
          return new Promise(() => {});
        },
      },
    });
    await house.leave();
    const second = await startHouse({ after: house, outside: dying });
    await second.recover();
    void second.call("delete_agent", { agent_id: agent.agent_id, force: true });
    await reached.promise;
    await second.leave();
    const { log, heard } = listen("worktree.removed");
    const third = await startHouse({ after: second, log });
    await third.recover();
    await heard;
    expect(git(house.root, "show", `${rescued(agent)}:README`)).toBe("changed");
    expectNothingLeft(third);
  });
});

it("a worktree that a person removed by hand is made again on its branch", async () => {
  const { house, agent, cwd, branch } = await withWorktree();
  commit(cwd, "kept.ts", "x\n");
  await house.call("clear_agent_conversation", { agent_id: agent.agent_id });
  rmSync(cwd, { recursive: true });
  await house.call("start_new_agent_conversation", { agent_id: agent.agent_id });
  expect(git(cwd, "branch", "--show-current")).toBe(branch);
  expect(existsSync(join(cwd, "kept.ts"))).toBe(true);
});

/** Where the agents' programs say they run. */
function programsAt(house: TestHouse): string[] {
  const dir = join(house.dir, "scripted/sessions");
  return readdirSync(dir)
    .map((name) => JSON.parse(readFileSync(join(dir, name), "utf8")).cwd as string)
    .sort();
}

function nested(cwd: string): void {
  const inner = join(cwd, "vendor/inner");
  put(inner, "work", "x");
  git(inner, "init", "--quiet");
}

function listen(event: string): { log: Log; heard: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const hear = (said: string) => {
    if (said === event) resolve();
  };
  return { log: { debug: hear, info: hear, warn: hear, error: hear }, heard: promise };
}
