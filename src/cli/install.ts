// `signalbox install CLIENT`: the client's configuration file gets our entry, because its owner asked for it. The file
// is replaced in one step with a backup beside it, or it is not touched at all. What goes into the text is
// config-text.ts's business, where the file lies is client-configs.ts's.

import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, resolve } from "node:path";
import { SignalboxError } from "../kernel/errors.ts";
import { type ClientConfig, type ClientName, clientConfig, type Machine } from "./client-configs.ts";
import { type Insertion, insertEntry, UnusableConfig } from "./config-text.ts";

/** The name our entry has in every client. */
const ENTRY_NAME = "signalbox";

/** A symbolic link may name another; more than this is a circle. */
const LINKS_MAX = 40;

export interface InstallRequest {
  client: ClientName;
  machine: Machine;
  /** [node, bin/signalbox], both absolute. node by its path, for programs of a desktop do not see the shell's PATH. */
  program: readonly [string, string];
  /** What follows `mcp`, e.g. ["--role", "observer"]. */
  options: readonly string[];
  /** What the entry's `env` holds, as `ownVariables` finds it. */
  variables: Readonly<Record<string, string>>;
}

export interface InstallResult {
  client: ClientName;
  /** The file as the client knows it; a symbolic link is followed when writing. */
  path: string;
  outcome: Insertion["outcome"];
  /** What the file was, or null when there was none, or nothing changed. */
  backup: string | null;
}

/** Those of our variables that are set here, because a client does not start us from this shell. Paths become absolute. */
export function ownVariables(env: Machine["env"], cwd: string): Record<string, string> {
  const { SIGNALBOX_HOME: home, SIGNALBOX_KEY_FILE: keyFile, SIGNALBOX_CLAUDE: claude } = env;
  return {
    ...(home ? { SIGNALBOX_HOME: resolve(cwd, home) } : {}),
    ...(keyFile ? { SIGNALBOX_KEY_FILE: resolve(cwd, keyFile) } : {}),
    // A bare name is looked up on PATH and must stay one.
    ...(claude ? { SIGNALBOX_CLAUDE: claude.includes("/") ? resolve(cwd, claude) : claude } : {}),
  };
}

/** What `--print` shows: the entry and the keys above it. Reads and writes nothing. */
export function previewInstall(request: InstallRequest): { path: string; content: Record<string, unknown> } {
  const config = clientConfig(request.client, request.machine);
  return { path: config.path, content: { [config.group]: { [ENTRY_NAME]: entryFor(config, request) } } };
}

/** Writes the entry. Throws a SignalboxError, with nothing changed, when the file is no JSON, cannot be written, or
 *  changed while we looked. */
export function install(request: InstallRequest): InstallResult {
  const config = clientConfig(request.client, request.machine);
  try {
    const path = followLinks(config.path);
    const before = readIfThere(path);
    const { text, outcome } = insertEntry(decode(before), config.group, ENTRY_NAME, entryFor(config, request));
    const answer = { client: request.client, path: config.path, outcome };
    if (outcome === "already_there") return { ...answer, backup: null };
    const backup = before === null ? null : writeBackup(path, before);
    replaceFile(path, text, before);
    return { ...answer, backup };
  } catch (error) {
    throw installError(config, error);
  }
}

function entryFor(config: ClientConfig, request: InstallRequest): Record<string, unknown> {
  const { program, options, variables } = request;
  const [node, bin] = program;
  const env = Object.keys(variables).length === 0 ? {} : { env: variables };
  const entry = { command: node, args: [bin, "mcp", ...options], ...env };
  return config.namesTransport ? { type: "stdio", ...entry } : entry;
}

/** The file that a write must reach, existing or not. (realpath would refuse a link whose target is yet to come.) */
function followLinks(path: string): string {
  let target = path;
  for (let i = 0; i < LINKS_MAX; i++) {
    try {
      target = resolve(dirname(target), readlinkSync(target));
    } catch {
      return target; // no link, or nothing there: this is the file
    }
  }
  throw new SignalboxError("invalid_input", `${path} is a circle of symbolic links.`, "Repair the link and try again.");
}

function readIfThere(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** Bytes that are no UTF-8 could not be written back as they were. */
function decode(bytes: Buffer | null): string {
  if (bytes === null) return "";
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new UnusableConfig("it is not UTF-8", "", 0);
  }
}

/** Beside the file, readable by its owner only, under the first number that is free. */
function writeBackup(path: string, bytes: Buffer): string {
  for (let n = 1; ; n++) {
    const backup = `${path}.signalbox-backup-${n}`;
    try {
      writeFileSync(backup, bytes, { flag: "wx", mode: 0o600, flush: true });
      return backup;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

function replaceFile(path: string, text: string, before: Buffer | null): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const mode = before === null ? 0o600 : statSync(path).mode & 0o7777;
  const temporary = `${path}.signalbox-${process.pid}.tmp`;
  try {
    writeFileSync(temporary, text, { flag: "wx", mode, flush: true });
    chmodSync(temporary, mode); // the umask may have taken bits that the file had
    if (!isStill(path, before)) throw changedMeanwhile(path);
    renameSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") rmSync(temporary, { force: true });
    throw error;
  }
  flushDirectory(dirname(path));
}

/** A running client writes its own file too; what it wrote since we read must not be lost. */
function isStill(path: string, before: Buffer | null): boolean {
  const now = readIfThere(path);
  return now === null || before === null ? now === before : now.equals(before);
}

/** So that the rename survives a power cut. Windows has no such handle, and needs none. */
function flushDirectory(directory: string): void {
  if (process.platform === "win32") return;
  const fd = openSync(directory, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function changedMeanwhile(path: string): SignalboxError {
  return new SignalboxError(
    "conflict",
    `${path} was changed by another program meanwhile.`,
    "Close the client and try again.",
  );
}

function installError(config: ClientConfig, error: unknown): SignalboxError {
  if (error instanceof SignalboxError) return error;
  if (error instanceof UnusableConfig) {
    const where = `line ${error.line}, column ${error.column}`;
    return new SignalboxError(
      "invalid_input",
      `${config.path} was left as it is: at ${where}, ${error.message}.`,
      "Correct that place, or add by hand what the same command shows with --print.",
      { cause: error },
    );
  }
  const text = error instanceof Error ? error.message : String(error);
  const nextStep =
    "Check who owns the file and its directory, or add by hand what the same command shows with --print.";
  return new SignalboxError("storage_error", `${config.path} could not be written: ${text}`, nextStep, {
    cause: error,
  });
}
