// How a program gets into a pane without any of its words getting into a tmux command, where they could be read as formats,
// options or further commands: they are written into a private script that removes itself before it becomes the program.

import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SignalboxError } from "../../kernel/errors.ts";
import type { OpenSpec } from "../terminal.ts";

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Writes the script; gives the command for tmux, which holds nothing but the ref. The server's directory is runDir. */
export function writeLaunchScript(runDir: string, spec: OpenSpec): string {
  const script = [
    `/bin/rm -f -- "$0"`,
    `cd -- ${quote(spec.cwd)} || exit 126`,
    "unset OLDPWD",
    ...Object.entries(spec.env).map(([name, value]) => `export ${variable(name)}=${quote(value)}`),
    "export TERM=screen-256color COLORTERM=truecolor", // tmux itself speaks screen's language, wherever it runs
    `exec ${spec.argv.map(quote).join(" ")}`,
  ];
  const name = launchScriptName(spec.ref);
  writeFileSync(join(runDir, name), `${script.join("\n")}\n`, { mode: 0o600, flag: "wx" });
  return `exec /usr/bin/env -i /bin/sh ./${name}`;
}

/** For a script whose program never came to run it. */
export function removeLaunchScript(runDir: string, ref: string): void {
  rmSync(join(runDir, launchScriptName(ref)), { force: true });
}

function launchScriptName(ref: string): string {
  return `${ref}.start`;
}

function quote(text: string): string {
  if (text.includes("\0")) throw unusable("A program's arguments and environment hold no NUL.");
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function variable(name: string): string {
  if (!VARIABLE.test(name)) throw unusable("A shell cannot pass on a variable of this name; leave it out.");
  return name;
}

function unusable(why: string): SignalboxError {
  return new SignalboxError("invalid_input", why, "Correct the program's environment.");
}
