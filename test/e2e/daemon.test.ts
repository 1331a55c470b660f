// The built product from outside, as its users have it: what it promises about its own life and death, its doors and its
// files. The agents are the stand-in; claude.test.ts asks the same things of the real one where they differ.

import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { describe, expect, it, onTestFinished } from "vitest";
import { socketPathFor } from "../../src/kernel/paths.ts";
import { connectLocal, createCaller } from "../../src/local/client.ts";
import { installProduct, isAlive, type Product, SDKS, type Structured, until, walk } from "../support/product.ts";
import { tempDir } from "../support/temp-dir.ts";

/** A product whose agents, asked to take their time, answer when `open` is called. */
function withGate(): { product: Product; open: () => void } {
  const dir = tempDir();
  const gate = join(dir, "gate");
  const actions = [{ waitForFile: gate }, { reply: "done at last" }];
  const product = installProduct({ script: { rules: [{ match: { contains: "take your time" }, actions }] } });
  return { product, open: () => writeFileSync(gate, "") };
}

const agentOf = (status: Structured): Structured => status.sessions[0].agents[0];

describe.each(SDKS)("an MCP client with %s", (sdk) => {
  it("makes a session and an agent, sends, hears that it waits, and gets the reply", async () => {
    const { product, open } = withGate();
    const client = await product.connect(sdk);
    expect(await client.tools()).toContain("send_message_to_agent");
    const { session, agent } = await product.withAgent(client);
    expect(session).toMatchObject({
      root_path: product.root,
      security_level: "LOW",
      terminal: "pty",
      workspace: "shared",
    });
    expect(agent).toMatchObject({ name: "Agent_1", terminal: { backend: "pty" } });
    const heard: string[] = [];
    const receipt = await client.call(
      "send_message_to_agent",
      { agent_id: agent.agent_id, message: "take your time", wait_for: "processed", wait_s: 60 },
      (message) => {
        heard.push(message);
        open();
      },
    );
    expect(receipt).toMatchObject({
      state: "processed",
      channel: "prompt",
      evidence: "UserPromptSubmit hook",
      attempts: 1,
      reply: "done at last",
      failure: null,
    });
    expect(heard).not.toEqual([]);
    expect(receipt.notice).toContain("no sandbox");
  });

  it("is told what is wrong with a call as a tool result, and nothing has happened", async () => {
    const product = installProduct();
    const client = await product.connect(sdk);
    const wrong: [string, Structured, string][] = [
      ["create_session", { root_path: "relative" }, "invalid_input"],
      ["create_session", { root_path: join(product.dir, "nowhere") }, "invalid_input"],
      ["create_session", { root_path: product.root, colour: "red" }, "invalid_input"],
      ["create_session", { root_path: product.root, security_level: "HIGH" }, "sandbox_unavailable"],
      ["create_agent", { session_id: "ses_none" }, "not_found"],
      ["send_message_to_agent", { agent_id: "agt_none", message: "x" }, "not_found"],
    ];
    for (const [tool, input, code] of wrong) {
      const { error } = await client.call(tool, input);
      expect([tool, input, error]).toEqual([
        tool,
        input,
        expect.objectContaining({ code, next_step: expect.stringMatching(/\w/) }),
      ]);
    }
    expect((await client.call("get_session_status")).sessions).toEqual([]);
  });
});

