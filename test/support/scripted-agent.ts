// A real scripted agent in a real pseudo-terminal, with a hook server of its own: types into it, reads its screen, its
// registry file, its hooks and its oracle. Waits for facts, never for time; the bound on waiting is a failure.

import { existsSync, mkdirSync, readdirSync, readFileSync, watch } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { spawn } from "@lydell/node-pty";
import { onTestFinished } from "vitest";
import type { RegistryEntry, ScreenReading } from "../../src/agents/kind.ts";
import { registryDirIn } from "../../src/agents/kinds/scripted/home.ts";
import { scripted } from "../../src/agents/kinds/scripted/index.ts";
import type { OracleEvent } from "../../src/agents/kinds/scripted/oracle.ts";
import { createEmulator } from "../../src/terminals/emulator.ts";
import type { Screen } from "../../src/terminals/terminal.ts";
import { tempDir } from "./temp-dir.ts";

const PROGRAM = fileURLToPath(new URL("../../src/agents/kinds/scripted/program.ts", import.meta.url));
/** Far beyond what anything here takes on a busy machine. */
const PATIENCE_MS = 20_000;

export type Payload = Record<string, unknown> & { hook_event_name: string };
type Logged<Name extends OracleEvent["event"]> = Extract<OracleEvent, { event: Name }>;

export interface DrivenAgent {
  readonly pid: number;
  readonly home: string;
  readonly cwd: string;
  /** Hook payloads so far. */
  readonly hooks: Payload[];
  readonly exited: Promise<{ exitCode: number; signal: string | null }>;
  type(bytes: string): void;
  /** Pastes and presses Enter, as the courier does. */
  send(text: string): void;
  resize(cols: number, rows: number): void;
  kill(signal: NodeJS.Signals): void;
  screen(): Screen;
  reading(): ScreenReading;
  registry(): RegistryEntry | null;
  transcript(): string;
  /** The oracle's events of one name, in order. */
  events<Name extends OracleEvent["event"]>(name: Name): Logged<Name>[];
  /** Resolves with the first truthy value of `fact`, looked at whenever anything happens. */
  until<T>(what: string, fact: () => T): Promise<NonNullable<T>>;
  /** Resolves when the prompt is on the screen and the registry says idle. */
  ready(): Promise<void>;
}

export interface DriveOptions {
  script?: unknown;
  /** The program's arguments; default: a new conversation. */
  args?: string[];
  /** Answers hooks; what it returns may come as late as it likes. */
  answer?: (payload: Payload) => unknown;
  /** Shared by agents that are to know each other's conversations. */
  home?: string;
  cwd?: string;
  env?: Record<string, string>;
}

export async function driveScriptedAgent(options: DriveOptions = {}): Promise<DrivenAgent> {
  const home = options.home ?? tempDir();
  const cwd = options.cwd ?? tempDir();
  const sessions = registryDirIn(home);
  mkdirSync(sessions, { recursive: true, mode: 0o700 });
  const log = join(tempDir(), "oracle.jsonl");
  const hooks: Payload[] = [];
  const lookers = new Set<() => void>();
  const look = () => {
    for (const one of [...lookers]) one();
  };

  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", async () => {
      const payload = JSON.parse(Buffer.concat(parts).toString("utf8")) as Payload;
      hooks.push(payload);
      look();
      const answer = (await options.answer?.(payload)) ?? {};
      if (!response.destroyed) response.end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;

  const size = { cols: 100, rows: 30 };
  const emulator = createEmulator({ size, scrollbackLines: 0, answer: (bytes) => pty.write(bytes) });
  const pty = spawn(process.execPath, [PROGRAM, ...(options.args ?? ["--name", "Agent_1"])], {
    ...size,
    cwd,
    encoding: null,
    env: {
      PATH: process.env.PATH ?? "",
      TERM: "xterm-256color",
      SIGNALBOX_SCRIPTED_HOME: home,
      SIGNALBOX_SCRIPTED_LOG: log,
      SIGNALBOX_HOOKS_URL: `http://127.0.0.1:${port}/hooks`,
      SIGNALBOX_HOOK_SECRET: "hush",
      ...(options.script === undefined ? {} : { SIGNALBOX_SCRIPT: JSON.stringify(options.script) }),
      ...options.env,
    },
  });
  let gone = false;
  const exited = new Promise<{ exitCode: number; signal: string | null }>((resolve) => {
    pty.onExit(({ exitCode, signal }) => {
      gone = true;
      resolve({ exitCode, signal: signal === undefined || signal === 0 ? null : String(signal) });
      look();
    });
  });
  pty.onData((data) => emulator.write(data as unknown as Uint8Array, look));
  const watcher = watch(sessions, look);
  onTestFinished(async () => {
    watcher.close();
    if (!gone) process.kill(pty.pid, "SIGKILL");
    await exited;
    server.closeAllConnections();
    server.close();
  });

  const agent: DrivenAgent = {
    pid: pty.pid,
    home,
    cwd,
    hooks,
    exited,
    type: (bytes) => pty.write(bytes),
    send: (text) => pty.write(scripted.submitKeys(text)),
    resize(cols, rows) {
      emulator.resize({ cols, rows });
      pty.resize(cols, rows);
    },
    kill: (signal) => process.kill(pty.pid, signal),
    screen: () => emulator.screen({ outputBytes: 0, viewerInputs: 0 }),
    reading: () => scripted.readScreen(agent.screen()),
    registry: () => scripted.readRegistry(textOf(join(sessions, `${pty.pid}.json`))),
    transcript() {
      const projects = join(home, "projects");
      const files = existsSync(projects) ? readdirSync(projects, { recursive: true, encoding: "utf8" }) : [];
      return files.map((file) => (file.endsWith(".jsonl") ? textOf(join(projects, file)) : "")).join("");
    },
    events<Name extends OracleEvent["event"]>(name: Name) {
      const lines = textOf(log).split("\n").slice(0, -1);
      return lines.map((line) => JSON.parse(line) as OracleEvent).filter((one) => one.event === name) as Logged<Name>[];
    },
    until<T>(what: string, fact: () => T) {
      return new Promise<NonNullable<T>>((resolve, reject) => {
        const stop = () => {
          lookers.delete(check);
          clearTimeout(bound);
        };
        const check = () => {
          const value = fact();
          if (!value) return;
          stop();
          resolve(value);
        };
        const bound = setTimeout(() => {
          stop();
          reject(
            new Error(`never saw: ${what}\nscreen:\n${agent.screen().lines.join("\n").trimEnd()}\n${textOf(log)}`),
          );
        }, PATIENCE_MS);
        lookers.add(check);
        check();
      });
    },
    async ready() {
      await agent.until("the prompt", () => agent.reading().promptBox !== "absent");
      await agent.until("idle", () => agent.registry()?.status === "idle");
    },
  };
  return agent;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
