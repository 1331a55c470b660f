// The promises of the local socket, both ends of it over a real one.

import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createFakeCommands, type FakeCommands, operator } from "../../test/support/fake-commands.ts";
import { createManualClock, type ManualClock } from "../../test/support/manual-clock.ts";
import type { Principal } from "../access/principal.ts";
import { SignalboxError } from "../kernel/errors.ts";
import { silentLog } from "../kernel/log.ts";
import { CALL_BYTES_MAX } from "./calls.ts";
import { connectLocal, createCaller, NoDaemonError } from "./client.ts";
import { whyNotPrivate } from "./private-dir.ts";
import { type LocalEdge, type LocalServer, listenLocal } from "./server.ts";

let dir: string;
let socketPath: string;
let commands: FakeCommands;
let clock: ManualClock;
let server: LocalServer | null;
let edge: LocalEdge;
let attached: { principal: Principal; target: Record<string, unknown> }[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "sbx-local-"));
  mkdirSync(join(dir, "run"), { mode: 0o700 });
  socketPath = join(dir, "run", "daemon.sock");
  commands = createFakeCommands();
  clock = createManualClock();
  attached = [];
  server = null;
  const echo = (stream: Duplex) => stream.pipe(stream);
  edge = {
    socketPath,
    clock,
    log: silentLog,
    commands,
    admit({ role, token, options }) {
      if (options.max_agents === 99) throw new SignalboxError("conflict", "Other options.", "Leave them out.");
      if (token === null) return { ...operator, role };
      if (token === "agents-token") return { ...operator, role: "agent", actor: "agent:1" };
      throw new SignalboxError("permission_denied", "Unknown token.", "Use a valid one.");
    },
    welcome: { version: "1.2.3" },
    serveMcp: echo,
    async serveAttach(stream, principal, target) {
      if (target.agent_id !== "a") throw new SignalboxError("not_found", "No such agent.", "List them.");
      attached.push({ principal, target });
      return () => echo(stream);
    },
  };
});
afterEach(async () => {
  await server?.close();
  rmSync(dir, { recursive: true, force: true });
});

async function listen(): Promise<void> {
  server = await listenLocal(edge);
}

async function textOf(stream: Duplex): Promise<string> {
  let text = "";
  for await (const chunk of stream) text += chunk;
  return text;
}

/** Writes raw bytes and gives back everything the daemon says until it closes. */
async function say(bytes: string | Buffer): Promise<string> {
  const socket = connect({ path: socketPath, allowHalfOpen: true });
  socket.on("error", () => {}); // a reset behind the answer is all right: the daemon did not read what it did not want
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk;
  });
  socket.write(bytes);
  await new Promise((closed) => socket.on("close", closed).on("end", () => socket.end()));
  return text;
}

describe("the socket", () => {
  it("can be used by this user only, whatever the umask", async () => {
    const mask = process.umask(0);
    try {
      await listen();
    } finally {
      process.umask(mask);
    }
    expect(statSync(socketPath).mode & 0o777).toBe(0o600);
  });

  const squatted: [string, () => void][] = [
    ["open to others", () => chmodSync(join(dir, "run"), 0o755)],
    [
      "a link to somewhere else",
      () => {
        rmSync(join(dir, "run"), { recursive: true });
        mkdirSync(join(dir, "elsewhere"), { mode: 0o700 });
        symlinkSync(join(dir, "elsewhere"), join(dir, "run"));
      },
    ],
    [
      "a file",
      () => {
        rmSync(join(dir, "run"), { recursive: true });
        writeFileSync(join(dir, "run"), "");
      },
    ],
    ["missing", () => rmSync(join(dir, "run"), { recursive: true })],
  ];
  it.each(squatted)("is not made in a directory that is %s", async (_what, squat) => {
    squat();
    await expect(listen()).rejects.toMatchObject({ code: "storage_error" });
  });

  it("is not trusted in a directory of another user", () => {
    expect(whyNotPrivate(join(dir, "run"), 12345)).toContain("another user");
  });

  it("is not used by a client when its directory is open to others", async () => {
    const stranger = createServer((socket) => socket.on("data", () => {}));
    stranger.listen(socketPath);
    await once(stranger, "listening");
    chmodSync(join(dir, "run"), 0o777);
    await expect(connectLocal({ socketPath, purpose: "call" })).rejects.toMatchObject({ code: "permission_denied" });
    stranger.close();
  });

  it("is taken over from a dead daemon, never from a living one", async () => {
    const dead = createServer();
    dead.listen(socketPath);
    await once(dead, "listening");
    await expect(listen()).rejects.toMatchObject({ code: "conflict" });
    // node removes the file on close; a killed process does not
    const closed = once(dead, "close");
    dead.close();
    await closed;
    writeFileSync(socketPath, "");
    await listen();
    await (await connectLocal({ socketPath, purpose: "call" })).socket.destroy();
  });

  it("is gone when the server has closed, and so are its clients", async () => {
    await listen();
    const { socket } = await connectLocal({ socketPath, purpose: "mcp" });
    socket.resume();
    await Promise.all([once(socket, "end"), server?.close()]);
    server = null;
    await expect(connectLocal({ socketPath, purpose: "mcp" })).rejects.toBeInstanceOf(NoDaemonError);
  });
});

