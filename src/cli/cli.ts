// The command line: which verbs there are, what they say on stdout and stderr, and the exit code. Everything that needs a
// daemon is one call on its socket (verbs.ts); the rest is a file of its own each. `mcp` and `serve` are processes of
// their own that src/main.ts starts; here they only have their help.

import { Argument, Command, CommanderError, Option } from "commander";
import { asSignalboxError, SignalboxError } from "../kernel/errors.ts";
import { socketPathFor, stateDirFor } from "../kernel/paths.ts";
import { connectLocal } from "../local/client.ts";
import { LOCAL_ROLES, type LocalRole, SECURITY_LEVELS } from "../local/preface.ts";
import { attachTerminal, sizeOf } from "./attach.ts";
import { CLIENTS, type ClientName } from "./client-configs.ts";
import { explainAbsence, type Link, openLink } from "./daemon-link.ts";
import { diagnose, renderDiagnosis } from "./doctor.ts";
import { type InstallRequest, install, previewInstall } from "./install.ts";
import { findAgent } from "./lookup.ts";
import { renderAnswer } from "./render.ts";
import { callVerb, readAll, whyNotReached } from "./run-verb.ts";
import { stopDaemon } from "./stop.ts";
import { cleanLine, jsonLine } from "./text.ts";
import { GROUPS, STARTS_NO_DAEMON, VERBS, type Verb } from "./verbs.ts";
import { watchStatus } from "./watch.ts";
import { type Env, type Io, looksOf, programOf, thisMachine, type World } from "./world.ts";

const OK = 0;
const FAILED = 1;
const USAGE = 2;

/** Options that every verb which talks to the daemon has. */
interface Shared {
  json?: boolean;
  stateDir?: string;
  as?: LocalRole;
  session?: string;
}

interface Shell {
  env: Env;
  io: Io;
  world: World;
  /** What the process ends with unless something throws. */
  exitCode: number;
}

/** Runs one command line (without node and the script). Resolves to the exit code of CONTRACT section 1; never rejects. */
export async function runCli(
  argv: readonly string[],
  env: Env,
  io: Io,
  world: World = thisMachine(env),
): Promise<number> {
  // Whoever read our output has seen enough (`signalbox status | head -1`), which is no error of ours.
  io.stdout.on("error", () => {});
  const shell: Shell = { env, io, world, exitCode: OK };
  try {
    await buildProgram(shell).parseAsync([...argv], { from: "user" });
    return shell.exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return OK;
    const isUsage = error instanceof UsageError;
    complain(shell, asSignalboxError(error), argv);
    return isUsage ? USAGE : FAILED;
  }
}

function buildProgram(shell: Shell): Command {
  const program = new Command("signalbox")
    .description("Runs a team of Claude Code agents and delivers messages only when the line is clear.")
    .version(shell.world.version, "--version", "print the version")
    .addHelpText("after", AFTER_HELP);
  describeProcesses(program);
  for (const [command, verb] of Object.entries(VERBS)) {
    for (const path of [verb.path, ...(verb.also ?? [])]) addVerb(shell, program, path, command, verb);
  }
  addAttach(shell, program);
  addStop(shell, program);
  addDoctor(shell, program);
  addInstall(shell, program);
  addCall(shell, program);
  prepare(shell, program);
  return program;
}

const AFTER_HELP = `
Every verb that prints takes --json. Exit codes: 0 ok, 1 error, 2 usage, 3 verification failed.
SIGNALBOX_HOME: state directory. SIGNALBOX_KEY_FILE: key file in place of the keychain. SIGNALBOX_CLAUDE: path of claude.`;

