// What is asked of git, against the real one: what counts as work that is nowhere else, and that all of it is saved.

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { commit, git, makeRepository, put } from "../../test/support/repository.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { branchFor } from "./workplaces.ts";
import { createWorktrees, type Worktree } from "./worktrees.ts";

/** As a daemon might be started from within a hook of some other repository. */
const ENV = {
  PATH: process.env.PATH,
  HOME: "/nonexistent",
  GIT_DIR: "/nonexistent/.git",
  GIT_INDEX_FILE: "/nonexistent/i",
};
const worktrees = createWorktrees(ENV);
const REF = "refs/signalbox/rescued/agt_test";

async function makeWorktree(): Promise<{ root: string; cwd: string; worktree: Worktree }> {
  const root = tempDir();
  makeRepository(root);
  const { repository, base } = await worktrees.locate(root);
  const worktree = { repository, base, path: join(tempDir(), "agt_test"), branch: "signalbox/test-1" };
  await worktrees.add(worktree);
  return { root, cwd: worktree.path, worktree };
}

describe("what is at risk", () => {
  const cases: [string, (cwd: string, root: string) => void, Record<string, number>][] = [
    ["nothing in a fresh one", () => {}, {}],
    ["no ignored file", (cwd) => put(cwd, "x.log", "x"), {}],
    ["a changed file", (cwd) => put(cwd, "README", "x"), { changed: 1 }],
    ["a removed file", (cwd) => rmSync(join(cwd, "README")), { changed: 1 }],
    [
      "a file that is only staged",
      (cwd) => {
        put(cwd, "new", "x");
        git(cwd, "add", "new");
      },
      { changed: 1 },
    ],
    [
      "each untracked file",
      (cwd) => {
        put(cwd, "a", "x");
        put(cwd, "dir/b c\n", "x");
      },
      { untracked: 2 },
    ],
    ["a commit on its branch", (cwd) => commit(cwd, "a", "x"), { commits: 1 }],
    [
      "commits on no branch",
      (cwd) => {
        git(cwd, "checkout", "--quiet", "--detach");
        commit(cwd, "a", "x");
        commit(cwd, "b", "x");
      },
      { commits: 2 },
    ],
    [
      "no commit that another branch has",
      (cwd, root) => {
        commit(cwd, "a", "x");
        git(root, "merge", "--quiet", "signalbox/test-1");
      },
      {},
    ],
    [
      "no commit that was pushed",
      (cwd, root) => {
        commit(cwd, "a", "x");
        git(root, "update-ref", "refs/remotes/origin/theirs", "signalbox/test-1");
      },
      {},
    ],
    [
      "no commit of the person's own, when their branch moved away from it",
      (_cwd, root) => git(root, "commit", "--quiet", "--amend", "--message", "again"),
      {},
    ],
    ["a repository inside", (cwd) => inner(cwd), { inner: 1 }],
    [
      "a worktree inside, although it is ignored",
      (cwd, root) => git(root, "worktree", "add", "--quiet", "--detach", join(cwd, "x.log")),
      { inner: 1 },
    ],
    [
      "files, although the link to the repository is gone",
      (cwd) => {
        rmSync(join(cwd, ".git"));
        put(cwd, "a", "x");
      },
      { untracked: 1 },
    ],
  ];
  it.each(cases)("%s", async (_what, work, expected) => {
    const { root, cwd, worktree } = await makeWorktree();
    work(cwd, root);
    expect(await worktrees.atRisk(worktree)).toEqual({ changed: 0, untracked: 0, commits: 0, inner: 0, ...expected });
  });
});

