// A git repository for tests, with a name and settings of its own: nothing of the machine's git configuration is read.

import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const ENV = {
  PATH: process.env.PATH ?? "",
  HOME: "/nonexistent",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_AUTHOR_NAME: "A Person",
  GIT_AUTHOR_EMAIL: "person@example.org",
  GIT_COMMITTER_NAME: "A Person",
  GIT_COMMITTER_EMAIL: "person@example.org",
};

/** Runs git in the directory and answers what it printed, without the last line end. */
export function git(dir: string, ...args: string[]): string {
  return execFileSync("git", ["-C", dir, ...args], { env: ENV, encoding: "utf8", stdio: "pipe" }).replace(/\n$/, "");
}

export function put(dir: string, name: string, text: string): void {
  mkdirSync(dirname(join(dir, name)), { recursive: true });
  writeFileSync(join(dir, name), text);
}

export function commit(dir: string, name: string, text: string): void {
  put(dir, name, text);
  git(dir, "add", "--all");
  git(dir, "commit", "--quiet", "--message", `put ${name}`);
}

/** A repository on `main` with one commit and an ignore rule for `*.log`. */
export function makeRepository(dir: string): void {
  git(dir, "init", "--quiet", "--initial-branch=main");
  put(dir, ".gitignore", "*.log\n");
  put(dir, "packages/api/index.ts", "export {};\n");
  commit(dir, "README", "hello\n");
}
