// The scripted agent: a small real terminal program that stands in for Claude Code in tests, in demonstrations and for
// people who try signalbox without it. This file is the process entry: it reads the environment and wires the parts.

import { existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { systemClock } from "../../../kernel/clock.ts";
import { createApp } from "./app.ts";
import { registryDirIn, scriptedHome, trustFileIn } from "./home.ts";
import { createHttpClient } from "./http.ts";
import { parseOptions } from "./options.ts";
import { createOracle } from "./oracle.ts";
import { createRegistry } from "./registry.ts";
import { NO_SCRIPT, parseScript, type Script, ScriptError } from "./script.ts";
import { createTranscript, findTranscript } from "./transcript.ts";

const VERSION = "scripted-1";

const { env, pid } = process;
const cwd = process.cwd();
const uuid = () => crypto.randomUUID();

const options = parseOptions(process.argv.slice(2));
if ("wrong" in options) refuse(1, options.wrong);
const script = readScript(env.SIGNALBOX_SCRIPT ?? "");
if (!process.stdin.isTTY || !process.stdout.isTTY) refuse(1, "this program needs a terminal");
const home = ownFolder(scriptedHome(env));
const { conversation } = options;
const firstId = conversation.id ?? uuid();
const known = findTranscript(home, firstId) !== null;
if (conversation.is === "resume" && !known) refuse(1, `No conversation found with session ID: ${firstId}`);
if (conversation.is === "new" && known) refuse(1, `Session ID ${firstId} is already in use.`);

const { now } = systemClock;
const openTranscript = (conversationId: string) =>
  createTranscript({ home, cwd, conversationId, version: VERSION, model: options.model ?? VERSION, now, uuid });
const oracle = createOracle(env.SIGNALBOX_SCRIPTED_LOG || null, { pid, agent: options.name }, now);
const pastTurns = openTranscript(firstId).past().turns;
const trustFile = trustFileIn(home, cwd);
const { stdin, stdout } = process;

const app = createApp({
  firstId,
  agent: options.name,
  cwd,
  permissionMode: options.permissionMode,
  pastTurns,
  pasteId: (pid % 0x10000).toString(16).padStart(4, "0"),
  script,
  hooksUrl: env.SIGNALBOX_HOOKS_URL || null,
  hookSecret: env.SIGNALBOX_HOOK_SECRET ?? "",
  mcpUrl: env.SIGNALBOX_MCP_URL || null,
  mcpToken: env.SIGNALBOX_AGENT_TOKEN ?? "",
  http: createHttpClient(systemClock),
  clock: systemClock,
  uuid,
  terminal: {
    size: () => ({ cols: stdout.columns, rows: stdout.rows }),
    write: (bytes) => void stdout.write(bytes),
    drained: () => new Promise((resolve) => stdout.write("", () => resolve())),
  },
  registry: createRegistry({ dir: registryDirIn(home), pid, cwd, name: options.name, version: VERSION, now }),
  openTranscript,
  isTrusted: () => existsSync(trustFile),
  rememberTrust() {
    mkdirSync(dirname(trustFile), { recursive: true, mode: 0o700 });
    writeFileSync(trustFile, "", { mode: 0o600 });
  },
  oracle,
  exit: (code) => process.exit(code),
  crash: () => process.kill(pid, "SIGKILL"),
});

oracle({ event: "started", conversationId: firstId, resumed: conversation.is === "resume", pastTurns });
// Exit codes as measured on Claude Code 2.1.330.
process.on("SIGTERM", () => void app.leave(143, "SIGTERM"));
process.on("SIGHUP", () => void app.leave(129, "SIGHUP"));
process.on("SIGINT", () => void app.leave(0, "SIGINT"));
// A terminal that has gone away fails reads and writes before, after or instead of the SIGHUP.
stdin.on("error", () => void app.leave(129, "terminal gone"));
stdin.on("end", () => void app.leave(129, "terminal gone"));
stdout.on("error", () => void app.leave(129, "terminal gone"));
stdout.on("resize", () => app.resized());
stdin.setRawMode(true);
stdin.on("data", (bytes: Buffer) => app.input(bytes));
await app.start(conversation.is === "resume" ? "resume" : "startup");

/** The script that `setting` holds or names; exits with 2 when it is wrong. */
function readScript(setting: string): Script {
  if (setting === "") return NO_SCRIPT;
  try {
    return parseScript(setting.trimStart().startsWith("{") ? setting : readFileSync(setting, "utf8"));
  } catch (error) {
    const why = error instanceof ScriptError || error instanceof Error ? error.message : String(error);
    return refuse(2, `SIGNALBOX_SCRIPT: ${why}`);
  }
}

/** Makes the folder. It holds conversations, so one that another user made or may read is refused. */
function ownFolder(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const { uid, mode } = lstatSync(path);
  const isOurs = process.getuid === undefined || (uid === process.getuid() && (mode & 0o077) === 0);
  if (!isOurs) refuse(1, `${path} must belong to you and be closed to others (chmod 700)`);
  return path;
}

function refuse(code: number, why: string): never {
  process.stderr.write(`scripted agent: ${why}\n`);
  process.exit(code);
}