describe("one daemon", () => {
  it("serves two MCP clients that start in the same moment", async () => {
    const product = installProduct();
    const clients = await Promise.all([product.connect(), product.connect("SDK 1")]);
    const pids = await Promise.all(clients.map(async (client) => (await client.call("get_session_status")).daemon.pid));
    expect(new Set(pids).size).toBe(1);
    await until("the one that came second is gone", () => product.processes("daemon").length === 1);
    expect(product.processes("daemon")).toEqual([pids[0]]);
  });

  it("refuses a client that wants it with other options, in a sentence that names both", async () => {
    const product = installProduct();
    await product.connect();
    const { code, stdout, stderr } = await product.start(["mcp", "--max-agents", "3"]).ended;
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^signalbox mcp: [^\n]*--max-agents: 16, not 3[^\n]*signalbox stop[^\n]*\n$/);
  });

  it("takes a client that asks for what it is without having been told: LOW while there is no sandbox", async () => {
    const product = installProduct();
    await product.connect();
    const client = await product.connect("SDK 2, 2026-07-28", ["--security-level", "LOW", "--max-agents", "16"]);
    expect((await client.call("get_session_status")).sessions).toEqual([]);
    const { code, stderr } = await product.start(["mcp", "--security-level", "HIGH"]).ended;
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('--security-level: "LOW", not "HIGH"'),
    });
  });

  it("with a least level that needs a sandbox claims no lower one, and says how to get sessions all the same", async () => {
    const product = installProduct();
    await product.connect("SDK 2, 2026-07-28", ["--security-level", "MEDIUM"]);
    for (const words of [[], ["--security-level", "LOW"]]) {
      const { code, stderr } = await product.cli("session", "create", "code", ...words);
      expect(code).toBe(1);
      expect(stderr).toMatch(/`signalbox stop`[^\n]*without --security-level MEDIUM/);
    }
    const { notice } = await product.json("status");
    expect(notice).toMatch(/^no sandbox: .*MEDIUM/);
    expect(notice).not.toContain("level LOW)");
    const { stdout } = await product.cli("doctor");
    expect(stdout).toContain(notice);
    expect(await product.json("session", "create", "code", "--security-level", "LOW", "--as", "owner")).toMatchObject({
      security_level: "LOW",
    });
  });

  it("refuses a second one in the foreground, in a sentence", async () => {
    const product = installProduct();
    await product.connect();
    const { code, stdout, stderr } = await product.cli("serve");
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(lastLine(stderr)).toMatch(/^signalbox: A daemon is already running[^\n]*signalbox stop/);
  });

  it("lives on after twelve megabytes and junk on one of its connections", async () => {
    const product = installProduct();
    const client = await product.connect();
    const before = (await client.call("get_session_status")).daemon.pid;
    const { child, said } = product.start(["mcp"]);
    const call = (id: number, filler: string) =>
      JSON.stringify({
        jsonrpc: "2.0",
        id,
        method: "tools/call",
        params: { name: "get_session_status", arguments: { filler } },
      });
    const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "0" } };
    child.stdin?.write(`${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params })}\n`);
    child.stdin?.write(`junk\n{"jsonrpc":"1.0"}\n[]\n\u0000\n{"jsonrpc":"2.0","id":{},"method":7}\n`);
    child.stdin?.write(`${call(2, "x".repeat(12 * 1024 * 1024))}\n${call(3, "x".repeat(20 * 1024 * 1024))}\n`);
    child.stdin?.write(`${JSON.stringify({ jsonrpc: "2.0", id: 4, method: "ping" })}\n`);
    const answers = await until("the last one is answered", () => {
      const all = said.stdout
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Structured);
      return all.some(({ id }) => id === 4) ? all : null;
    });
    expect(answers.find(({ id }) => id === 2)).toMatchObject({ result: { isError: true } });
    expect(answers.find(({ id }) => id === 3)).toHaveProperty("error");
    expect(answers.find(({ id }) => id === 4)).toHaveProperty("result");
    expect((await client.call("get_session_status")).daemon.pid).toBe(before);
  });
});

describe("a daemon that is killed while an agent works", () => {
  it.each([
    ["after", "the turn ends"],
    ["before", "the turn ends, with nobody there to hear of it"],
  ])(
    "is followed by one that finds the same agent, and no message is lost or doubled, when it comes %s %s",
    async (when) => {
      const { product, open } = withGate();
      const client = await product.connect();
      const { agent } = await product.withAgent(client);
      const { agent_id, conversation_id } = agent;
      const send = (message: string, more: Structured = {}) =>
        client.call("send_message_to_agent", { agent_id, message, ...more });
      const first = await send("take your time with this", { wait_for: "delivered" });
      const second = await send("and then this");
      expect([first.state, second.state]).toEqual(["delivered", "queued"]);
      const before = await client.call("get_session_status");

      process.kill(before.daemon.pid, "SIGKILL");
      await until("it is dead", () => !isAlive(before.daemon.pid));
      if (when === "before") {
        open();
        await until("the agent has answered", () => product.oracle().some(({ event }) => event === "reply"));
      }
      await product.json("session", "list"); // starts a daemon
      open();

      const settled = await product.json("message", "get", second.message_id, "--wait", "processed");
      expect(settled).toMatchObject({ state: "processed", attempts: 1 });
      expect(await product.json("message", "get", first.message_id)).toMatchObject({
        state: "processed",
        reply: "done at last",
        failure: null,
      });
      const now = await product.json("status");
      expect(now.daemon.pid).not.toBe(before.daemon.pid);
      expect(agentOf(now)).toMatchObject({ agent_id, conversation_id, pid: agentOf(before).pid, state: "ready" });
      expect([product.timesHeard("take your time with this"), product.timesHeard("and then this")]).toEqual([1, 1]);
    },
  );

  it("takes its clients' bridges along, which say what to do", async () => {
    const product = installProduct();
    const { child, said, ended } = product.start(["mcp"]);
    child.stdin?.write(`${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" })}\n`);
    await until("it is connected", () => said.stdout !== "");
    process.kill(product.processes("daemon")[0] as number, "SIGKILL");
    expect(await ended).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^signalbox mcp: The daemon went away\./),
    });
  });
});

