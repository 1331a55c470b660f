// Worktrees: a checkout and a branch of its own for an agent, made and removed with git. Here lies what is asked of git and what
// the answers mean; which agent has which worktree, and when it goes, is known by workplaces.ts. Nothing here touches the
// person's own checkout, index or branches.

import { chmodSync, copyFileSync, existsSync, mkdirSync, realpathSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve, sep } from "node:path";
import { SignalboxError } from "../kernel/errors.ts";
import { createGit, type Git, gitsWords } from "./git.ts";

/** Where branches of agents live in a person's repository; a branch of just this name would be in their way. */
export const BRANCH_FOLDER = "signalbox";

/** A directory as git sees it. */
export interface Checkout {
  /** The git directory that all worktrees of the repository share. */
  repository: string;
  /** The commit checked out now. */
  base: string;
  /** Where the directory lies below the checkout's top; empty at the top. */
  subdirectory: string;
}

export interface Worktree {
  repository: string;
  path: string;
  branch: string;
  /** Where the branch began: what is not older than this is the agent's own. */
  base: string;
}

/** What removing a worktree would take with it. */
export interface AtRisk {
  changed: number;
  untracked: number;
  /** On the checkout or its branch, and on no other branch, remote branch or tag. */
  commits: number;
  /** Repositories and worktrees inside, whose content git does not show us from here. */
  inner: number;
}

export interface Worktrees {
  /** Rejects with `invalid_input` and the next step where no worktree can be made of the directory. */
  locate(directory: string): Promise<Checkout>;
  /** Makes directory and branch. Rejects with the reason; something half done may be left for `remove`. */
  add(worktree: Worktree): Promise<void>;
  /** Makes the directory again on the branch as it is, after somebody removed it by hand. */
  restore(worktree: Worktree): Promise<void>;
  isThere(worktree: Worktree): boolean;
  hasRepository(worktree: Worktree): boolean;
  atRisk(worktree: Worktree): Promise<AtRisk>;
  /** Saves what no branch holds (changed and untracked files, loose commits) as `ref`; false: there was nothing. Rejects when
   *  not all of it can be saved. Nothing in the worktree changes. */
  rescue(worktree: Worktree, ref: string): Promise<boolean>;
  /** Removes the directory whatever it holds. Done twice, it is done. */
  remove(worktree: Worktree): Promise<void>;
  /** Deletes the branch where nothing would be lost by it; else answers how many commits it alone holds (0: somebody has it
   *  checked out). Null: it is gone. */
  dropBranch(worktree: Worktree): Promise<number | null>;
}

/** `env` is the daemon's own environment. */
export function createWorktrees(env: Readonly<Record<string, string | undefined>>): Worktrees {
  const git = createGit(env);

  const make = async (worktree: Worktree, words: readonly string[]) => {
    mkdirSync(dirname(worktree.path), { recursive: true, mode: 0o700 });
    // Made by us and empty, which git accepts, so that nobody else ever sees into it.
    mkdirSync(worktree.path, { recursive: true, mode: 0o700 });
    chmodSync(worktree.path, 0o700);
    await git.run([...inRepository(worktree), "worktree", "add", "--quiet", ...words]);
  };
  const add = (worktree: Worktree) => make(worktree, ["-b", worktree.branch, "--", worktree.path, worktree.base]);

  return {
    locate: (directory) => locate(git, directory),
    add,
    async restore(worktree) {
      await removeWhole(git, worktree);
      if ((await branchTip(git, worktree)) === null) return await add(worktree);
      await make(worktree, ["--", worktree.path, worktree.branch]);
    },
    isThere: ({ path }) => existsSync(path),
    hasRepository: ({ repository }) => existsSync(repository),
    async atRisk(worktree) {
      const { changed, untracked } = existsSync(worktree.path) ? await readStatus(git, worktree) : NOTHING;
      const inner = await innerRepositories(git, worktree, untracked);
      const tips = [await headOf(git, worktree), await branchTip(git, worktree)].filter((tip) => tip !== null);
      return {
        changed: changed.length,
        untracked: untracked.filter((path) => !path.endsWith("/")).length,
        commits: await commitsOnlyHere(git, worktree, tips),
        inner: inner.length,
      };
    },
    rescue: (worktree, ref) => rescue(git, worktree, ref),
    remove: (worktree) => removeWhole(git, worktree),
    async dropBranch(worktree) {
      const tip = await branchTip(git, worktree);
      if (tip === null) return null;
      const commits = await commitsOnlyHere(git, worktree, [tip]);
      if (commits > 0) return commits;
      const { branches } = await listed(git, worktree);
      if (branches.includes(`refs/heads/${worktree.branch}`)) return 0;
      // Only if it is still where we looked: whoever moved it in between has put work on it.
      await git.run([...inRepository(worktree), "update-ref", "-d", `refs/heads/${worktree.branch}`, tip]);
      // Exit code 128 where it has no settings, as usual.
      await git.ask([...inRepository(worktree), "config", "--remove-section", `branch.${worktree.branch}`]);
      return null;
    },
  };
}

