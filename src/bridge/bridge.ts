// `signalbox mcp`: joins its client's stdio to the daemon's socket, byte for byte, and starts the daemon when none runs.
// It understands nothing of what passes through and depends on nothing but node, so that it is ready as soon as node is.
// Its stdout carries MCP only; everything for people goes to stderr.

import type { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import { inSentences, SignalboxError } from "../kernel/errors.ts";
import { stateDirFor } from "../kernel/paths.ts";
import { readArguments } from "../local/mcp-arguments.ts";
import { reachDaemon } from "../local/start-daemon.ts";

const OK = 0;
const FAILED = 1;
const USAGE = 2;

export interface BridgeWorld {
  /** What stands behind `mcp` on the command line. */
  argv: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
  platform: NodeJS.Platform;
  stdin: Readable;
  stdout: Writable;
  stderr: Writable;
  /** How to start a daemon, before its options; absolute paths. */
  daemonCommand: readonly [string, ...string[]];
}

/** The whole life of the process `signalbox mcp`: never resolves, exits. */
export async function runBridge(argv: readonly string[]): Promise<never> {
  const { env, platform, stdin, stdout, stderr } = process;
  // Our own program again, found as we were found ourselves: right through symbolic links and in every bundle.
  const daemonCommand = [process.execPath, process.argv[1] ?? "", "daemon"] as const;
  process.exit(await bridge({ argv, env, platform, stdin, stdout, stderr, daemonCommand }));
}

/** Runs until the client closes stdin or the daemon goes away; resolves to the exit code. Never rejects. */
export async function bridge(world: BridgeWorld): Promise<number> {
  const given = readArguments(world.argv);
  if (given.is === "wrong") return say(world, USAGE, `${given.why} See \`signalbox mcp --help\`.`);
  const stateDir = stateDirFor(world.env, world.platform, given.stateDir);
  const launch = { command: world.daemonCommand, stateDir, options: given.options, env: world.env };
  try {
    const { socket } = await reachDaemon(launch, { purpose: "mcp", role: given.role });
    if ((await join(world, socket)) === "client_done") return OK;
    // A client of the older protocol would have to shake hands again, which only its own restart of this process does.
    return say(world, FAILED, "The daemon went away. Agents keep running; start this MCP server again to reconnect.");
  } catch (error) {
    const known = error instanceof SignalboxError ? inSentences(error) : String(error);
    return say(world, FAILED, known);
  }
}

type Ending = "client_done" | "daemon_gone";

/** Joins both directions with their backpressure. The client's end of input is passed on, and its last answers still come
 *  through. */
function join({ stdin, stdout }: BridgeWorld, socket: Socket): Promise<Ending> {
  return new Promise((resolve) => {
    let ending: Ending = "daemon_gone";
    const clientIsDone = () => {
      ending = "client_done";
      socket.end();
    };
    stdin.on("end", clientIsDone);
    stdin.on("error", clientIsDone);
    stdout.on("error", () => {
      ending = "client_done"; // nobody reads any more
      socket.destroy();
    });
    socket.on("error", () => {}); // "close" follows
    socket.on("end", () => socket.destroy());
    socket.on("close", () => stdout.write("", () => resolve(ending)));
    stdin.pipe(socket, { end: false });
    socket.pipe(stdout, { end: false });
  });
}

function say(world: BridgeWorld, exitCode: number, sentence: string): number {
  world.stderr.write(`signalbox mcp: ${sentence}\n`);
  return exitCode;
}