/** A verb of the table, at one of its places. */
function addVerb(shell: Shell, program: Command, path: readonly string[], command: string, verb: Verb): void {
  const leaf = newCommand(program, path).description(verb.summary);
  for (const word of verb.words)
    leaf.addArgument(new Argument(word.optional ? `[${word.name}]` : `<${word.name}>`, word.help));
  for (const flag of verb.flags) {
    const option = new Option(flag.flags, flag.help);
    leaf.addOption(flag.choices ? option.choices(flag.choices) : option);
  }
  const namesAgent = verb.words.some((word) => word.kind === "agent");
  if (namesAgent) leaf.option("--session <session>", "the session of the agent, where its name alone is ambiguous");
  if (command === "get_session_status") leaf.option("--watch", "show it again whenever something changes");
  addShared(leaf, verb.role ?? "operator");
  leaf.action(async () => {
    const options = leaf.opts<Shared & Record<string, unknown>>();
    const given = {
      words: leaf.processedArgs as (string | undefined)[],
      flags: flagsGiven(leaf, verb),
      session: namesAgent ? options.session : undefined,
    };
    const mayStart = !STARTS_NO_DAEMON.has(path[0] ?? "");
    await withLink(shell, options, verb.role ?? "operator", mayStart, async (link) => {
      const call = { command, verb, given, link, io: shell.io, cwd: shell.world.cwd };
      if (options.watch === true)
        return await watchStatus({ ...shell, isJson: options.json === true, ask: () => callVerb(call), link });
      const result = await callVerb(call);
      print(shell, options, result, () =>
        renderAnswer(command, result, looksOf(shell.io.stdout, shell.env), shell.world.clock.now()),
      );
      const why = whyNotReached(given, result);
      if (why !== null) throw why;
    });
  });
}

/** By input field; only what the person wrote, so that defaults stay the daemon's. */
function flagsGiven(leaf: Command, verb: Verb): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  for (const flag of verb.flags) {
    const name = new Option(flag.flags).attributeName();
    if (leaf.getOptionValueSource(name) === "cli") given[flag.field] = leaf.getOptionValue(name);
  }
  return given;
}