async function locate(git: Git, directory: string): Promise<Checkout> {
  const at = ["-C", directory];
  const kind = await git.ask([...at, "rev-parse", "--is-inside-work-tree", "--is-bare-repository"]);
  if (kind.code !== 0) {
    const isNone = /not a git repository/.test(kind.stderr);
    throw isNone
      ? refusal("is not in a git repository", "Run git init and make a first commit there")
      : refusal(`cannot be used: git says: ${gitsWords(kind)}`, "Make git status work there");
  }
  const [isInside, isBare] = kind.stdout.split("\n");
  if (isBare === "true") throw refusal("is a bare repository", "Give a directory of a checkout");
  if (isInside !== "true") throw refusal("lies inside a git directory", "Give a directory of the checkout itself");
  const head = await git.ask([...at, "rev-parse", "--verify", "--quiet", "HEAD^{commit}"]);
  if (head.code !== 0) throw refusal("is in a git repository without a commit", "Make a first commit there");
  const base = head.stdout.trim();
  const subdirectory = (await git.read([...at, "rev-parse", "--show-prefix"])).replace(/\/$/, "");
  const entry = await git.ask([...at, "cat-file", "-t", `${base}:${subdirectory}`]);
  if (entry.stdout.trim() !== "tree") {
    throw refusal("is in no commit, so a worktree would not have it", "Commit the directory, or give one that is");
  }
  const taken = await git.ask([...at, "show-ref", "--verify", "--quiet", `refs/heads/${BRANCH_FOLDER}`]);
  if (taken.code === 0) {
    throw refusal(`has a branch named ${BRANCH_FOLDER}, where agents' branches would go`, "Rename that branch");
  }
  const shared = await git.read([...at, "rev-parse", "--git-common-dir"]);
  return { repository: realpathSync(resolve(directory, shared)), base, subdirectory };
}

function refusal(why: string, nextStep: string): SignalboxError {
  return new SignalboxError(
    "invalid_input",
    `Agents cannot have worktrees here: root_path ${why}.`,
    `${nextStep}, or create the session with workspace: shared.`,
  );
}

const NOTHING = { changed: [], untracked: [] };

/** Untracked repositories are listed as directories, with a slash at the end. */
async function readStatus(git: Git, worktree: Worktree, index?: string) {
  const words = [
    "status",
    "--porcelain=v2",
    "-z",
    "--no-renames",
    "--untracked-files=all",
    "--ignore-submodules=dirty",
  ];
  const text = await git.run([...inWorktree(worktree), ...words], index);
  const entries = text.split("\0").filter((entry) => entry !== "");
  return {
    changed: entries.filter((entry) => !entry.startsWith("? ")),
    untracked: entries.filter((entry) => entry.startsWith("? ")).map((entry) => entry.slice(2)),
  };
}

/** Repositories and worktrees inside the worktree: untracked ones, submodules that are filled, and worktrees that a program in
 *  it made for itself. Their commits and changes would go with the directory, and no rescue of ours would hold them. */
async function innerRepositories(git: Git, worktree: Worktree, untracked: readonly string[]): Promise<string[]> {
  if (!existsSync(worktree.path)) return [];
  const tracked = await git.run([...inWorktree(worktree), "ls-files", "--stage", "-z"]);
  const filled = tracked
    .split("\0")
    .filter((entry) => entry.startsWith("160000 "))
    .map((entry) => entry.slice(entry.indexOf("\t") + 1))
    .filter((path) => existsSync(join(worktree.path, path, ".git")));
  const { paths } = await listed(git, worktree);
  const below = paths.filter((path) => path.startsWith(worktree.path + sep));
  const strange = untracked.filter((path) => path.endsWith("/")).map((path) => path.slice(0, -1));
  return [...new Set([...filled, ...strange, ...below.map((path) => path.slice(worktree.path.length + 1))])];
}

async function rescue(git: Git, worktree: Worktree, ref: string): Promise<boolean> {
  const { changed, untracked } = await readStatus(git, worktree);
  const inner = await innerRepositories(git, worktree, untracked);
  if (inner.length > 0) throw cannotSave(`there is another repository inside it, ${JSON.stringify(inner[0])}`);
  const head = await headOf(git, worktree);
  if (changed.length === 0 && untracked.length === 0) {
    if (head === null || (await isHeld(git, worktree, head))) return false;
    await git.run([...inRepository(worktree), "update-ref", ref, head]);
    return true;
  }
  // A copy of the index, so that a worktree which cannot be removed after all is as its agent left it.
  const index = `${worktree.path}.index`;
  try {
    rmSync(index, { force: true });
    const own = join(adminDir(worktree), "index");
    if (existsSync(own)) copyFileSync(own, index);
    const commit = await commitAll(git, worktree, { head, index });
    await git.run([...inRepository(worktree), "update-ref", ref, commit]);
  } finally {
    rmSync(index, { force: true });
    rmSync(`${index}.lock`, { force: true });
  }
  return true;
}

