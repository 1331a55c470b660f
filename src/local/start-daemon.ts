// Finding the daemon, and starting it when none runs. Used by the bridge and by the CLI, so that both do it in the same
// way; free of dependencies like everything the bridge loads. It decides nothing about what the daemon then does.
//
// A new daemon says one line on an inherited pipe: that it serves, that another one does already, or why it cannot.

import { closeSync, writeSync } from "node:fs";
import { resolve } from "node:path";
import type { Readable } from "node:stream";
import { asSignalboxError, type ErrorBody, SignalboxError } from "../kernel/errors.ts";
import { socketPathFor } from "../kernel/paths.ts";
import { connectLocal, errorFromBody, type LocalConnection, type LocalRequest, NoDaemonError } from "./client.ts";
import { type DaemonOptions, parseObject } from "./preface.ts";

/** The daemon's end of the pipe, and the option that tells it so: `--ready-fd 3`. */
export const READY_FD = 3;

/** Opening the keychain may ask a person, who needs a moment; an MCP client gives up on its server after a minute. */
const READY_WITHIN_MS = 45_000;

/** After a start: how long we look for the daemon before we start again, and how often. A look costs about 0.1 ms. */
const LOOK_FOR_MS = 2_000;
const LOOK_AGAIN_MS = 20;

export interface DaemonLaunch {
  /** What to run, before our options: usually [node, the main script, "daemon"]. Absolute paths. */
  command: readonly [string, ...string[]];
  stateDir: string;
  options: DaemonOptions;
  env: Readonly<Record<string, string | undefined>>;
}

/** A connection to the daemon of `stateDir`, started first when none serves. Rejects with a SignalboxError: the
 *  daemon's reason for not starting, or for not admitting us. */
export async function reachDaemon(
  launch: DaemonLaunch,
  request: Omit<LocalRequest, "socketPath" | "options">,
): Promise<LocalConnection> {
  const wanted: LocalRequest = { ...request, options: launch.options, socketPath: socketPathFor(launch.stateDir) };
  const deadline = performance.now() + READY_WITHIN_MS;
  for (;;) {
    const connection = await lookFor(wanted, 0);
    if (connection !== null) return connection;
    if (performance.now() > deadline) throw neverReady();
    await startDaemon(launch);
    // Of two that start in the same moment the loser is back while the winner is still about to listen. And one that is
    // on its way out holds the lock without listening: then, after a while, another start is due.
    const late = await lookFor(wanted, LOOK_FOR_MS);
    if (late !== null) return late;
  }
}

async function lookFor(request: LocalRequest, spanMs: number): Promise<LocalConnection | null> {
  const until = performance.now() + spanMs;
  for (;;) {
    const connection = await tryConnect(request);
    if (connection !== null || performance.now() >= until) return connection;
    await new Promise((wake) => setTimeout(wake, LOOK_AGAIN_MS));
  }
}

/** Starts a daemon that outlives us. Resolves when one serves or is about to: ours, or another that was first. */
export async function startDaemon(launch: DaemonLaunch): Promise<void> {
  const { spawn } = await import("node:child_process"); // loaded only when needed: it costs the bridge a millisecond
  const [program, ...first] = launch.command;
  const child = spawn(program, [...first, ...daemonArguments(launch)], {
    cwd: "/", // no directory of a person's is held busy by a process that lives for weeks
    env: absoluteEnv(launch.env),
    detached: true,
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  child.unref();
  const said = child.stdio[READY_FD] as Readable;
  try {
    await new Promise<void>((settle, reject) => {
      const timer = setTimeout(() => reject(neverReady()), READY_WITHIN_MS);
      const judge = (outcome: Record<string, unknown> | null) => {
        clearTimeout(timer);
        if (outcome?.ready === true || outcome?.already_running === true) return settle();
        reject(outcome?.error ? errorFromBody(outcome.error as ErrorBody) : diedSilently(launch));
      };
      let heard = "";
      said.on("data", (chunk: Buffer) => {
        heard += chunk;
        // The line, not the end of the pipe: a terminal host started on the way up could hold a copy of it for weeks.
        if (heard.includes("\n")) judge(parseObject(heard));
      });
      said.on("error", () => {}); // "close" follows
      said.on("close", () => judge(parseObject(heard)));
      child.on("error", (error) => {
        clearTimeout(timer);
        const message = `The daemon could not be started: ${error.message}.`;
        reject(new SignalboxError("internal", message, "Run `signalbox doctor`."));
      });
    });
  } finally {
    said.destroy();
  }
}

export type StartOutcome = { is: "ready" } | { is: "already_running" } | { is: "failed"; error: unknown };

/** The daemon's side: tells whoever started it how it went. Say it once; the descriptor is for nothing else. */
export function announceStart(fd: number, outcome: StartOutcome): void {
  const line =
    outcome.is === "failed" ? { error: asSignalboxError(outcome.error).toBody() } : ({ [outcome.is]: true } as const);
  try {
    writeSync(fd, `${JSON.stringify(line)}\n`);
  } catch {
    // Whoever started us is gone; a daemon serves all the same.
  }
  closeQuietly(fd);
}

function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // It was never open: somebody passed --ready-fd by hand.
  }
}

function daemonArguments({ stateDir, options }: DaemonLaunch): string[] {
  const given: string[] = ["--state-dir", stateDir];
  if (options.security_level !== undefined) given.push("--security-level", options.security_level);
  if (options.max_agents !== undefined) given.push("--max-agents", String(options.max_agents));
  if (options.max_sessions !== undefined) given.push("--max-sessions", String(options.max_sessions));
  if (options.log_dir !== undefined) given.push("--log-dir", options.log_dir);
  for (const name of options.agent_env ?? []) given.push("--agent-env", name);
  return [...given, "--ready-fd", String(READY_FD)];
}

/** Paths that a person gave relative to where they stood, which is not where the daemon will stand. */
function absoluteEnv(env: DaemonLaunch["env"]): Record<string, string | undefined> {
  const moved: Record<string, string | undefined> = { ...env };
  if (moved.SIGNALBOX_HOME) moved.SIGNALBOX_HOME = resolve(moved.SIGNALBOX_HOME);
  if (moved.SIGNALBOX_KEY_FILE) moved.SIGNALBOX_KEY_FILE = resolve(moved.SIGNALBOX_KEY_FILE);
  // A bare name is looked up on PATH and must stay one.
  if (moved.SIGNALBOX_CLAUDE?.includes("/")) moved.SIGNALBOX_CLAUDE = resolve(moved.SIGNALBOX_CLAUDE);
  return moved;
}

async function tryConnect(request: LocalRequest): Promise<LocalConnection | null> {
  try {
    return await connectLocal(request);
  } catch (error) {
    if (error instanceof NoDaemonError) return null;
    throw error;
  }
}

function neverReady(): SignalboxError {
  return new SignalboxError(
    "timeout",
    `The daemon did not become ready within ${READY_WITHIN_MS / 1000} seconds.`,
    "Look at its log (`signalbox doctor` names it) and try again.",
  );
}

function diedSilently({ stateDir }: DaemonLaunch): SignalboxError {
  return new SignalboxError(
    "internal",
    "The daemon ended before it was ready and did not say why.",
    `Run \`signalbox serve --state-dir ${stateDir}\` to see what it prints.`,
  );
}
