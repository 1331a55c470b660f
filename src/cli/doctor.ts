// `signalbox doctor`: each thing signalbox needs or can use on this machine, found or not, and the one next step. It looks
// and asks versions; it starts no daemon, leaves nothing behind and repairs nothing.

import { execFile } from "node:child_process";
import { accessSync, constants, existsSync, mkdtempSync, rmdirSync, type Stats, statSync } from "node:fs";
import { delimiter, dirname, isAbsolute, join, resolve } from "node:path";
import { asSignalboxError, type SignalboxError } from "../kernel/errors.ts";
import { stateDirFor } from "../kernel/paths.ts";
import { openLink } from "./daemon-link.ts";
import { cleanLine, type Looks, paint, table } from "./text.ts";
import type { Env, World } from "./world.ts";

export interface Check {
  name: string;
  /** False: signalbox works without it. */
  required: boolean;
  found: boolean;
  detail: string;
  /** What to do now; null when there is nothing to do. */
  next_step: string | null;
}

export interface Diagnosis {
  /** Everything required is there. */
  ok: boolean;
  checks: Check[];
}

export async function diagnose(env: Env, world: World, stateDirOption: string | undefined): Promise<Diagnosis> {
  const stateDir = stateDirFor(env, world.platform, stateDirOption);
  const daemon = await describeDaemon(env, world, stateDir);
  const checks = [
    checkNode(world),
    checkBuild(world),
    checkStateDir(stateDir),
    checkDaemon(daemon),
    checkKey(env, stateDir, daemon),
    checkLog(stateDir, daemon),
    await checkClaude(env),
    checkSandbox(daemon),
    await checkTmux(env),
    ...(world.platform === "darwin" ? [checkIterm2(world)] : []),
    await checkGit(env),
  ];
  return { ok: checks.every((check) => check.found || !check.required), checks };
}

export function renderDiagnosis({ ok, checks }: Diagnosis, looks: Looks): string {
  const rows = checks.flatMap((check) => {
    const verdict = check.found ? "ok" : check.required ? "missing" : "without";
    const colour = check.found ? "green" : check.required ? "red" : "yellow";
    const main = [{ text: verdict, colour }, { text: check.name }, { text: cleanLine(check.detail) }] as const;
    return check.next_step === null ? [main] : [main, [{ text: "" }, { text: "" }, { text: `-> ${check.next_step}` }]];
  });
  // A next step that is cut off is none.
  const lines = table({ ...looks, width: Number.POSITIVE_INFINITY }, rows);
  const verdict = ok ? "Everything required is here." : "Something required is missing.";
  return `${[...lines, "", paint(looks, ok ? "green" : "red", verdict)].join("\n")}\n`;
}

type Daemon =
  | { is: "running"; about: Record<string, unknown> }
  | { is: "absent" }
  | { is: "unusable"; why: SignalboxError };

async function describeDaemon(env: Env, world: World, stateDir: string): Promise<Daemon> {
  try {
    const link = await openLink({ env, world, stateDir, role: "observer", mayStart: false });
    try {
      return { is: "running", about: await link.call("describe_daemon", {}) };
    } finally {
      link.close();
    }
  } catch (error) {
    const why = asSignalboxError(error);
    return why.code === "not_found" ? { is: "absent" } : { is: "unusable", why };
  }
}

function checkNode({ nodeVersion, nodeRange }: World): Check {
  const least = /^>=(\d+)(?:\.(\d+))?/.exec(nodeRange);
  const [major = 0, minor = 0] = nodeVersion.split(".").map(Number);
  const [leastMajor, leastMinor] = [Number(least?.[1] ?? 0), Number(least?.[2] ?? 0)];
  const found = major > leastMajor || (major === leastMajor && minor >= leastMinor);
  const detail = `${nodeVersion} (needs ${nodeRange})`;
  return check("node", true, found, detail, "Install the current Node.js LTS from https://nodejs.org.");
}

function checkBuild({ packageRoot }: World): Check {
  const main = join(packageRoot, "dist", "main.js");
  const found = existsSync(main);
  return check("build", true, found, found ? main : `${main} is missing`, `Run \`npm ci\` in ${packageRoot}.`);
}

