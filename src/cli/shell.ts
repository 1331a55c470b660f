// What every verb of the command line is made with: its place in the tree of commands, the options all of them have, the
// connection it talks through, and how it prints. Which verbs there are is said elsewhere.

import { type Command, Option } from "commander";
import { SignalboxError } from "../kernel/errors.ts";
import { LOCAL_ROLES, type LocalRole } from "../local/preface.ts";
import { type Link, openLink } from "./daemon-link.ts";
import { jsonLine } from "./text.ts";
import { GROUPS } from "./verbs.ts";
import type { Env, Io, World } from "./world.ts";

/** Options that every verb which talks to the daemon has. */
export interface Shared {
  json?: boolean;
  stateDir?: string;
  as?: LocalRole;
  session?: string;
}

export interface Shell {
  env: Env;
  io: Io;
  world: World;
  /** What the process ends with unless something throws. */
  exitCode: number;
}

/** The command at the path; the words before the last group others. */
export function newCommand(program: Command, path: readonly string[]): Command {
  let parent = program;
  for (const word of path.slice(0, -1)) {
    const known = parent.commands.find((command) => command.name() === word);
    parent = known ?? parent.command(word).description(GROUPS[word] ?? "");
  }
  const leaf = path.at(-1) ?? "";
  // `signalbox audit` alone reads the log, as the contract has it.
  return parent.command(leaf, { isDefault: parent.name() === "audit" && leaf === "log" });
}

export function addShared(leaf: Command, role: LocalRole): Command {
  return leaf
    .option("--json", "print JSON")
    .option("--state-dir <dir>", "state directory (also SIGNALBOX_HOME)")
    .addOption(new Option("--as <role>", `act as (default ${role})`).choices(LOCAL_ROLES));
}

export async function withLink(
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

export function print(
  { io }: Shell,
  options: { json?: boolean },
  result: Record<string, unknown>,
  render: () => string,
): void {
  io.stdout.write(options.json === true ? `${jsonLine(result)}\n` : render());
}

export class UsageError extends SignalboxError {
  constructor(message: string, nextStep: string) {
    super("invalid_input", message, nextStep);
  }
}