/** A commit of every file as it lies there; its second parent is what had been staged, where that was something else. */
async function commitAll(git: Git, worktree: Worktree, { head, index }: { head: string | null; index: string }) {
  const at = inWorktree(worktree);
  // Fails in the middle of a merge, where nothing whole is staged.
  const staged = await git.run([...at, "write-tree"], index).catch(() => null);
  await git.run([...at, "add", "--all", "--", "."], index);
  const left = await readStatus(git, worktree, index);
  // In the format's second column stands what the files have that the index has not.
  if (left.untracked.length > 0 || left.changed.some((entry) => !/^1 .\. /.test(entry))) {
    throw cannotSave("git would not take all of its files");
  }
  const tree = await git.run([...at, "write-tree"], index);
  const parents = head === null ? [] : ["-p", head];
  const before = head === null ? null : await git.read([...at, "rev-parse", `${head}^{tree}`]);
  const commit = (what: string, of: string, from: readonly string[]) =>
    git.run([
      ...at,
      "commit-tree",
      of,
      ...from,
      "-m",
      `signalbox: ${what} when the worktree of ${worktree.branch} went`,
    ]);
  if (staged === null || staged === tree || staged === before) return await commit("what was there", tree, parents);
  const stagedCommit = await commit("what was staged", staged, parents);
  return await commit("what was there", tree, [...parents, "-p", stagedCommit]);
}

function cannotSave(why: string): SignalboxError {
  return new SignalboxError("conflict", `Not all of the worktree can be saved: ${why}.`, "Save it by hand.");
}

/** Locked or half made, git removes it only when told twice; where an agent has broken the links between the two, we remove the
 *  directory and git forgets it. */
async function removeWhole(git: Git, worktree: Worktree): Promise<void> {
  const words = [...inRepository(worktree), "worktree", "remove", "--force", "--force", "--", worktree.path];
  const { paths } = await listed(git, worktree);
  if (paths.includes(worktree.path)) await git.run(words).catch(() => undefined);
  rmSync(worktree.path, { recursive: true, force: true });
  if ((await listed(git, worktree)).paths.includes(worktree.path)) await git.run(words);
  rmSync(adminDir(worktree), { recursive: true, force: true });
}

/** All worktrees of the repository and the branches that are checked out in them. */
async function listed(git: Git, worktree: Worktree): Promise<{ paths: string[]; branches: string[] }> {
  const lines = (await git.read([...inRepository(worktree), "worktree", "list", "--porcelain"])).split("\n");
  const after = (word: string) =>
    lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));
  return { paths: after("worktree"), branches: after("branch") };
}

async function commitsOnlyHere(git: Git, worktree: Worktree, tips: readonly string[]): Promise<number> {
  if (tips.length === 0) return 0;
  const at = inRepository(worktree);
  const head = await git.ask([...at, "rev-parse", "--verify", "--quiet", "HEAD^{commit}"]);
  const elsewhere = [`--exclude=${worktree.branch}`, "--branches", "--remotes", "--tags"];
  const count = await git.read([
    ...[...at, "rev-list", "--count", ...tips, "--not", worktree.base],
    ...[...elsewhere, ...(head.code === 0 ? [head.stdout.trim()] : []), "--"],
  ]);
  return Number(count);
}

async function isHeld(git: Git, worktree: Worktree, commit: string): Promise<boolean> {
  const refs = await git.read([...inRepository(worktree), "for-each-ref", "--count=1", "--contains", commit]);
  return refs !== "";
}

async function headOf(git: Git, worktree: Worktree): Promise<string | null> {
  if (!existsSync(adminDir(worktree))) return null;
  return await resolved(git, [`--git-dir=${adminDir(worktree)}`], "HEAD");
}

function branchTip(git: Git, worktree: Worktree): Promise<string | null> {
  return resolved(git, inRepository(worktree), `refs/heads/${worktree.branch}`);
}

async function resolved(git: Git, at: readonly string[], name: string): Promise<string | null> {
  const { code, stdout } = await git.ask([...at, "rev-parse", "--verify", "--quiet", `${name}^{commit}`]);
  return code === 0 ? stdout.trim() : null;
}

function inRepository({ repository }: Worktree): string[] {
  return [`--git-dir=${repository}`];
}

/** Named outright instead of found through the `.git` file in the worktree, which the agent may have changed or removed: git
 *  would then look further up and answer for somebody else's repository. */
function inWorktree(worktree: Worktree): string[] {
  return ["-C", worktree.path, `--git-dir=${adminDir(worktree)}`, `--work-tree=${worktree.path}`];
}

/** Git names it after the directory, and ours are named after agents, so no other worktree has the name. */
function adminDir({ repository, path }: Worktree): string {
  return join(repository, "worktrees", basename(path));
}