describe("stop", () => {
  it("leaves agents running, and the next daemon works with them", async () => {
    const product = installProduct();
    const client = await product.connect();
    const { agent } = await product.withAgent(client);
    const before = agentOf(await client.call("get_session_status"));
    expect(await product.cli("stop")).toMatchObject({ code: 0, stderr: "" });
    expect([product.processes("daemon"), isAlive(before.pid)]).toEqual([[], true]);
    const receipt = await product.json("send", agent.agent_id, "still there?", "--wait", "processed");
    expect(receipt).toMatchObject({ state: "processed", attempts: 1 });
    expect(agentOf(await product.json("status"))).toMatchObject({
      pid: before.pid,
      conversation_id: before.conversation_id,
    });
  });

  it("is refused to an observer and to a token of one session, and the refused process ends", async () => {
    const product = installProduct();
    const session = await product.json("session", "create", "code");
    expect(await product.cli("stop", "--as", "observer")).toEqual({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(
        /^signalbox: The role observer may not call stop_daemon\. [^\n]*--as operator[^\n]*\n$/,
      ),
    });
    const { token } = await product.json("token", "create", "--role", "owner", "--session", session.session_id);
    const socketPath = socketPathFor(product.stateDir);
    const caller = createCaller(await connectLocal({ socketPath, purpose: "call", token }));
    for (const call of ["stop_daemon", "describe_daemon", "create_token"]) {
      await expect(caller.call(call, { role: "owner" })).rejects.toMatchObject({ code: "permission_denied" });
    }
    caller.close();
    expect(product.processes("daemon")).toHaveLength(1);
  });

  it("has nothing to do when no daemon runs, and says so", async () => {
    const product = installProduct();
    expect(await product.cli("stop")).toEqual({ code: 0, stdout: "No daemon is running.\n", stderr: "" });
    expect(await product.cli("status")).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("No daemon is running."),
    });
  });
});

describe("delete_session", () => {
  it("leaves no process behind but the daemon", async () => {
    const { product } = withGate();
    const client = await product.connect();
    const { session, agent } = await product.withAgent(client);
    await client.call("create_agent", { session_id: session.session_id, kind: "scripted" });
    await client.call("send_message_to_agent", {
      agent_id: agent.agent_id,
      message: "take your time",
      wait_for: "delivered",
    });
    const pids: number[] = (await client.call("get_session_status")).sessions[0].agents.map(
      ({ pid }: Structured) => pid,
    );
    const { session_id } = session;
    expect((await client.call("delete_session", { session_id })).error).toMatchObject({
      code: "confirmation_required",
    });
    expect(await client.call("delete_session", { session_id, force: true })).toMatchObject({
      deleted: true,
      agents_deleted: 2,
    });
    expect(pids.map(isAlive)).toEqual([false, false]);
    await until("the terminal host is gone", () => product.processes("host").length === 0);
    expect(product.processes("daemon")).toHaveLength(1);
  });
});

describe("an agent kind that is not there", () => {
  it("is refused with the next step, and no agent remains", async () => {
    const bare = installProduct({ path: "/nonexistent" });
    const client = await bare.connect();
    const { session_id } = await client.call("create_session", { root_path: bare.root });
    const { error } = await client.call("create_agent", { session_id });
    expect(error).toMatchObject({ code: "agent_kind_unavailable", next_step: expect.stringMatching(/install/i) });
    expect((await client.call("get_session_status")).sessions[0].agents).toEqual([]);
  });
});

