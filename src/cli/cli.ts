// The command line from end to end: words in, exit code out. A verb of the daemon's table (verbs.ts) is one call on its
// socket; the few others are in own-verbs.ts. Nothing here knows what a command does.

import { Argument, Command, CommanderError, Option } from "commander";
import { asSignalboxError, inSentences, type SignalboxError } from "../kernel/errors.ts";
import { addAttach, addCall, addDoctor, addInstall, addStop, describeProcesses } from "./own-verbs.ts";
import { renderAnswer } from "./render.ts";
import { callVerb, whyNotReached } from "./run-verb.ts";
import { addShared, newCommand, print, type Shared, type Shell, UsageError, withLink } from "./shell.ts";
import { cleanLine, jsonLine } from "./text.ts";
import { readerOf } from "./values.ts";
import { STARTS_NO_DAEMON, VERBS, type Verb } from "./verbs.ts";
import { watchStatus } from "./watch.ts";
import { type Env, type Io, looksOf, thisMachine, type World } from "./world.ts";

const OK = 0;
const FAILED = 1;
const USAGE = 2;

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
    const option = new Option(flag.flags, flag.help).makeOptionMandatory(flag.required === true);
    const read = readerOf(flag, () => shell.world.clock.now());
    if (flag.choices) option.choices(flag.choices);
    else if (read) option.argParser(read);
    leaf.addOption(option);
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

/** One sentence and the next step; for scripts the error object. Agents' words may stand in it, so it is cleaned too. */
function complain({ io }: Shell, error: SignalboxError, argv: readonly string[]): void {
  const isJson = argv.slice(0, argv.includes("--") ? argv.indexOf("--") : undefined).includes("--json");
  const words = `signalbox: ${cleanLine(inSentences(error))}\n`;
  io.stderr.write(isJson ? `${jsonLine({ error: error.toBody() })}\n` : words);
}
