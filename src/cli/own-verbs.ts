// The verbs that are more than one call of the table: attach, stop, doctor, install, call; and the help of `mcp` and
// `serve`, which src/main.ts starts as processes of their own.

import { Argument, type Command, Option } from "commander";
import { SignalboxError } from "../kernel/errors.ts";
import { socketPathFor, stateDirFor } from "../kernel/paths.ts";
import { connectLocal } from "../local/client.ts";
import { readArguments } from "../local/mcp-arguments.ts";
import { LOCAL_ROLES, SECURITY_LEVELS } from "../local/preface.ts";
import { attachTerminal, sizeOf } from "./attach.ts";
import { CLIENTS, type ClientName } from "./client-configs.ts";
import { explainAbsence } from "./daemon-link.ts";
import { diagnose, renderDiagnosis } from "./doctor.ts";
import { type InstallRequest, install, ownVariables, previewInstall } from "./install.ts";
import { findAgent } from "./lookup.ts";
import { readAll } from "./run-verb.ts";
import { addShared, newCommand, print, type Shared, type Shell, UsageError, withLink } from "./shell.ts";
import { stopDaemon } from "./stop.ts";
import { jsonLine } from "./text.ts";
import { looksOf, programOf } from "./world.ts";

export function addAttach(shell: Shell, program: Command): void {
  const leaf = addShared(
    newCommand(program, ["attach"]).description("join an agent's terminal; Ctrl-] leaves it"),
    "operator",
  );
  leaf.argument("<AGENT>", "agent id, or its name").option("--session <session>", "where its name alone is ambiguous");
  leaf.action(async (word: string) => {
    const options = leaf.opts<Shared>();
    const { io, env, world } = shell;
    if (io.stdin.isTTY !== true || io.stdout.isTTY !== true) {
      const nextStep = "Run it in a terminal, or read with `signalbox logs AGENT`.";
      throw new SignalboxError("terminal_unavailable", "attach needs a terminal on both ends.", nextStep);
    }
    await withLink(shell, options, "operator", false, async (link) => {
      const agentId = await findAgent(link, word, options.session);
      const socketPath = socketPathFor(stateDirFor(env, world.platform, options.stateDir));
      const target = { agent_id: agentId, ...sizeOf(io.stdout) };
      const role = options.as ?? "operator";
      const connection = await connectLocal({ socketPath, purpose: "attach", role, target }).catch(explainAbsence);
      const end = await attachTerminal(connection, io);
      if (end.is === "disconnected") {
        throw new SignalboxError("terminal_unavailable", "The daemon went away.", "The agent runs on; attach again.");
      }
      io.stderr.write(end.is === "detached" ? "Detached; the agent runs on.\n" : "The agent's process has ended.\n");
    });
  });
}

export function addStop(shell: Shell, program: Command): void {
  const leaf = addShared(newCommand(program, ["stop"]).description("end the daemon; agents run on"), "operator");
  leaf.action(async () => {
    const { env, world } = shell;
    const options = leaf.opts<Shared>();
    const result = await stopDaemon({ env, world, stateDir: options.stateDir, role: options.as ?? "operator" });
    const sentence = result.stopped
      ? `The daemon (pid ${result.pid}) has ended; agents run on.\n`
      : "No daemon is running.\n";
    print(shell, options, { ...result }, () => sentence);
  });
}

export function addDoctor(shell: Shell, program: Command): void {
  const leaf = newCommand(program, ["doctor"]).description("what signalbox needs, found or not, and the next step");
  leaf.option("--json", "print JSON").option("--state-dir <dir>", "state directory");
  leaf.action(async () => {
    const options = leaf.opts<Shared>();
    const diagnosis = await diagnose(shell.env, shell.world, options.stateDir);
    print(shell, options, { ...diagnosis }, () => renderDiagnosis(diagnosis, looksOf(shell.io.stdout, shell.env)));
    shell.exitCode = diagnosis.ok ? 0 : 1;
  });
}