describe("HTTP", () => {
  async function serve(): Promise<{
    product: Product;
    url: string;
    token: (role: string, ...words: string[]) => Promise<Structured>;
  }> {
    const product = installProduct();
    const { said } = product.start(["serve", "--transport", "http", "--port", "0"]);
    const url = await until("it says where it serves", () => /serves at (http:\S+);/.exec(said.stderr)?.[1]);
    return { product, url, token: (role, ...words) => product.json("token", "create", "--role", role, ...words) };
  }

  const ping = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" });

  /** Unlike fetch, sends the Host that it is told to. */
  async function post(url: string, headers: Record<string, string>): Promise<number> {
    const accept = "application/json, text/event-stream";
    const sent = request(url, { method: "POST", headers: { "content-type": "application/json", accept, ...headers } });
    sent.end(ping);
    const [answer] = await once(sent, "response");
    answer.resume();
    return answer.statusCode;
  }

  it("lets in whoever has a token, with its role, until it is revoked", async () => {
    const { product, url, token } = await serve();
    const observer = await token("observer");
    expect(observer).toMatchObject({
      id: expect.any(String),
      role: "observer",
      session_id: null,
      expires_at: expect.any(String),
    });
    const client = new Client({ name: "t", version: "1" }, { versionNegotiation: { mode: { pin: "2026-07-28" } } });
    const headers = { Authorization: `Bearer ${observer.token}` };
    await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`), { requestInit: { headers } }));
    const names = (await client.listTools()).tools.map((tool) => tool.name);
    expect(names).toContain("get_session_status");
    expect(names).not.toContain("create_session");
    const refused = await client.callTool({ name: "create_session", arguments: { root_path: product.root } });
    expect(refused.structuredContent).toMatchObject({ error: { code: "permission_denied" } });
    await client.close();

    expect(await post(`${url}/mcp`, headers)).toBe(200);
    await product.json("token", "revoke", observer.id);
    expect(await post(`${url}/mcp`, headers)).toBe(401);
  });

  it("keeps a token of one session to that session", async () => {
    const { product, url, token } = await serve();
    const session = await product.json("session", "create", "code");
    await product.json("session", "create", ".", "--name", "other");
    const bound = await token("operator", "--session", session.session_id);
    const client = new Client({ name: "t", version: "1" }, { versionNegotiation: { mode: { pin: "2026-07-28" } } });
    const headers = { Authorization: `Bearer ${bound.token}` };
    await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`), { requestInit: { headers } }));
    const names = (await client.listTools()).tools.map((tool) => tool.name);
    expect(names).toContain("create_agent");
    expect(names).not.toContain("get_audit_log");
    for (const [name, input] of [
      ["create_session", { root_path: product.root }],
      ["get_audit_log", {}],
    ] as const) {
      const { structuredContent } = await client.callTool({ name, arguments: input });
      expect(structuredContent).toMatchObject({ error: { code: "permission_denied" } });
    }
    const status = (await client.callTool({ name: "get_session_status", arguments: {} }))
      .structuredContent as Structured;
    expect(status.sessions.map(({ session_id }: Structured) => session_id)).toEqual([session.session_id]);
    await client.close();
    expect((await product.json("status")).sessions).toHaveLength(2);
  });

  it("refuses everyone else", async () => {
    const { url, token } = await serve();
    const headers = { authorization: `Bearer ${(await token("operator")).token}` };
    const mcp = `${url}/mcp`;
    expect({
      inOrder: await post(mcp, headers),
      noToken: await post(mcp, {}),
      wrongToken: await post(mcp, { authorization: "Bearer wrong" }),
      inQuery: await post(`${mcp}?token=${headers.authorization.slice(7)}`, {}),
      evilOrigin: await post(mcp, { ...headers, origin: "http://evil.example" }),
      evilHost: await post(mcp, { ...headers, host: "evil.example" }),
      hookWithoutSecret: await post(`${url}/hooks`, {}),
      hookWithToken: await post(`${url}/hooks`, headers),
    }).toEqual({
      inOrder: 200,
      noToken: 401,
      wrongToken: 401,
      inQuery: 401,
      evilOrigin: 403,
      evilHost: 403,
      hookWithoutSecret: 401,
      hookWithToken: 401,
    });
  });

  it("on a taken port is one clear error, and nothing remains", async () => {
    const product = installProduct();
    const taken = createServer().listen(0, "127.0.0.1");
    onTestFinished(() => void taken.close());
    await once(taken, "listening");
    const { port } = taken.address() as AddressInfo;
    const { code, stdout, stderr } = await product.cli("serve", "--transport", "http", "--port", String(port));
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(lastLine(stderr)).toBe(
      `signalbox: Port ${port} on 127.0.0.1 is already in use. Choose another one with --port, or stop the program that uses it.`,
    );
    await product.connect(); // the state directory is free again
  });
});

