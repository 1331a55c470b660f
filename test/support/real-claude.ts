// The real agent program for tests: found in a cache outside the package or installed there once, and a home directory
// in which it starts without asking anything. Never touches this machine's own configuration of it.

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, realpath, rename, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The version the project is developed against, and the oldest one it drives. */
export const CLAUDE_VERSION = "2.1.330";
export const OLDEST_CLAUDE_VERSION = "2.1.197";

/** Not secret: the scripted model accepts any key. Kept below 20 characters, so the approved tail is the whole key. */
export const DUMMY_API_KEY = "dummy-local-key";

/** True when the tests with the real program are switched off by hand. Says so loudly, once per process. */
export function skipsRealClaude(): boolean {
  const skips = process.env.SIGNALBOX_SKIP_REAL_CLAUDE === "1";
  if (skips && !hasWarned) {
    hasWarned = true;
    console.warn(
      "\n!!! SIGNALBOX_SKIP_REAL_CLAUDE=1: nothing is tested against the real Claude Code CLI in this run !!!\n",
    );
  }
  return skips;
}
let hasWarned = false;

/** Absolute path of the native program of that version, installed by npm on first use (about 400 MB, seconds). Any number
 *  of processes may call this at once: each installs aside and renames, and the first one wins. */
export async function ensureRealClaude(version = CLAUDE_VERSION): Promise<string> {
  if (skipsRealClaude()) throw new Error("SIGNALBOX_SKIP_REAL_CLAUDE=1, yet a test asked for the real Claude Code CLI");
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "signalbox-tests");
  const home = join(cache, `claude-code-${version}`);
  const found = await nativeProgram(home);
  if (found) return found;

  await mkdir(cache, { recursive: true });
  const aside = await mkdtemp(join(cache, ".installing-"));
  try {
    await writeFile(join(aside, "package.json"), '{"private":true}\n');
    // Its install script only links the platform's program to another name, and some npm setups forbid scripts.
    const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save"];
    await run("npm", ["install", ...flags, `@anthropic-ai/claude-code@${version}`], { cwd: aside });
    await rename(aside, home).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
  const installed = await nativeProgram(home);
  if (!installed)
    throw new Error(`npm installed @anthropic-ai/claude-code@${version}, but no program for this platform`);
  return installed;
}

async function nativeProgram(home: string): Promise<string | null> {
  const scope = join(home, "node_modules", "@anthropic-ai");
  if (!existsSync(scope)) return null;
  for (const name of await readdir(scope)) {
    if (!name.startsWith(`claude-code-${process.platform}-${process.arch}`)) continue;
    const path = join(scope, name, process.platform === "win32" ? "claude.exe" : "claude");
    if (existsSync(path)) return path;
  }
  return null;
}

export interface ClaudeHome {
  /** The home directory itself, symlinks resolved. */
  home: string;
  /** The complete environment for the program: nothing of this process's own but PATH. */
  env: Record<string, string>;
  remove(): Promise<void>;
}

export interface ClaudeHomeOptions {
  /** The scripted model's url. */
  modelUrl: string;
  /** Directories whose trust question counts as answered (absolute, resolved). */
  trusted?: readonly string[];
  /** False: the program asks whether to use the key. */
  approveKey?: boolean;
  /** Added to the environment, or replacing what is there. */
  env?: Readonly<Record<string, string>>;
}

/** A home directory of a person who has used the program before and has no settings of their own. */
export async function freshClaudeHome(options: ClaudeHomeOptions): Promise<ClaudeHome> {
  const home = await realpath(await mkdtemp(join(tmpdir(), "signalbox-home-")));
  const projects = (options.trusted ?? []).map((dir) => [dir, { hasTrustDialogAccepted: true }] as const);
  const settings = {
    hasCompletedOnboarding: true,
    customApiKeyResponses: { approved: options.approveKey === false ? [] : [DUMMY_API_KEY], rejected: [] },
    projects: Object.fromEntries(projects),
  };
  await writeFile(join(home, ".claude.json"), JSON.stringify(settings), { mode: 0o600 });
  return {
    home,
    env: {
      PATH: process.env.PATH ?? "/usr/local/bin:/usr/bin:/bin",
      HOME: home,
      SHELL: "/bin/bash",
      TERM: "xterm-256color",
      LANG: "C.UTF-8",
      ANTHROPIC_API_KEY: DUMMY_API_KEY,
      ANTHROPIC_BASE_URL: options.modelUrl,
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
      ...options.env,
    },
    // The program may still be writing its last lines while its directory goes.
    remove: () => rm(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }),
  };
}