describe("a rescue", () => {
  it("saves nothing where nothing would be lost", async () => {
    const { root, cwd, worktree } = await makeWorktree();
    commit(cwd, "on-its-branch", "x");
    expect(await worktrees.rescue(worktree, REF)).toBe(false);
    expect(git(root, "for-each-ref", REF)).toBe("");
  });

  it("saves commits that are on no branch", async () => {
    const { root, cwd, worktree } = await makeWorktree();
    git(cwd, "checkout", "--quiet", "--detach");
    commit(cwd, "loose", "x");
    expect(await worktrees.rescue(worktree, REF)).toBe(true);
    expect(git(root, "rev-parse", REF)).toBe(git(cwd, "rev-parse", "HEAD"));
  });

  it("saves the files of a merge that was not finished", async () => {
    const { root, cwd, worktree } = await makeWorktree();
    commit(cwd, "README", "theirs\n");
    commit(root, "README", "ours\n");
    expect(() => git(cwd, "merge", "main")).toThrow();
    expect(await worktrees.rescue(worktree, REF)).toBe(true);
    expect(git(root, "show", `${REF}:README`)).toMatch(/<<<<<<< HEAD\ntheirs\n=======\nours\n>>>>>>> main/);
  });

  it("saves a branch without a commit", async () => {
    const { root, cwd, worktree } = await makeWorktree();
    git(cwd, "checkout", "--quiet", "--orphan", "fresh");
    put(cwd, "new", "x");
    expect(await worktrees.rescue(worktree, REF)).toBe(true);
    expect(git(root, "show", `${REF}:new`)).toBe("x");
  });

  it("works although a lock was left behind and the link to the repository is gone", async () => {
    const { root, cwd, worktree } = await makeWorktree();
    put(cwd, "README", "changed\n");
    put(root, ".git/worktrees/agt_test/index.lock", "");
    rmSync(join(cwd, ".git"));
    expect(await worktrees.rescue(worktree, REF)).toBe(true);
    expect(git(root, "show", `${REF}:README`)).toBe("changed");
    await worktrees.remove(worktree);
    expect(git(root, "worktree", "list").split("\n")).toHaveLength(1);
  });

  it("changes nothing in the worktree, and leaves nothing beside it", async () => {
    const { cwd, worktree } = await makeWorktree();
    put(cwd, "new", "x");
    git(cwd, "add", "--intent-to-add", "new");
    put(cwd, "README", "changed\n");
    const before = git(cwd, "status", "--porcelain=v2");
    await worktrees.rescue(worktree, REF);
    expect(git(cwd, "status", "--porcelain=v2")).toBe(before);
    expect(readdirSync(join(cwd, ".."))).toEqual([basename(cwd)]);
  });

  it("is refused where it could not save everything", async () => {
    const { cwd, worktree } = await makeWorktree();
    inner(cwd);
    await expect(worktrees.rescue(worktree, REF)).rejects.toThrow(/"vendor\/inner"/);
  });

  it("saves any files under any names, byte for byte", async () => {
    const { root, cwd, worktree } = await makeWorktree();
    const name = fc.string({ unit: "binary", minLength: 1, maxLength: 20 }).filter((text) => {
      const odd = /^\.+$|^\.git|\.log$|^(README|packages)$|[/\0\ud800-\udfff]/i.test(text);
      return !odd && text.isWellFormed() && text.normalize("NFC") === text;
    });
    const files = fc.uniqueArray(fc.tuple(name, fc.string()), { selector: ([of]) => of.toLowerCase(), maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(files, async (written) => {
        for (const [of, text] of written) put(cwd, `dir/${of}`, text);
        await worktrees.rescue(worktree, REF);
        for (const [of, text] of written) expect(show(root, `${REF}:dir/${of}`)).toBe(text);
        rmSync(join(cwd, "dir"), { recursive: true, force: true });
      }),
      { numRuns: 8 },
    );
  });
});

describe("a removal", () => {
  it("goes through twice, and over what is half made, locked or gone", async () => {
    const { root, cwd, worktree } = await makeWorktree();
    git(root, "worktree", "lock", cwd);
    rmSync(join(cwd, "README"));
    await worktrees.remove(worktree);
    await worktrees.remove(worktree);
    expect(await worktrees.dropBranch(worktree)).toBeNull();
    expect(await worktrees.dropBranch(worktree)).toBeNull();
    expect(existsSync(cwd)).toBe(false);
    await worktrees.add(worktree);
    rmSync(cwd, { recursive: true });
    await worktrees.remove(worktree);
    expect(existsSync(join(root, ".git/worktrees"))).toBe(false);
  });

  it("does not follow links out of the worktree", async () => {
    const { cwd, worktree, root } = await makeWorktree();
    execFileSync("ln", ["-s", root, join(cwd, "link")]);
    await worktrees.remove(worktree);
    expect(readFileSync(join(root, "README"), "utf8")).toBe("hello\n");
  });

  it("keeps a branch with commits of its own, and one that is checked out", async () => {
    const { root, cwd, worktree } = await makeWorktree();
    expect(await worktrees.dropBranch(worktree)).toBe(0);
    commit(cwd, "a", "x");
    expect(await worktrees.dropBranch(worktree)).toBe(1);
    expect(git(root, "rev-parse", worktree.branch)).toBe(git(cwd, "rev-parse", "HEAD"));
  });
});

describe("a branch's name", () => {
  it.each([
    ["spaces and quotes", 'My "best" agent\'s name', "My-best-agent-s-name"],
    ["letters of other scripts", "Agentin Größe 東京", "Agentin-Größe-東京"],
    ["a leading dash", "--force", "force"],
    ["path and ref syntax", "../a..b.lock~^:?*[@{x}", "a-b-lock-x"],
    ["nothing a branch may hold", "…", "agent"],
    ["a hundred characters", "x".repeat(100), "x".repeat(40)],
  ])("comes of any agent's name: %s", (_what, name, expected) => {
    expect(branchFor(name, "agt_0123456789abcdefgh")).toBe(`signalbox/${expected}-abcdefgh`);
  });

  it("is always one that git takes", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 100 }), (name) => {
        execFileSync("git", ["check-ref-format", "--branch", branchFor(name, "agt_0123456789abcdefgh")]);
      }),
      { numRuns: 50 },
    );
  });
});

function inner(cwd: string): void {
  put(cwd, "vendor/inner/work", "x");
  git(join(cwd, "vendor/inner"), "init", "--quiet");
}

/** As it is, with every line end. */
function show(root: string, what: string): string {
  return execFileSync("git", ["-C", root, "cat-file", "blob", what], { encoding: "utf8", stdio: "pipe" });
}
