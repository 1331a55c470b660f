// What the command line touches outside itself, gathered so that a test can put something else in its place: streams,
// clock, machine, and where this package lies.

import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Clock, systemClock } from "../kernel/clock.ts";
import type { Looks } from "./text.ts";

export type Env = Readonly<Record<string, string | undefined>>;

/** process.stdin, process.stdout and process.stderr, or stand-ins. */
export interface Io {
  stdin: NodeJS.ReadableStream & { isTTY?: boolean; setRawMode?: (isRaw: boolean) => unknown };
  stdout: NodeJS.WritableStream & { isTTY?: boolean; columns?: number; rows?: number };
  stderr: NodeJS.WritableStream & { isTTY?: boolean };
}

export interface World {
  clock: Clock;
  platform: NodeJS.Platform;
  cwd: string;
  home: string;
  /** Of the running node, without the v. */
  nodeVersion: string;
  /** Absolute path of the running node. */
  node: string;
  /** The package's directory, which holds bin/signalbox and dist/. */
  packageRoot: string;
  /** From package.json. */
  version: string;
  /** The range of package.json's engines, e.g. ">=22.19". */
  nodeRange: string;
}

export function thisMachine(env: Env): World {
  const packageRoot = findPackageRoot(dirname(fileURLToPath(import.meta.url)));
  const { version, engines } = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as {
    version: string;
    engines: { node: string };
  };
  return {
    clock: systemClock,
    platform: process.platform,
    cwd: process.cwd(),
    home: env.HOME || env.USERPROFILE || homedir(),
    nodeVersion: process.versions.node,
    node: process.execPath,
    packageRoot,
    version,
    nodeRange: engines.node,
  };
}

/** [node, bin/signalbox]: how a program that knows nothing of us starts us. */
export function programOf(world: World): readonly [string, string] {
  return [world.node, join(world.packageRoot, "bin", "signalbox")];
}

export function looksOf(stream: Io["stdout"], env: Env): Looks {
  const isTty = stream.isTTY === true;
  return {
    width: isTty ? (stream.columns ?? 80) : Number.POSITIVE_INFINITY,
    // no-color.org: any value but the empty one.
    hasColour: isTty && !env.NO_COLOR && env.TERM !== "dumb",
  };
}

/** Upwards from the running file, because the bundle in dist/ and the sources lie at different depths. */
function findPackageRoot(start: string): string {
  for (let dir = start; ; dir = dirname(dir)) {
    if (existsSync(join(dir, "bin", "signalbox"))) return dir;
    if (dirname(dir) === dir) throw new Error("invariant broken: the package has bin/signalbox");
  }
}