/** As the daemon itself would say it on its start; its words are repeated because the storage room is none of ours. */
const CHOOSE_ANOTHER = "Make it writable for this user, or choose another one with --state-dir or SIGNALBOX_HOME.";

function checkStateDir(stateDir: string): Check {
  const stats = statsOf(stateDir);
  const [why, nextStep] = stats === null ? whyNotMakeable(stateDir) : whyUnfit(stateDir, stats);
  const detail = why === null ? `${stateDir}${stats === null ? " (will be created)" : ""}` : `${stateDir} ${why}`;
  return check("state directory", true, why === null, detail, nextStep);
}

type Verdict = readonly [why: string | null, nextStep: string];

/** Tried, not asked: /proc says that root may write there. What is made for the trial has a name of its own and goes again. */
function whyNotMakeable(stateDir: string): Verdict {
  try {
    rmdirSync(mkdtempSync(join(nearestExisting(dirname(stateDir)), ".signalbox-doctor-")));
    return [null, CHOOSE_ANOTHER];
  } catch (error) {
    return [`cannot be made (${(error as NodeJS.ErrnoException).code})`, CHOOSE_ANOTHER];
  }
}

function whyUnfit(stateDir: string, stats: Stats): Verdict {
  const another = "Remove it, or choose another one with --state-dir.";
  if (!stats.isDirectory()) return ["is not a directory", another];
  if (process.getuid !== undefined && stats.uid !== process.getuid()) return ["belongs to another user", another];
  if ((stats.mode & 0o077) !== 0)
    return [
      "is open to other users",
      `Run \`chmod 700 ${stateDir}\`, or choose another directory with SIGNALBOX_HOME.`,
    ];
  return [isWritable(stateDir) ? null : "cannot be written", CHOOSE_ANOTHER];
}

function checkDaemon(daemon: Daemon): Check {
  if (daemon.is === "running") {
    const { pid, version, url } = daemon.about;
    return check("daemon", false, true, `running, pid ${pid}, version ${version}${url ? `, ${url}` : ""}`, null);
  }
  if (daemon.is === "unusable") return check("daemon", true, false, daemon.why.message, daemon.why.nextStep);
  return check("daemon", false, true, "not running; the first client starts it", null);
}

function checkKey(env: Env, stateDir: string, daemon: Daemon): Check {
  if (daemon.is === "running") return check("key", true, true, String(daemon.about.key), null);
  const named = env.SIGNALBOX_KEY_FILE ? resolve(env.SIGNALBOX_KEY_FILE) : null;
  const file = named ?? join(stateDir, "key");
  const stats = statsOf(file);
  if (stats === null) return checkMissingKey(stateDir, named, file);
  // The daemon closes its own one to others; a file of the person's it leaves alone, and refuses.
  const found = named === null || (stats.isFile() && (stats.mode & 0o077) === 0);
  return check("key", true, found, found ? file : `${file} is open to other users`, `Run \`chmod 600 ${file}\`.`);
}

/** A new key is only made where there is no data yet. */
function checkMissingKey(stateDir: string, named: string | null, file: string): Check {
  if (named === null && statsOf(join(stateDir, "keychain-id")) !== null)
    return check("key", true, true, "in the operating system's keychain, which the daemon opens", null);
  const holdsData = ["signalbox.db", "signalbox.db-wal"].some((name) => (statsOf(join(stateDir, name))?.size ?? 0) > 0);
  const missing = named === null ? `its key file ${file}` : `the key file ${file} (SIGNALBOX_KEY_FILE)`;
  const detail = holdsData
    ? `${stateDir} holds data, but ${missing} does not exist; a new key could not read it`
    : `${named ?? "in the keychain, or in a key file"} (will be created)`;
  const nextStep = "Name the key file it was made with in SIGNALBOX_KEY_FILE, or choose another state directory.";
  return check("key", true, !holdsData, detail, nextStep);
}