describe("a start that cannot be", () => {
  it("says in one sentence that the state directory cannot be written", async () => {
    const product = installProduct();
    writeFileSync(join(product.dir, "file"), "");
    for (const [where, words] of [
      [join(product.dir, "file", "state"), ["mcp"]],
      [join(product.dir, "file"), ["session", "create", "."]],
      [join(product.dir, "file"), ["serve"]],
    ] as const) {
      const { code, stdout, stderr } = await product.start(words, { SIGNALBOX_HOME: where }).ended;
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(stderr).toMatch(/^signalbox[^\n]*(state directory|is not a directory)[^\n]*\n$/);
      expect(stderr.trim().split("\n")).toHaveLength(1);
    }
  });

  it("refuses a key that does not fit and leaves the data as it was", async () => {
    const product = installProduct();
    const key = join(product.dir, "key");
    const env = { SIGNALBOX_KEY_FILE: key };
    expect(await product.start(["session", "create", "code"], env).ended).toMatchObject({ code: 0 });
    await product.cli("stop");
    const right = readFileSync(key, "utf8");
    const data = readFileSync(join(product.stateDir, "signalbox.db"));

    writeFileSync(key, `${"ab".repeat(32)}\n`);
    const wrong = await product.start(["session", "list"], env).ended;
    expect(wrong).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(/^signalbox: [^\n]*key[^\n]*\n$/),
    });
    const missing = await product.start(["mcp"], { SIGNALBOX_KEY_FILE: join(product.dir, "nowhere") }).ended;
    expect(missing).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(/holds data[^\n]*Nothing was changed\.\n$/),
    });
    expect(readFileSync(join(product.stateDir, "signalbox.db")).equals(data)).toBe(true);

    writeFileSync(key, right);
    const { code, stdout } = await product.start(["message", "list", "--json"], env).ended;
    expect({ code, messages: JSON.parse(stdout).messages }).toEqual({ code: 0, messages: [] });
  });

  it("refuses wrong words with exit code 2 and touches nothing", async () => {
    const product = installProduct();
    for (const words of [
      ["mcp", "--colour"],
      ["serve", "--port", "x"],
      ["status", "--colour"],
      ["fly"],
      ["token", "create", "--role", "owner", "--ttl", "0d"],
    ]) {
      const { code, stdout, stderr } = await product.cli(...words);
      expect([words, code, stdout, stderr.trim().split("\n").length]).toEqual([words, 2, "", 1]);
    }
    expect(walk(product.dir).map(({ path }) => path)).not.toContain(product.stateDir);
  });
});

describe("the state directory", () => {
  it("tells others nothing: no bits for them, and no word of what agents were told", async () => {
    const CANARY = "kestrel-4711";
    const product = installProduct();
    const root = join(product.dir, `code-${CANARY}`);
    mkdirSync(root);
    const client = await product.connect();
    const session = await client.call("create_session", { root_path: root, name: `session ${CANARY}` });
    const agent = await client.call("create_agent", {
      session_id: session.session_id,
      kind: "scripted",
      name: `agent ${CANARY}`,
      system_prompt: `prompt ${CANARY}`,
      specialization: `for ${CANARY}`,
    });
    await client.call("answer_agent", { agent_id: agent.agent_id, request_id: "none", decision: CANARY });
    const waiting = (await client.call("get_session_status")).sessions[0].agents[0].waiting_for;
    if (waiting !== null) {
      const { request_id } = waiting; // the trust dialog: nobody vouched for this directory
      await client.call("answer_agent", { agent_id: agent.agent_id, request_id, decision: "allow" });
    }
    const message = {
      agent_id: agent.agent_id,
      message: `hello ${CANARY}`,
      wait_for: "processed",
      idempotency_key: CANARY,
    };
    expect((await client.call("send_message_to_agent", message)).reply).toContain(CANARY);
    await client.call("send_message_to_agent", { agent_id: CANARY, message: CANARY });

    expect(open()).toEqual({ bits: [], words: [] });
    await product.cli("stop");
    expect(open()).toEqual({ bits: [], words: [] });

    function open() {
      const files = walk(product.stateDir);
      expect(files.length).toBeGreaterThan(4);
      return {
        bits: files.filter(({ mode }) => (mode & 0o077) !== 0),
        words: files
          .filter(({ path, isFile }) => isFile && readFileSync(path).includes(CANARY))
          .map(({ path }) => path),
      };
    }
  });
});

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
