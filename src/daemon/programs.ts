// Where our own other programs lie: beside the bundle after a build, in the source tree when run from it.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const isSource = import.meta.url.endsWith(".ts");

const SOURCES: Record<ProgramName, string> = {
  "pty-host": "../terminals/pty/host.ts",
  "hook-helper": "../agents/kinds/claude-code/hook-helper.ts",
  "scripted-agent": "../agents/kinds/scripted/program.ts",
};

export type ProgramName = "pty-host" | "hook-helper" | "scripted-agent";

/** Absolute path of a script that `node` runs. */
export function programPath(name: ProgramName): string {
  return isSource ? join(here, SOURCES[name]) : join(here, `${name}.js`);
}

/** The package's version, from the package.json above us. */
export function packageVersion(): string {
  for (const up of ["../package.json", "../../package.json"]) {
    const path = join(here, up);
    if (existsSync(path)) return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
  }
  return "unknown";
}
