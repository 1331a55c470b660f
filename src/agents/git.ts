// Runs git: one program, words without a shell, a bounded time, and nothing of the daemon's own GIT_* settings. The only file
// that starts git; what is asked of it and what the answers mean is for worktrees.ts.

import { execFile } from "node:child_process";
import { SignalboxError } from "../kernel/errors.ts";

/** Questions about names and commits answer in 5-50 ms; counting commits in a very large history takes seconds. */
const ASK_TIMEOUT_MS = 60_000;
/** A checkout of the Linux kernel (90,000 files) takes about 10 s on a fast disk; slow ones are ten times slower. */
const RUN_TIMEOUT_MS = 300_000;
/** 16 MiB of names are some 200,000 files: a status of more than that counts as one that cannot be read. */
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;

/** Said before every command. Hooks and file-system monitors are programs that whoever may write to the repository's settings
 *  chooses; the daemon runs none of them. What is written must survive a power cut, since a removal may follow. */
const SETTINGS = [
  "core.hooksPath=/dev/null",
  "core.fsmonitor=false",
  "core.fsync=all",
  "core.fsyncMethod=batch",
  "core.safecrlf=false",
  "advice.addEmbeddedRepo=false",
  "user.name=signalbox",
  "user.email=signalbox@localhost",
].flatMap((setting) => ["-c", setting]);

export interface GitAnswer {
  code: number;
  stdout: string;
  stderr: string;
}

export interface Git {
  /** Asks; resolves with whatever exit code. Rejects with `invalid_input` when there is no git, `timeout` when it hangs. */
  ask(args: readonly string[]): Promise<GitAnswer>;
  /** Asks and wants exit code 0: resolves to stdout without its last line end, rejects with git's own words. */
  read(args: readonly string[]): Promise<string>;
  /** Like `read`, for commands that walk whole trees; `index` names another index file than the checkout's own. */
  run(args: readonly string[], index?: string): Promise<string>;
}

/** `env` is the daemon's own environment. */
export function createGit(env: Readonly<Record<string, string | undefined>>): Git {
  const clean = {
    ...Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("GIT_"))),
    // The daemon has no terminal to ask for a password on, takes no locks for a mere look, and reads English.
    GIT_TERMINAL_PROMPT: "0",
    GIT_OPTIONAL_LOCKS: "0",
    LC_ALL: "C",
  };
  const ask = (args: readonly string[], timeout = ASK_TIMEOUT_MS, index?: string) =>
    new Promise<GitAnswer>((resolve, reject) => {
      const options = {
        // A place that is always there: a missing one would look like a missing git.
        cwd: "/",
        env: index === undefined ? clean : { ...clean, GIT_INDEX_FILE: index },
        timeout,
        maxBuffer: OUTPUT_BYTES_MAX,
      };
      execFile("git", [...SETTINGS, ...args], options, (error, stdout, stderr) => {
        if (error === null) return resolve({ code: 0, stdout, stderr });
        if (typeof error.code === "number") return resolve({ code: error.code, stdout, stderr });
        reject(whyNot(error));
      });
    });
  const strict = async (args: readonly string[], timeout?: number, index?: string) => {
    const answer = await ask(args, timeout, index);
    if (answer.code === 0) return answer.stdout.replace(/\n$/, "");
    throw new SignalboxError(
      "conflict",
      `git says: ${gitsWords(answer)}.`,
      "Look at the repository with git status and git worktree list, then try again.",
    );
  };
  return {
    ask: (args) => ask(args),
    read: (args) => strict(args),
    run: (args, index) => strict(args, RUN_TIMEOUT_MS, index),
  };
}

/** The last line of what git said to people, where it names the reason, short enough for a sentence. */
export function gitsWords({ code, stderr }: GitAnswer): string {
  const lines = stderr.split("\n").filter((line) => line.trim() !== "");
  const line = lines.find((text) => /^(fatal|error): /.test(text)) ?? lines.at(-1) ?? `exit code ${code}`;
  return line
    .replace(/^(fatal|error): /, "")
    .replace(/\.$/, "")
    .slice(0, 300);
}

function whyNot(error: Error & { code?: unknown; killed?: boolean }): SignalboxError {
  if (error.code === "ENOENT" || error.code === "EACCES") {
    return new SignalboxError(
      "invalid_input",
      "Worktrees need git, and there is no git on the daemon's PATH.",
      "Install git and start the daemon anew (`signalbox stop` ends it), or create the session with workspace: shared.",
      { cause: error },
    );
  }
  if (error.killed === true && error.code !== "ERR_CHILD_PROCESS_STDIO_MAXBUFFER") {
    return new SignalboxError(
      "timeout",
      "git did not answer in time.",
      "Look at the repository's disk, then try again.",
      {
        cause: error,
      },
    );
  }
  return new SignalboxError(
    "conflict",
    `git cannot be asked: ${error.message.split("\n")[0]}.`,
    "Look at the repository with git status, then try again.",
    { cause: error },
  );
}
