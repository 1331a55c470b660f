import { chmodSync, chownSync, lstatSync, mkdirSync, rmdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { tempDir } from "../../test/support/temp-dir.ts";
import { preparePrivateDir, prepareStateDir } from "./state-dir.ts";

const modeOf = (path: string) => lstatSync(path).mode & 0o777;
const storageError = expect.objectContaining({ code: "storage_error" });

function withUmask(umask: number): void {
  const before = process.umask(umask);
  onTestFinished(() => void process.umask(before));
}

it("makes a directory only its owner can enter, with its run directory, whatever the umask", () => {
  withUmask(0);
  const path = join(tempDir(), "deep", "state");
  const stateDir = prepareStateDir(path);
  expect([path, stateDir.runDir].map(modeOf)).toEqual([0o700, 0o700]);
  expect(stateDir.databaseFile).toBe(join(path, "signalbox.db"));
});

it("takes away what group and others may do, everywhere but inside a worktree", () => {
  const path = tempDir();
  mkdirSync(join(path, "logs"), { mode: 0o755 });
  mkdirSync(join(path, "worktrees", "one", "src"), { recursive: true });
  const modes: [string, number, number][] = [
    ["signalbox.db", 0o644, 0o600],
    ["logs/daemon.log", 0o664, 0o600],
    ["logs", 0o755, 0o700],
    ["worktrees/one/.git", 0o600, 0o600],
    ["worktrees/one/src", 0o755, 0o755],
    ["worktrees/one", 0o755, 0o700],
  ];
  for (const [name, mode] of modes) {
    const file = join(path, name);
    if (lstatSync(file, { throwIfNoEntry: false }) === undefined) writeFileSync(file, "");
    chmodSync(file, mode);
  }
  chmodSync(path, 0o755);
  prepareStateDir(path);
  expect(modeOf(path)).toBe(0o700);
  for (const [name, , after] of modes) expect([name, modeOf(join(path, name))]).toEqual([name, after]);
});

it("follows a symbolic link to a state directory of its own, but does not touch what links below it point to", () => {
  const [real, outside] = [tempDir(), tempDir()];
  writeFileSync(join(outside, "file"), "");
  chmodSync(join(outside, "file"), 0o644);
  symlinkSync(join(outside, "file"), join(real, "link"));
  const link = join(tempDir(), "state");
  symlinkSync(real, link);
  prepareStateDir(link);
  expect(modeOf(join(outside, "file"))).toBe(0o644);
  expect(statSync(join(real, "run")).isDirectory()).toBe(true);
});

it("says what is wrong with a place that cannot be used", () => {
  const dir = tempDir();
  writeFileSync(join(dir, "file"), "");
  expect(() => prepareStateDir(join(dir, "file"))).toThrow(storageError);
  expect(() => prepareStateDir(join(dir, "file", "below"))).toThrow(storageError);
  expect(() => prepareStateDir(join(dir, "n".repeat(300)))).toThrow(storageError);
  if (process.platform === "linux") expect(() => prepareStateDir("/proc/state")).toThrow(storageError);
});

it("gives a deep state directory a short run directory of its own", () => {
  const stateDir = prepareStateDir(join(tempDir(), "d".repeat(120)));
  onTestFinished(() => rmdirSync(stateDir.runDir));
  expect(stateDir.runDir.length).toBeLessThan(60);
  expect(modeOf(stateDir.runDir)).toBe(0o700);
});

it("refuses a symbolic link where a run directory should be", () => {
  const dir = tempDir();
  symlinkSync(tempDir(), join(dir, "link"));
  expect(() => preparePrivateDir(join(dir, "link"))).toThrow(storageError);
});

it("refuses a directory that somebody else made first", (context) => {
  if (process.getuid?.() !== 0) context.skip("only root can give a directory away");
  const dir = tempDir();
  mkdirSync(join(dir, "theirs"));
  chownSync(join(dir, "theirs"), 65534, 65534);
  expect(() => preparePrivateDir(join(dir, "theirs"))).toThrow(/belongs to another user/);
  expect(() => prepareStateDir(join(dir, "theirs"))).toThrow(/belongs to another user/);
});