function addAttach(shell: Shell, program: Command): void {
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

function addStop(shell: Shell, program: Command): void {
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

function addDoctor(shell: Shell, program: Command): void {
  const leaf = newCommand(program, ["doctor"]).description("what signalbox needs, found or not, and the next step");
  leaf.option("--json", "print JSON").option("--state-dir <dir>", "state directory");
  leaf.action(async () => {
    const options = leaf.opts<Shared>();
    const diagnosis = await diagnose(shell.env, shell.world, options.stateDir);
    print(shell, options, { ...diagnosis }, () => renderDiagnosis(diagnosis, looksOf(shell.io.stdout, shell.env)));
    shell.exitCode = diagnosis.ok ? OK : FAILED;
  });
}

function addInstall(shell: Shell, program: Command): void {
  const leaf = newCommand(program, ["install"]).description("add signalbox to an MCP client's configuration");
  leaf
    .addArgument(new Argument("<CLIENT>", "which client").choices(CLIENTS))
    .argument("[OPTIONS...]", "further options of `signalbox mcp`, after --")
    .option("--print", "show the entry, write nothing")
    .addOption(new Option("--role <role>", "what the client may do").choices(LOCAL_ROLES))
    .addOption(new Option("--security-level <level>", "the least a session may have").choices(SECURITY_LEVELS))
    .option("--json", "print JSON");
  leaf.action(async (client: ClientName, further: string[]) => {
    refuseUnknown(program, further);
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
    };
    if (isPreview) {
      const { path, content } = previewInstall(request);
      shell.io.stdout.write(
        json ? `${jsonLine({ client, path, content })}\n` : `${JSON.stringify(content, null, 2)}\n`,
      );
      if (!json) shell.io.stderr.write(`This would be merged into ${path}\n`);
      return;
    }
    const result = install(request);
    print(shell, { json }, { ...result }, () => {
      if (result.outcome === "already_there") return `signalbox is in ${result.path} already; nothing changed.\n`;
      const backup = result.backup === null ? "" : ` What it was is in ${result.backup}.`;
      return `signalbox ${result.outcome === "added" ? "added to" : "updated in"} ${result.path}.${backup} Restart the client.\n`;
    });
  });
}

/** An entry with an option that `mcp` refuses would be a client that never starts. */
function refuseUnknown(program: Command, further: readonly string[]): void {
  const known = new Set(
    program.commands.find((command) => command.name() === "mcp")?.options.map((option) => option.long),
  );
  const wrong = further.find((word, i) => (i === 0 || word.startsWith("-")) && !known.has(word.replace(/=.*$/s, "")));
  if (wrong === undefined) return;
  throw new UsageError(`\`signalbox mcp\` has no option ${JSON.stringify(wrong)}.`, "See `signalbox mcp --help`.");
}

/** For scripts, and for commands that have no verb here yet. */
function addCall(shell: Shell, program: Command): void {
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
function describeProcesses(program: Command): void {
  const daemonOptions = (command: Command) =>
    command
      .addOption(new Option("--security-level <level>", "the least a session may have").choices(SECURITY_LEVELS))
      .option("--max-agents <n>", "over all sessions (default 16)")
      .option("--max-sessions <n>", "(default 8)")
      .option("--log-dir <dir>", "where the daemon's log lies")
      .option("--state-dir <dir>", "state directory (also SIGNALBOX_HOME)")
      .option("--agent-env <name>", "hand this environment variable to agents too; repeatable")
      .action(() => {
        throw new UsageError("This verb is a process of its own.", "Start it with bin/signalbox.");
      });
  const mcp = newCommand(program, ["mcp"]).description("MCP over stdio; starts the daemon if none runs");
  daemonOptions(
    mcp.addOption(new Option("--role <role>", "what the client may do (default operator)").choices(LOCAL_ROLES)),
  );
  const serve = newCommand(program, ["serve"]).description("the daemon in the foreground");
  serve.option("--transport <transport>", "http: also MCP at /mcp and the dashboard at /");
  serve.option("--host <host>", "(default 127.0.0.1)").option("--port <port>", "(default 8000)");
  daemonOptions(serve);
}

/** The command at the path; the words before the last group others. */
function newCommand(program: Command, path: readonly string[]): Command {
  let parent = program;
  for (const word of path.slice(0, -1)) {
    const known = parent.commands.find((command) => command.name() === word);
    parent = known ?? parent.command(word).description(GROUPS[word] ?? "");
  }
  const leaf = path.at(-1) ?? "";
  // `signalbox audit` alone reads the log, as the contract has it.
  return parent.command(leaf, { isDefault: parent.name() === "audit" && leaf === "log" });
}

function addShared(leaf: Command, role: LocalRole): Command {
  return leaf
    .option("--json", "print JSON")
    .option("--state-dir <dir>", "state directory (also SIGNALBOX_HOME)")
    .addOption(new Option("--as <role>", `act as (default ${role})`).choices(LOCAL_ROLES));
}

/** Usage errors become ours instead of commander's own printing and exiting. */
function prepare({ io, env }: Shell, command: Command): void {
  command.exitOverride((error) => {
    if (error.exitCode === 0) throw error;
    throw new UsageError(usageSentence(error), `See \`${nameOf(command)} --help\`.`);
  });
  const { width } = looksOf(io.stdout, env);
  command.configureOutput({
    writeOut: (text) => void io.stdout.write(text),
    writeErr: () => {},
    getOutHelpWidth: () => (Number.isFinite(width) ? width : 100),
    getOutHasColors: () => false,
  });
  for (const child of command.commands) prepare({ io, env } as Shell, child);
}

function usageSentence(error: CommanderError): string {
  if (error.code === "commander.help") return "A verb is missing.";
  const text = error.message.replace(/^error: /, "").replace(/\s*\n\s*/g, " ");
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.?)]$/.test(text) ? "" : "."}`;
}

function nameOf(command: Command): string {
  return command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;
}

class UsageError extends SignalboxError {
  constructor(message: string, nextStep: string) {
    super("invalid_input", message, nextStep);
  }
}

async function withLink(
  { env, world }: Shell,
  options: Shared,
  role: LocalRole,
  mayStart: boolean,
  use: (link: Link) => Promise<void>,
): Promise<void> {
  const link = await openLink({ env, world, stateDir: options.stateDir, role: options.as ?? role, mayStart });
  try {
    await use(link);
  } finally {
    link.close();
  }
}

function print(
  { io }: Shell,
  options: { json?: boolean },
  result: Record<string, unknown>,
  render: () => string,
): void {
  io.stdout.write(options.json === true ? `${jsonLine(result)}\n` : render());
}

/** One sentence and the next step; for scripts the error object. Agents' words may stand in it, so it is cleaned too. */
function complain({ io }: Shell, error: SignalboxError, argv: readonly string[]): void {
  const isJson = argv.slice(0, argv.includes("--") ? argv.indexOf("--") : undefined).includes("--json");
  const words = `signalbox: ${cleanLine(error.message)} ${cleanLine(error.nextStep)}\n`;
  io.stderr.write(isJson ? `${jsonLine({ error: error.toBody() })}\n` : words);
}