function checkLog(stateDir: string, daemon: Daemon): Check {
  const dir = daemon.is === "running" ? String(daemon.about.log_dir) : join(stateDir, "logs");
  return check("log", false, true, join(dir, "daemon.log"), null);
}

async function checkClaude(env: Env): Promise<Check> {
  const named = env.SIGNALBOX_CLAUDE;
  const path = named?.includes("/") ? (isExecutable(named) ? named : null) : findOnPath(named || "claude", env);
  const install =
    "Install Claude Code (npm install -g @anthropic-ai/claude-code), or set SIGNALBOX_CLAUDE to its path.";
  if (path === null) {
    const detail = named ? `SIGNALBOX_CLAUDE names no program: ${named}` : "no claude on PATH";
    return check("claude", true, false, detail, install);
  }
  const version = await versionOf(path, ["--version"], env);
  return check(
    "claude",
    true,
    version !== null,
    version === null ? `${path} does not start` : `${version}, ${path}`,
    install,
  );
}

/** Only the daemon knows whether it uses one. There is nothing to install for one that is not part of this version. */
function checkSandbox(daemon: Daemon): Check {
  const said = daemon.is === "running" ? String(daemon.about.sandbox) : null;
  if (said !== null && !said.startsWith("no sandbox")) return check("sandbox", false, true, said, null);
  const unsaid = "no sandbox: agents run with your own rights; this version has no stricter level than LOW";
  const least = daemon.is === "running" ? (daemon.about.security_level ?? "LOW") : "LOW";
  const nextStep =
    least === "LOW"
      ? "Give agents only directories whose loss you could bear, or run signalbox in a container."
      : `To create sessions all the same, end the daemon with \`signalbox stop\` and start it without --security-level ${least}.`;
  return check("sandbox", false, false, said ?? unsaid, nextStep);
}

async function checkTmux(env: Env): Promise<Check> {
  const path = findOnPath("tmux", env);
  const version = path === null ? null : await versionOf(path, ["-V"], env);
  const detail = version === null ? "not found; agents get the built-in terminal" : `${version}, ${path}`;
  return check("tmux", false, version !== null, detail, "Install tmux to see agents in tmux as well.");
}

function checkIterm2({ home }: World): Check {
  const found = ["/Applications", join(home, "Applications")].some((dir) => existsSync(join(dir, "iTerm.app")));
  const detail = found ? "installed; signalbox does not drive its tabs yet" : "not installed";
  return check("iTerm2", false, found, detail, "Nothing to do: agents get the built-in terminal.");
}

async function checkGit(env: Env): Promise<Check> {
  const path = findOnPath("git", env);
  const version = path === null ? null : await versionOf(path, ["--version"], env);
  const detail = version === null ? "not found" : `${version}, ${path}`;
  return check("git", false, version !== null, detail, "Install git: agents and worktrees use it.");
}

function check(name: string, required: boolean, found: boolean, detail: string, nextStep: string | null): Check {
  return { name, required, found, detail, next_step: found ? null : nextStep };
}

/** Cold, a program of several hundred megabytes takes seconds; one that takes longer does not start. */
const VERSION_WITHIN_MS = 20_000;

/** The first line a program prints of itself; null when it fails to. */
function versionOf(path: string, args: readonly string[], env: Env): Promise<string | null> {
  const childEnv = { PATH: env.PATH ?? "", HOME: env.HOME ?? "/" };
  return new Promise((resolve) => {
    execFile(path, [...args], { timeout: VERSION_WITHIN_MS, env: childEnv }, (error, stdout) => {
      resolve(error === null ? (stdout.split("\n")[0]?.trim() ?? "") : null);
    });
  });
}

function findOnPath(command: string, env: Env): string | null {
  const dirs = (env.PATH ?? "").split(delimiter).filter(isAbsolute);
  return dirs.map((dir) => join(dir, command)).find(isExecutable) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function isWritable(dir: string): boolean {
  try {
    accessSync(dir, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Null also where the path leads through a file. Links are followed, as the daemon follows them. */
function statsOf(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}

function nearestExisting(dir: string): string {
  return existsSync(dir) || dirname(dir) === dir ? dir : nearestExisting(dirname(dir));
}