describe("the preface", () => {
  const good = { signalbox: 1, purpose: "call", role: "operator", options: {} };
  const refused: [string, string, string][] = [
    ["nothing JSON", "hello\n", "invalid_input"],
    ["a list", "[1]\n", "invalid_input"],
    ["another version", `${JSON.stringify({ ...good, signalbox: 2 })}\n`, "invalid_input"],
    ["no purpose", `${JSON.stringify({ ...good, purpose: undefined })}\n`, "invalid_input"],
    ["an unknown purpose", `${JSON.stringify({ ...good, purpose: "root" })}\n`, "invalid_input"],
    ["an agent's role without its token", `${JSON.stringify({ ...good, role: "agent" })}\n`, "invalid_input"],
    ["an unknown role", `${JSON.stringify({ ...good, role: "constructor" })}\n`, "invalid_input"],
    ["an unknown option", `${JSON.stringify({ ...good, options: { colour: 1 } })}\n`, "invalid_input"],
    ["an option every object has", `${JSON.stringify({ ...good, options: { toString: 1 } })}\n`, "invalid_input"],
    ["an option of the wrong type", `${JSON.stringify({ ...good, options: { max_agents: "4" } })}\n`, "invalid_input"],
    ["options other than the daemon's", `${JSON.stringify({ ...good, options: { max_agents: 99 } })}\n`, "conflict"],
    ["a wrong token", `${JSON.stringify({ ...good, token: "nobodys" })}\n`, "permission_denied"],
    ["an agent that does not exist", `${JSON.stringify({ ...good, purpose: "attach" })}\n`, "not_found"],
    ["a line without end", "x".repeat(70_000), "invalid_input"],
    ["an HTTP request of a web page", "POST / HTTP/1.1\r\nHost: x\r\n\r\n", "invalid_input"],
  ];
  it.each(refused)("is refused in one line when it is %s", async (_what, bytes, code) => {
    await listen();
    const answer = JSON.parse(await say(bytes));
    expect(answer).toEqual({
      ok: false,
      error: { code, message: expect.any(String), retryable: false, next_step: expect.any(String) },
    });
    expect(commands.ran).toEqual([]);
  });

  it("must come soon", async () => {
    await listen();
    const answer = say('{"signalbox":1,');
    await (await connectLocal({ socketPath, purpose: "mcp" })).socket.destroy(); // it has met the slow client by now
    clock.advance(5_000);
    expect(JSON.parse(await answer)).toMatchObject({ ok: false, error: { code: "timeout" } });
  });

  it("may be followed at once by what it announces", async () => {
    await listen();
    const socket = connect({ path: socketPath, allowHalfOpen: true });
    socket.end(`${JSON.stringify({ ...good, purpose: "mcp" })}\nfirst\nsecond\n`);
    expect((await textOf(socket)).split("\n")).toEqual(['{"ok":true,"version":"1.2.3"}', "first", "second", ""]);
  });

  it("tells a client what it met", async () => {
    await listen();
    const { socket, welcome } = await connectLocal({ socketPath, purpose: "mcp" });
    expect(welcome).toEqual({ ok: true, version: "1.2.3" });
    socket.end("one\n");
    expect(await textOf(socket)).toBe("one\n");
  });

  it("hands an attached terminal over, with who asked and for what", async () => {
    await listen();
    const request = { socketPath, purpose: "attach", role: "observer", target: { agent_id: "a" } } as const;
    const { socket } = await connectLocal(request);
    socket.end("keys");
    expect(await textOf(socket)).toBe("keys");
    expect(attached).toMatchObject([{ principal: { role: "observer" }, target: { agent_id: "a" } }]);
  });

  it("lets a token speak for itself", async () => {
    await listen();
    const caller = createCaller(
      await connectLocal({ socketPath, purpose: "call", role: "owner", token: "agents-token" }),
    );
    await caller.call("read_thing", { name: "lamp" });
    expect(commands.ran[0]?.actor).toBe("agent:1");
    caller.close();
  });
});

