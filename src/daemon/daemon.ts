// The daemon: the one process of a state directory that decides. Starts (lock, key, database, listeners, recovery) in an order
// in which a failure leaves nothing behind, serves until it is told to stop, and then lets its agents run on.

import { randomBytes } from "node:crypto";
import { realpathSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { join } from "node:path";
import type { Principal } from "../access/principal.ts";
import { authorize, mayCall } from "../access/roles.ts";
import { createExecutables } from "../agents/executables.ts";
import type { AgentKind, AgentKindName } from "../agents/kind.ts";
import { claudeCode } from "../agents/kinds/claude-code/index.ts";
import { scripted } from "../agents/kinds/scripted/index.ts";
import { realOutside } from "../agents/outside.ts";
import { takeHook } from "../commands/signals.ts";
import { stayFor, systemClock } from "../kernel/clock.ts";
import { SignalboxError } from "../kernel/errors.ts";
import { createIds } from "../kernel/ids.ts";
import { socketPathFor } from "../kernel/paths.ts";
import type { Preface } from "../local/preface.ts";
import { listenLocal } from "../local/server.ts";
import { announceStart } from "../local/start-daemon.ts";
import { serveMcpConnection } from "../mcp/connection.ts";
import { createMcpHttpHandler } from "../mcp/http.ts";
import { createMcpServers } from "../mcp/server.ts";
import type { Database } from "../storage/database.ts";
import { osKeychain } from "../storage/keychain.ts";
import { type Lock, takeLock } from "../storage/lock.ts";
import { migrations } from "../storage/migrations/index.ts";
import { openStorage } from "../storage/open.ts";
import { prepareStateDir } from "../storage/state-dir.ts";
import { createPtyBackend } from "../terminals/pty/backend.ts";
import type { BackendName, TerminalBackend } from "../terminals/terminal.ts";
import { createTmuxBackend } from "../terminals/tmux/backend.ts";
import { type HttpServer, listenHttp } from "../web/http-server.ts";
import { attachViewer } from "./attach.ts";
import { type Composed, compose } from "./compose.ts";
import type { Config } from "./config.ts";
import { type DaemonLog, openLog } from "./log.ts";
import { refuseOtherOptions } from "./options.ts";
import { packageVersion, programPath } from "./programs.ts";

/** Said with every result and in doctor while no sandbox is on board. */
function noSandbox({ leastLevel }: Config): string {
  return leastLevel === "LOW"
    ? "no sandbox: agents run with your own user's rights (level LOW); this version of signalbox has no stricter level"
    : `no sandbox: this version of signalbox has no level above LOW, and this daemon lets nobody but the owner create sessions below ${leastLevel}`;
}

export interface RunningDaemon {
  /** Resolves when the daemon has let go of everything; agents run on. */
  stop(): Promise<void>;
  /** Resolves when a client asked it to stop. */
  asked: Promise<void>;
  /** Base URL of the HTTP edge that people may use, if there is one. */
  url: string | null;
}

/** Starts serving, or rejects with the reason and leaves nothing behind. */
export async function startDaemon(
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
): Promise<RunningDaemon> {
  const clock = systemClock;
  const ids = createIds(clock);
  const undo: (() => void | Promise<void>)[] = [];
  try {
    const stateDir = prepareStateDir(config.stateDir);
    const lock = await onlyOne(`${stateDir.path}/daemon.lock`);
    undo.push(() => lock.release());
    const log = openLog({ logDir: config.logDir, toStderr: config.isForeground });
    undo.push(() => log.flush());
    undo.push(surviveSurprises(log));
    const storage = await openStorage({
      stateDir,
      keyFile: config.keyFile,
      keychain: osKeychain(clock),
      random: randomBytes,
      migrations,
    });
    undo.push(() => storage.db.close());
    const pty = createPtyBackend({
      runDir: stateDir.runDir,
      hostScript: programPath("pty-host"),
      node: process.execPath,
      clock,
      log,
    });
    undo.push(() => pty.disconnect());
    const tmux = createTmuxBackend({ runDir: stateDir.runDir, tmux: "tmux", clock, log });
    undo.push(() => tmux.disconnect());
    let agentHttp: HttpServer | null = null;
    const version = packageVersion();
    const composed = compose({
      clock,
      ids,
      log,
      db: storage.db,
      // `auto` takes the embedded one wherever it runs: only there are the look at the box and the keys one step
      // (docs/decisions/embedded-terminals-first.md).
      backends: new Map<BackendName, TerminalBackend>([
        ["pty", pty],
        ["tmux", tmux],
      ]),
      kinds: new Map<AgentKindName, AgentKind>([
        ["claude-code", claudeCode],
        ["scripted", scripted],
      ]),
      limits: { maxAgents: config.maxAgents, maxSessions: config.maxSessions, leastLevel: config.leastLevel },
      version,
      pid: process.pid,
      outside: realOutside(
        createExecutables({ env, node: process.execPath, ownProgram: () => programPath("scripted-agent") }),
        env,
        join(realpathSync(stateDir.path), "prompts"),
      ),
      worktreesDir: join(realpathSync(stateDir.path), "worktrees"),
      agentEnv: config.agentEnv,
      hookHelper: [process.execPath, programPath("hook-helper")],
      hooksUrl: () => `${agentHttp?.url}/hooks`,
      mcpUrl: () => `${agentHttp?.url}/mcp`,
      notice: () => noSandbox(config),
    });
    undo.push(() => composed.detach());

    const edge = { commands: composed.commands, clock, log, version, mayCall };
    const mcpHttp = createMcpHttpHandler({ ...edge, authenticate: composed.house.tokens.authenticate });
    undo.push(() => mcpHttp.close());
    const http = (host: string, port: number) =>
      listenHttp({ host, port, log, hooks: hooksOf(composed), mcp: mcpHttp.fetch });
    agentHttp = await listenForAgents(storage.db, log, http);
    undo.push(() => agentHttp?.close());
    const publicHttp = config.http === null ? null : await http(config.http.host, config.http.port);
    undo.push(() => publicHttp?.close());

    let askToStop: () => void = () => {};
    const asked = new Promise<void>((resolve) => {
      askToStop = resolve;
    });
    // Agents first: a client that is let in should find them as they are.
    await composed.recover();
    const mcpServers = createMcpServers(edge);
    const local = await listenLocal({
      socketPath: socketPathFor(stateDir.path),
      clock,
      log,
      commands: withDaemonCalls(composed, {
        askToStop,
        keyOrigin: storage.keyOrigin,
        config,
        url: publicHttp?.url ?? null,
      }),
      admit: (preface) => admit(preface, config, composed),
      welcome: { version, pid: process.pid },
      serveMcp: (stream, principal) => void serveMcpConnection({ stream, servers: mcpServers, principal, clock, log }),
      serveAttach: (stream, principal, target) => attachViewer(composed.house, { stream, principal, target }),
    });
    undo.push(() => local.close());
    log.info("daemon.ready", { version, pid: process.pid });
    return { stop: () => unwind(undo, log), asked, url: publicHttp?.url ?? null };
  } catch (error) {
    await unwind(undo, null);
    throw error;
  }
}

/** Runs a daemon until a signal or a client ends it; the whole life of `serve` and of a daemon started by a client. */
export async function runDaemon(config: Config, env: Readonly<Record<string, string | undefined>>): Promise<void> {
  let daemon: RunningDaemon;
  try {
    daemon = await startDaemon(config, env);
  } catch (error) {
    const isTaken =
      error instanceof SignalboxError && error.code === "conflict" && error.message.includes("already running");
    if (config.readyFd !== null) {
      announceStart(config.readyFd, isTaken ? { is: "already_running" } : { is: "failed", error });
      if (isTaken) return;
    }
    throw error;
  }
  if (config.readyFd !== null) announceStart(config.readyFd, { is: "ready" });
  // Node writes what it compiled at a clean exit only, and a daemon's end is seldom one.
  systemClock.after(FLUSH_CODE_AFTER_MS, flushCompileCache);
  if (config.isForeground) {
    process.stderr.write(
      `signalbox serves${daemon.url === null ? "" : ` at ${daemon.url}`}; Ctrl-C ends it, agents run on\n`,
    );
  }
  const signalled = new Promise<void>((resolve) => {
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(name, () => resolve());
  });
  await Promise.race([daemon.asked, signalled]);
  await daemon.stop();
}

/** An error that nobody caught is a defect, told loudly in the log; but everything that counts is on disk after each step, and
 *  a daemon that lives on serves better than one that every client must start again. */
function surviveSurprises(log: DaemonLog): () => void {
  const hear = (error: unknown) => {
    const stack = error instanceof Error ? error.stack : String(error);
    log.error("daemon.surprise", { stack });
  };
  process.on("uncaughtException", hear);
  process.on("unhandledRejection", hear);
  return () => {
    process.off("uncaughtException", hear);
    process.off("unhandledRejection", hear);
  };
}

const FLUSH_CODE_AFTER_MS = 1_000;

/** Two that start in the same instant can both miss the lock; a few tries with a jitter of their own settle it. */
const LOCK_TRIES = 20;
const LOCK_PAUSE_MS = 25;

async function onlyOne(file: string): Promise<Lock> {
  for (let attempt = 0; attempt < LOCK_TRIES; attempt++) {
    const lock = takeLock(file);
    if (lock !== null) return lock;
    // Nothing else keeps this process alive yet.
    await stayFor((1 + (randomBytes(1)[0] ?? 0) / 255) * LOCK_PAUSE_MS);
  }
  throw new SignalboxError(
    "conflict",
    "A daemon is already running for this state directory.",
    "Use the running one, or end it with `signalbox stop`.",
  );
}

/** Running agents keep the URL they were started with, so the port is kept across restarts of the daemon. */
async function listenForAgents(
  db: Database,
  log: DaemonLog,
  listen: (host: string, port: number) => Promise<HttpServer>,
): Promise<HttpServer> {
  const kept = Number(db.get<{ value: string }>("SELECT value FROM settings WHERE name = 'agent_port'")?.value ?? 0);
  const server = await listen("127.0.0.1", kept).catch((error) => {
    if (kept === 0) throw error;
    log.error("agent_port.taken", { port: kept });
    return listen("127.0.0.1", 0);
  });
  db.run(
    "INSERT INTO settings (name, value) VALUES ('agent_port', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    [String(server.port)],
  );
  return server;
}

function hooksOf(composed: Composed) {
  return async (call: { secret: string; payload: unknown; signal: AbortSignal }) => {
    const taken = await takeHook(composed.house, { secret: call.secret, payload: call.payload, gone: call.signal });
    return taken.is === "unknown_secret" ? taken : ({ is: "answered", body: taken.body } as const);
  };
}

/** Whoever reaches the private socket is the daemon's own user and may choose a role; a token narrows that. */
function admit(preface: Preface, config: Config, composed: Composed): Principal {
  refuseOtherOptions(preface.options, config);
  if (preface.token === null) {
    return { role: preface.role, sessionId: null, agentId: null, actor: "local" };
  }
  const principal = composed.house.tokens.authenticate(preface.token);
  if (principal !== null) return principal;
  throw new SignalboxError(
    "permission_denied",
    "This token is unknown, expired or revoked.",
    "The owner makes one with `signalbox token create --role operator`.",
  );
}

/** Two calls that are about the daemon and not about agents; only the local socket has them. */
function withDaemonCalls(
  composed: Composed,
  daemon: { askToStop: () => void; keyOrigin: string; config: Config; url: string | null },
): Composed["commands"] {
  const { commands } = composed;
  return {
    list: commands.list,
    async execute(principal, name, input, context) {
      if (name === "describe_daemon") {
        authorize(principal, { name, level: "LOW" });
        const { stateDir, logDir, leastLevel } = daemon.config;
        return {
          pid: process.pid,
          version: composed.house.daemon.version,
          state_dir: stateDir,
          log_dir: logDir,
          key: daemon.keyOrigin,
          url: daemon.url,
          security_level: leastLevel,
          sandbox: noSandbox(daemon.config),
        };
      }
      if (name === "stop_daemon") {
        authorize(principal, { name, level: "MEDIUM" });
        // After the answer is on its way.
        systemClock.after(50, daemon.askToStop);
        return { stopping: true, pid: process.pid };
      }
      return commands.execute(principal, name, input, context);
    },
  };
}

async function unwind(undo: (() => void | Promise<void>)[], log: DaemonLog | null): Promise<void> {
  log?.info("daemon.stopping");
  for (const step of undo.reverse()) await Promise.resolve(step()).catch(() => undefined);
}
