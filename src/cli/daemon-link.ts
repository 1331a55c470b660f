// The command line's way to the daemon: one connection for the calls of one command. What to call is never known here.

import { SignalboxError } from "../kernel/errors.ts";
import { socketPathFor, stateDirFor } from "../kernel/paths.ts";
import { type Caller, connectLocal, createCaller, type LocalConnection, NoDaemonError } from "../local/client.ts";
import type { LocalRole } from "../local/preface.ts";
import { reachDaemon } from "../local/start-daemon.ts";
import { type Env, programOf, type World } from "./world.ts";

export interface LinkRequest {
  env: Env;
  world: World;
  /** --state-dir, as given. */
  stateDir: string | undefined;
  role: LocalRole;
  /** False: "no daemon is running" is an answer, not a reason to start one. */
  mayStart: boolean;
}

export interface Link extends Caller {
  /** What the daemon said of itself. */
  readonly welcome: Record<string, unknown>;
}

/** Rejects with a SignalboxError: no daemon, one that does not start, or one that does not admit us. */
export async function openLink(request: LinkRequest): Promise<Link> {
  const connection = await connect(request);
  const caller = createCaller(connection);
  return {
    welcome: connection.welcome,
    call: (command, input, how) => caller.call(command, input, how).catch(explain),
    close: () => caller.close(),
  };
}

/** As the daemon's other client, the bridge, starts it: our own program with the word `daemon`. */
function connect({ env, world, stateDir, role, mayStart }: LinkRequest): Promise<LocalConnection> {
  const dir = stateDirFor(env, world.platform, stateDir);
  if (!mayStart) return connectLocal({ socketPath: socketPathFor(dir), purpose: "call", role }).catch(explainAbsence);
  const command = [...programOf(world), "daemon"] as [string, ...string[]];
  return reachDaemon({ command, stateDir: dir, options: {}, env }, { purpose: "call", role });
}

export function explainAbsence(error: unknown): never {
  if (!(error instanceof NoDaemonError)) throw error;
  throw new SignalboxError("not_found", "No daemon is running.", "Start one with `signalbox serve`.", { cause: error });
}

function explain(error: unknown): never {
  if (!(error instanceof NoDaemonError)) throw error;
  throw new SignalboxError(
    "internal",
    "The daemon went away before it answered.",
    "What was accepted is kept; run `signalbox status` to see how things stand.",
    { cause: error, retryable: true },
  );
}