export function addInstall(shell: Shell, program: Command): void {
  const leaf = newCommand(program, ["install"]).description("add signalbox to an MCP client's configuration");
  leaf
    .addArgument(new Argument("<CLIENT>", "which client").choices(CLIENTS))
    .argument("[OPTIONS...]", "further options of `signalbox mcp`, after --")
    .option("--print", "show the entry, write nothing")
    .addOption(new Option("--role <role>", "what the client may do").choices(LOCAL_ROLES))
    .addOption(new Option("--security-level <level>", "the least a session may have").choices(SECURITY_LEVELS))
    .option("--json", "print JSON");
  leaf.action(async (client: ClientName, further: string[]) => {
    refuseWrong(further);
    const { print: isPreview, role, securityLevel, json } = leaf.opts();
    const { platform, home } = shell.world;
    const request: InstallRequest = {
      client,
      machine: { platform, home, env: shell.env },
      program: programOf(shell.world),
      options: [
        ...(role ? ["--role", role] : []),
        ...(securityLevel ? ["--security-level", securityLevel] : []),
        ...further,
      ],
      variables: ownVariables(shell.env, shell.world.cwd),
    };
    const names = Object.keys(request.variables).join(", ");
    const carried = names === "" ? "" : ` The entry's env has what is set here: ${names}.`;
    if (isPreview) {
      const { path, content } = previewInstall(request);
      shell.io.stdout.write(
        json ? `${jsonLine({ client, path, content })}\n` : `${JSON.stringify(content, null, 2)}\n`,
      );
      if (!json) shell.io.stderr.write(`This would be merged into ${path}.${carried}\n`);
      return;
    }
    const result = install(request);
    print(shell, { json }, { ...result }, () => {
      if (result.outcome === "already_there") return `signalbox is in ${result.path} already; nothing changed.\n`;
      const backup = result.backup === null ? "" : ` What it was is in ${result.backup}.`;
      return `signalbox ${result.outcome === "added" ? "added to" : "updated in"} ${result.path}.${backup}${carried} Restart the client.\n`;
    });
  });
}

/** An entry that `mcp` refuses would be a client that never starts. */
function refuseWrong(options: readonly string[]): void {
  const given = readArguments(options);
  if (given.is === "wrong") throw new UsageError(given.why, "See `signalbox mcp --help`.");
}

/** For scripts, and for commands that have no verb here yet. */
export function addCall(shell: Shell, program: Command): void {
  const leaf = newCommand(program, ["call"]).description("any command of the daemon's table, with its input as JSON");
  leaf
    .argument("<COMMAND>", "e.g. get_session_status")
    .option("--json-input <json>", "an object; - reads standard input", "{}");
  addShared(leaf, "operator");
  leaf.action(async (command: string) => {
    const options = leaf.opts<Shared & { jsonInput: string }>();
    const input = readInput(options.jsonInput === "-" ? await readAll(shell.io.stdin) : options.jsonInput);
    await withLink(shell, options, "operator", true, async (link) => {
      print(shell, { json: true }, await link.call(command, input), () => "");
    });
  });
}

function readInput(text: string): Record<string, unknown> {
  try {
    const input: unknown = JSON.parse(text);
    if (typeof input === "object" && input !== null && !Array.isArray(input)) return input as Record<string, unknown>;
  } catch {
    // said below
  }
  throw new UsageError("The input is no JSON object.", 'Write it as --json-input \'{"name": "value"}\'.');
}

/** Their options are read by the processes themselves; a test compares the two lists. */
export function describeProcesses(program: Command): void {
  const daemonOptions = (command: Command) =>
    command
      .addOption(new Option("--security-level <level>", "the least a session may have").choices(SECURITY_LEVELS))
      .option("--max-agents <n>", "over all sessions (default 16)")
      .option("--max-sessions <n>", "(default 8)")
      .option("--log-dir <dir>", "where the daemon's log lies")
      .option("--state-dir <dir>", "state directory (also SIGNALBOX_HOME)")
      .option("--agent-env <name>", "hand this environment variable to agents too; repeatable")
      .version(program.version() ?? "", "--version", "print the version")
      .action(() => {
        throw new UsageError("This verb is a process of its own.", "Start it with bin/signalbox.");
      });
  const mcp = newCommand(program, ["mcp"]).description("MCP over stdio; starts the daemon if none runs");
  daemonOptions(
    mcp.addOption(new Option("--role <role>", "what the client may do (default operator)").choices(LOCAL_ROLES)),
  );
  const serve = newCommand(program, ["serve"]).description("the daemon in the foreground");
  serve.option("--transport <transport>", "http: also MCP at /mcp");
  serve.option("--host <host>", "(default 127.0.0.1)").option("--port <port>", "(default 8000)");
  daemonOptions(serve);
}