describe("calls", () => {
  async function open() {
    await listen();
    const connection = await connectLocal({ socketPath, purpose: "call" });
    return { caller: createCaller(connection), socket: connection.socket as Socket };
  }

  it("answer with the command's result", async () => {
    const { caller } = await open();
    expect(await caller.call("read_thing", { name: "lamp" })).toEqual({ name: "lamp", length: 4 });
  });

  it("reject with the command's own error", async () => {
    const { caller } = await open();
    const refusal = { code: "confirmation_required", nextStep: "Save it, or pass force.", retryable: false };
    await expect(caller.call("delete_thing", { name: "a" })).rejects.toMatchObject(refusal);
    await expect(caller.call("nothing", {})).rejects.toMatchObject({ code: "not_found" });
  });

  it("tell their progress and do not hold each other up", async () => {
    const { caller } = await open();
    const progress: string[] = [];
    const wait = caller.call("wait_for_thing", { announce: "queued" }, { onProgress: (text) => progress.push(text) });
    expect(await caller.call("read_thing", { name: "lamp" })).toBeDefined();
    await commands.happen();
    expect(await wait).toEqual({ happened: true });
    expect(progress).toEqual(["queued"]);
  });

  it("stop waiting when the caller says so, and the connection lives on", async () => {
    const { caller } = await open();
    const abort = new AbortController();
    const wait = caller.call("wait_for_thing", {}, { signal: abort.signal });
    await commands.waiting();
    abort.abort();
    await expect(wait).rejects.toMatchObject({ code: "timeout" });
    expect(await caller.call("read_thing", { name: "lamp" })).toBeDefined();
  });

  it("leave no connection behind once closed, also where the daemon says no more", async () => {
    const mute = createServer({ allowHalfOpen: true }, (socket) => socket.write('{"ok":true}\n'));
    mute.listen(socketPath);
    await once(mute, "listening");
    const { socket, welcome } = await connectLocal({ socketPath, purpose: "call" });
    expect(welcome).toEqual({ ok: true });
    createCaller({ socket, welcome }).close();
    await once(socket, "close");
    mute.close();
  });

  it("stop waiting when the caller is gone", async () => {
    const { caller, socket } = await open();
    caller.call("wait_for_thing", {}).catch(() => {});
    await commands.waiting();
    socket.destroy();
    await commands.aborted();
  });

  it("reject when the daemon goes away", async () => {
    const { caller } = await open();
    const wait = caller.call("wait_for_thing", {});
    const rejected = expect(wait).rejects.toBeInstanceOf(NoDaemonError);
    await commands.waiting();
    await server?.close();
    server = null;
    await rejected;
    await expect(caller.call("read_thing", { name: "a" })).rejects.toBeInstanceOf(NoDaemonError);
  });

  it("that are too long are refused, and the connection lives on", async () => {
    const { caller } = await open();
    const long = caller.call("read_thing", { name: "x".repeat(CALL_BYTES_MAX) });
    await expect(long).rejects.toMatchObject({ code: "invalid_input" });
    expect(await caller.call("read_thing", { name: "lamp" })).toBeDefined();
  });

  it("that make no sense are refused, and the connection lives on", async () => {
    const { socket, caller } = await open();
    for (const junk of ["junk", "[]", "{}", '{"id":"x"}', "\u0000\u0001", '{"id":1.5,"command":"read_thing"}']) {
      socket.write(`${junk}\n`);
    }
    expect(await caller.call("read_thing", { name: "lamp" })).toBeDefined();
    expect(commands.ran).toHaveLength(1);
  });

  it("have an end when a client makes too many at once", async () => {
    const { caller } = await open();
    const waits = Array.from({ length: 65 }, () => caller.call("wait_for_thing", {}));
    for (const wait of waits) wait.catch(() => {});
    await expect(waits[64]).rejects.toMatchObject({ code: "limit_reached", retryable: true });
  });
});
