import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { startFakeDaemon } from "../../test/support/cli-daemon.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { SignalboxError } from "../kernel/errors.ts";
import { type Check, diagnose, renderDiagnosis } from "./doctor.ts";
import { type Env, thisMachine, type World } from "./world.ts";

/** A machine with the programs named, each a script that prints its version. */
function machine(
  programs: Record<string, string>,
  change: Partial<World> = {},
): { env: Env; world: World; bin: string } {
  const [bin, packageRoot, home] = [tempDir(), tempDir(), tempDir()];
  for (const [name, prints] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${prints}\n`, { mode: 0o755 });
  }
  mkdirSync(join(packageRoot, "dist"));
  writeFileSync(join(packageRoot, "dist", "main.js"), "");
  const env = { PATH: bin, HOME: home };
  return {
    env,
    bin,
    world: { ...thisMachine(env), platform: "linux", home, packageRoot, nodeVersion: "24.1.0", ...change },
  };
}

async function ask(env: Env, world: World): Promise<{ ok: boolean } & Record<string, Check | boolean>> {
  const { ok, checks } = await diagnose(env, world, undefined);
  return Object.assign({ ok }, Object.fromEntries(checks.map((check) => [check.name, check])));
}

const ALL = { claude: "echo 2.1.330 '(Claude Code)'", tmux: "echo tmux 3.4", git: "echo git version 2.40", bwrap: "" };

describe("doctor", () => {
  test("finds what is there, without a daemon and without starting one", async () => {
    const { env, world, bin } = machine(ALL);
    const found = await ask(env, world);
    expect(found.ok).toBe(true);
    expect(found.claude).toMatchObject({
      found: true,
      detail: `2.1.330 (Claude Code), ${join(bin, "claude")}`,
      next_step: null,
    });
    expect(found.tmux).toMatchObject({ found: true });
    expect(found.daemon).toMatchObject({ found: true, detail: expect.stringContaining("not running") });
    expect(found["state directory"]).toMatchObject({ found: true, detail: expect.stringContaining("will be created") });
    expect(found.log).toMatchObject({ detail: join(env.HOME ?? "", ".local/state/signalbox/logs/daemon.log") });
    expect(found.sandbox).toMatchObject({
      required: false,
      found: false,
      detail: expect.stringContaining("no sandbox"),
    });
    expect(found.iTerm2).toBeUndefined();
  });

  test("each thing that is missing has one next step, and only what is required fails", async () => {
    const { env, world } = machine({});
    const found = await ask(env, world);
    expect(found.ok).toBe(false);
    expect(found.claude).toMatchObject({
      required: true,
      found: false,
      next_step: expect.stringContaining("Install Claude Code"),
    });
    expect(found.sandbox).toMatchObject({
      detail: expect.stringContaining("this version has no stricter level than LOW"),
      next_step: expect.not.stringContaining("bubblewrap"),
    });
    expect(found.tmux).toMatchObject({ required: false, found: false });
    const text = renderDiagnosis(await diagnose(env, world, undefined), { width: 80, hasColour: false });
    expect(text).toMatch(/^missing +claude +no claude on PATH$/m);
    expect(text).toMatch(/^without +tmux/m);
    expect(text.endsWith("Something required is missing.\n")).toBe(true);
  });

  test.each<[string, (given: ReturnType<typeof machine>) => { env?: Env; world?: Partial<World> }, string]>([
    ["an old node", () => ({ world: { nodeVersion: "22.18.9" } }), "node"],
    ["no build", () => ({ world: { packageRoot: tempDir() } }), "build"],
    [
      "a claude that does not start",
      ({ bin }) => {
        writeFileSync(join(bin, "claude"), "#!/bin/sh\nexit 1\n");
        return {};
      },
      "claude",
    ],
    ["SIGNALBOX_CLAUDE naming nothing", () => ({ env: { SIGNALBOX_CLAUDE: "/nowhere/claude" } }), "claude"],
    ["a key file open to others", () => ({ env: { SIGNALBOX_KEY_FILE: openFile() } }), "key"],
    ["a state directory open to others", () => ({ env: { SIGNALBOX_HOME: openDir() } }), "state directory"],
    ["a file where the state directory should be", () => ({ env: { SIGNALBOX_HOME: openFile() } }), "state directory"],
  ])("%s is not ok", async (_, change, name) => {
    const given = machine(ALL);
    const { env, world } = change(given);
    const found = await ask({ ...given.env, ...env }, { ...given.world, ...world });
    expect(found.ok).toBe(false);
    expect(found[name]).toMatchObject({ required: true, found: false, next_step: expect.any(String) });
  });

  const ANOTHER_KEY = "Name the key file it was made with in SIGNALBOX_KEY_FILE, or choose another state directory.";
  const WRITABLE = "Make it writable for this user, or choose another one with --state-dir or SIGNALBOX_HOME.";
  test.each<[string, () => Env, string, string, string]>([
    ["data without its key", () => ({ SIGNALBOX_HOME: dirWith("signalbox.db") }), "key", "holds data", ANOTHER_KEY],
    [
      "data without the key file named",
      () => ({ SIGNALBOX_HOME: dirWith("signalbox.db-wal", "key"), SIGNALBOX_KEY_FILE: "/nowhere/key" }),
      "key",
      "the key file /nowhere/key (SIGNALBOX_KEY_FILE) does not exist",
      ANOTHER_KEY,
    ],
    [
      "a file",
      () => ({ SIGNALBOX_HOME: openFile() }),
      "state directory",
      "is not a directory",
      "Remove it, or choose another one with --state-dir.",
    ],
    [
      "a path through a file",
      () => ({ SIGNALBOX_HOME: join(openFile(), "x") }),
      "state directory",
      "cannot be made",
      WRITABLE,
    ],
  ])("says of %s what the daemon would say", async (_, change, name, detail, next_step) => {
    const { env, world } = machine(ALL);
    const found = await ask({ ...env, ...change() }, world);
    expect(found.ok).toBe(false);
    expect(found[name]).toMatchObject({ found: false, detail: expect.stringContaining(detail), next_step });
  });

  test("says of a place where nothing can be made what the daemon would say", async (context) => {
    if (process.platform !== "linux") context.skip("there is no /proc here");
    const { env, world } = machine(ALL);
    const found = await ask({ ...env, SIGNALBOX_HOME: "/proc/nope/deep" }, world);
    expect(found["state directory"]).toMatchObject({ found: false, next_step: WRITABLE });
  });

  test("leaves nothing behind, and is content with data and its key, links followed", async () => {
    const { env, world } = machine(ALL);
    const above = tempDir();
    const stateDir = join(above, "state");
    expect((await ask({ ...env, SIGNALBOX_HOME: stateDir }, world)).ok).toBe(true);
    expect(readdirSync(above)).toEqual([]);
    symlinkSync(dirWith("signalbox.db", "key"), stateDir);
    expect((await ask({ ...env, SIGNALBOX_HOME: stateDir }, world)).ok).toBe(true);
    const kept = dirWith("signalbox.db", "keychain-id");
    expect((await ask({ ...env, SIGNALBOX_HOME: kept }, world)).key).toMatchObject({ found: true });
  });

  test("asks a running daemon for what only it knows", async () => {
    const about = {
      pid: 42,
      version: "1.0.0",
      key: "OS keychain",
      log_dir: "/var/log/sb",
      sandbox: "no sandbox: level LOW",
    };
    const daemon = await startFakeDaemon({ describe_daemon: () => about });
    try {
      const { env, world } = machine(ALL);
      const found = await ask({ ...env, SIGNALBOX_HOME: daemon.stateDir }, world);
      expect(found.daemon).toMatchObject({ detail: "running, pid 42, version 1.0.0" });
      expect(found.key).toMatchObject({ detail: "OS keychain" });
      expect(found.log).toMatchObject({ detail: "/var/log/sb/daemon.log" });
      expect(found.sandbox).toMatchObject({ found: false, detail: "no sandbox: level LOW" });
      expect(found.ok).toBe(true);
    } finally {
      await daemon.close();
    }
  });

  test("where a least level is set that needs a sandbox, says how to get sessions at all", async () => {
    const about = { pid: 42, sandbox: "no sandbox: none below MEDIUM", security_level: "MEDIUM" };
    const daemon = await startFakeDaemon({ describe_daemon: () => about });
    try {
      const { env, world } = machine(ALL);
      expect((await ask({ ...env, SIGNALBOX_HOME: daemon.stateDir }, world)).sandbox).toMatchObject({
        found: false,
        next_step: expect.stringMatching(/`signalbox stop`.*without --security-level MEDIUM/),
      });
    } finally {
      await daemon.close();
    }
  });

  test("passes on the next step of a daemon that cannot be asked", async () => {
    const daemon = await startFakeDaemon({
      describe_daemon: () => {
        throw new SignalboxError("limit_reached", "Too many clients.", "Close some.");
      },
    });
    try {
      const { env, world } = machine(ALL);
      expect((await ask({ ...env, SIGNALBOX_HOME: daemon.stateDir }, world)).daemon).toMatchObject({
        found: false,
        detail: "Too many clients.",
        next_step: "Close some.",
      });
    } finally {
      await daemon.close();
    }
  });

  test("looks for iTerm2 on a Mac", async () => {
    const { env, world } = machine(ALL, { platform: "darwin" });
    expect((await ask(env, world)).iTerm2).toMatchObject({ found: false, required: false });
    mkdirSync(join(world.home, "Applications", "iTerm.app"), { recursive: true });
    expect((await ask(env, world)).iTerm2).toMatchObject({ found: true });
  });
});

function openDir(): string {
  const dir = tempDir();
  chmodSync(dir, 0o755);
  return dir;
}

/** A private directory with these files, each holding something. */
function dirWith(...names: string[]): string {
  const dir = tempDir();
  chmodSync(dir, 0o700);
  for (const name of names) writeFileSync(join(dir, name), "x", { mode: 0o600 });
  return dir;
}

function openFile(): string {
  const file = join(tempDir(), "file");
  writeFileSync(file, "x");
  chmodSync(file, 0o644);
  return file;
}
