// Stands in for the terminal host and all agents in it, in one process: it opens nothing, shows an idle prompt, and answers a
// letter with the hooks that an agent would post. What is measured against it is the daemon alone. Started by the daemon in
// place of the real host, with the same argument.

import { closeSync, writeSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { registryDirIn, scriptedHome } from "../src/agents/kinds/scripted/home.ts";
import { createHttpClient, type HttpClient } from "../src/agents/kinds/scripted/http.ts";
import { createRegistry, type Registry } from "../src/agents/kinds/scripted/registry.ts";
import { systemClock } from "../src/kernel/clock.ts";
import { createFrameReader, encodeFrame } from "../src/terminals/pty/frames.ts";
import { type HostStart, PROTOCOL, type Request } from "../src/terminals/pty/protocol.ts";

const [argument = "--probe"] = process.argv.slice(2);
if (argument === "--probe") process.exit(0);
const { socketPath, hostName, readyFd } = JSON.parse(argument) as HostStart;

interface Agent {
  pid: number;
  conversationId: string;
  env: Record<string, string>;
  registry: Registry;
  /** Every program keeps connections of its own. */
  http: HttpClient;
}

/** Above every pid that the kernel gives out (2^22), so that nobody else's process is meant by it. */
let lastPid = 5_000_000;
const agents = new Map<string, Agent>();

const rule = "─".repeat(80);
const screen = {
  size: { cols: 80, rows: 24 },
  lines: [...Array<string>(20).fill(""), rule, "❯ ", rule, "manual mode"],
  brightLines: [...Array<string>(20).fill(""), rule, "❯ ", rule, "manual mode"],
  cursor: { row: 21, col: 2, visible: true },
  bracketedPaste: true,
  alternate: true,
  title: "",
  outputBytes: 0,
  viewerInputs: 0,
};

const server = createServer((socket) => {
  const reader = createFrameReader();
  socket.on("error", () => {});
  socket.on("data", (chunk) => {
    for (const message of reader.push(chunk)) answer(socket, message as Request);
  });
  socket.write(
    encodeFrame({ event: "hello", protocol: PROTOCOL, host: hostName, pid: process.pid, instance: "bench" }),
  );
});
server.listen(socketPath, () => {
  writeSync(readyFd, "ready\n");
  closeSync(readyFd);
});

function answer(socket: Socket, request: Request): void {
  const say = (ok: unknown) => socket.write(encodeFrame({ id: request.id, ok }));
  switch (request.do) {
    case "open":
      return void say(open(request.spec.ref, request.spec.argv, request.spec.env));
    case "screen":
      return void say(screen);
    case "write":
      say(null);
      return void takeKeys(request.ref, Buffer.from(request.data, "base64").toString("utf8"));
    case "signal":
      socket.write(encodeFrame({ event: "exit", ref: request.ref, exit: { exitCode: 0, signal: null } }));
      agents.delete(request.ref);
      return void say(null);
    case "close":
      say(null);
      return void setTimeout(() => process.exit(0), 50);
    default:
      return void say(request.do === "find" ? { is: "unknown" } : null);
  }
}

function open(ref: string, argv: readonly string[], env: Record<string, string>): { pid: number; birth: null } {
  lastPid += 1;
  const conversationId = argv[argv.indexOf("--session-id") + 1] ?? "";
  const registry = createRegistry({
    dir: registryDirIn(scriptedHome(env)),
    pid: lastPid,
    cwd: "/",
    name: ref,
    version: "bench",
    now: Date.now,
  });
  const agent = { pid: lastPid, conversationId, env, registry, http: createHttpClient(systemClock) };
  agents.set(ref, agent);
  tellStatus(agent, "idle");
  return { pid: agent.pid, birth: null };
}

function tellStatus({ registry, conversationId: sessionId }: Agent, status: "idle" | "busy"): void {
  registry.write({ sessionId, status, waitingFor: null });
}

/** A pasted letter and Enter: the prompt hook first, and when it lets the prompt pass, a turn without length. */
async function takeKeys(ref: string, keys: string): Promise<void> {
  const agent = agents.get(ref);
  const prompt = /\x1b\[200~([\s\S]*)\x1b\[201~\r$/.exec(keys)?.[1];
  if (agent === undefined || prompt === undefined) return;
  tellStatus(agent, "busy");
  await post(agent, { hook_event_name: "UserPromptSubmit", prompt });
  await post(agent, { hook_event_name: "Stop", last_assistant_message: "ACK", stop_hook_active: false });
  tellStatus(agent, "idle");
}

async function post(agent: Agent, fields: Record<string, unknown>): Promise<void> {
  const body = {
    session_id: agent.conversationId,
    transcript_path: "",
    cwd: "/",
    permission_mode: "default",
    ...fields,
  };
  const headers = { Authorization: `Bearer ${agent.env.SIGNALBOX_HOOK_SECRET}` };
  await agent.http.post({ url: agent.env.SIGNALBOX_HOOKS_URL ?? "", headers, body, timeoutMs: 10_000 });
}
