// What the commands refuse, limit and remember: the errors of the contract, each with nothing changed behind it.

import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Principal } from "../../src/access/principal.ts";
import { mayCall } from "../../src/access/roles.ts";
import { COMMAND_TABLE } from "../../src/commands/table.ts";
import { OBSERVER, OPERATOR, OWNER, startHouse, type TestHouse, withAgent } from "../support/house.ts";

const rows = (house: TestHouse) => ({
  sessions: house.house.registry.sessions().length,
  agents: house.house.registry.agents().length,
  messages: house.house.db.get<{ n: number }>("SELECT count(*) AS n FROM messages")?.n,
});

describe("bad input is refused with its code and changes nothing", () => {
  const cases: [string, string, (house: TestHouse) => Record<string, unknown>, string][] = [
    ["a relative root_path", "create_session", () => ({ root_path: "here" }), "invalid_input"],
    ["a missing root_path", "create_session", () => ({ root_path: "/no/such/place" }), "invalid_input"],
    ["a root_path that is a file", "create_session", (house) => ({ root_path: file(house) }), "invalid_input"],
    ["a NUL in root_path", "create_session", () => ({ root_path: "/tmp/\0x" }), "invalid_input"],
    ["no root_path at all", "create_session", () => ({}), "invalid_input"],
    [
      "a name with control characters",
      "create_session",
      (house) => ({ root_path: house.root, name: "a\x1bb" }),
      "invalid_input",
    ],
    ["an unknown field", "create_session", (house) => ({ root_path: house.root, color: "red" }), "invalid_input"],
    [
      "a level without a sandbox",
      "create_session",
      (house) => ({ root_path: house.root, security_level: "HIGH" }),
      "sandbox_unavailable",
    ],
    [
      "a terminal that is not there",
      "create_session",
      (house) => ({ root_path: house.root, terminal: "iterm2" }),
      "terminal_unavailable",
    ],
    ["an unknown session", "create_agent", () => ({ session_id: "ses_nope", kind: "scripted" }), "not_found"],
    ["an unknown agent", "send_message_to_agent", () => ({ agent_id: "agt_nope", message: "x" }), "not_found"],
    ["an unknown message", "get_message", () => ({ message_id: "msg_nope" }), "not_found"],
    ["arguments that are no object", "get_session_status", () => [] as never, "invalid_input"],
    [
      "a prototype key",
      "get_session_status",
      () => JSON.parse('{"__proto__": {"x": 1}, "constructor": 1}'),
      "invalid_input",
    ],
    ["a command that is none", "make_coffee", () => ({}), "invalid_input"],
  ];

  it("an agent may not be named as a person is", async () => {
    const house = await startHouse();
    const session = await house.call("create_session", { root_path: house.root });
    const call = house.call("create_agent", { session_id: session.session_id, kind: "scripted", name: "Operator" });
    await expect(call).rejects.toMatchObject({ code: "invalid_input" });
  });

  it.each(cases)("%s", async (_what, command, input, code) => {
    const house = await startHouse();
    const before = rows(house);
    await expect(house.call(command, input(house))).rejects.toMatchObject({
      code,
      nextStep: expect.stringMatching(/\S/),
    });
    expect(rows(house)).toEqual(before);
  });

  it("a message that is empty, blank or a byte over 1 MiB; one of exactly 1 MiB is accepted", async () => {
    const house = await startHouse();
    const { agent } = await withAgent(house);
    const before = rows(house);
    for (const message of ["", " \n\u200b", `${"é".repeat(524_288)}x`]) {
      await expect(house.call("send_message_to_agent", { agent_id: agent.agent_id, message })).rejects.toMatchObject({
        code: "invalid_input",
      });
    }
    expect(rows(house)).toEqual(before);
    const whole = await house.call("send_message_to_agent", {
      agent_id: agent.agent_id,
      message: "é".repeat(524_288),
      wait_for: "processed",
    });
    expect(whole.state).toBe("processed");
  });
});

it("resolves root_path and shows the resolved one", async () => {
  const house = await startHouse();
  const link = join(house.dir, "link");
  symlinkSync(house.root, link);
  expect(await house.call("create_session", { root_path: `${link}/.` })).toMatchObject({ root_path: house.root });
});

it("without a sandbox names the way out that is open to the caller, below a least level as well as above LOW", async () => {
  const asked = async (leastLevel: "LOW" | "MEDIUM", security_level: string | undefined, principal = OPERATOR) => {
    const house = await startHouse({ leastLevel });
    return await house
      .call("create_session", { root_path: house.root, security_level }, principal)
      .catch((error) => error);
  };
  const askForLow = { code: "sandbox_unavailable", nextStep: expect.stringContaining("Ask for level LOW") };
  const startAnew = expect.stringMatching(/`signalbox stop`.*without --security-level MEDIUM/);
  expect(await asked("LOW", "MEDIUM")).toMatchObject(askForLow);
  expect(await asked("MEDIUM", undefined)).toMatchObject({ code: "sandbox_unavailable", nextStep: startAnew });
  expect(await asked("MEDIUM", "HIGH")).toMatchObject({ code: "sandbox_unavailable", nextStep: startAnew });
  expect(await asked("MEDIUM", "LOW")).toMatchObject({ code: "permission_denied", nextStep: startAnew });
  expect(await asked("MEDIUM", undefined, OWNER)).toMatchObject(askForLow);
  expect(await asked("MEDIUM", "LOW", OWNER)).toMatchObject({ security_level: "LOW" });
});

it("keeps the limits on sessions and agents", async () => {
  const house = await startHouse({ maxAgents: 1, maxSessions: 1 });
  const { session } = await withAgent(house);
  await expect(house.call("create_session", { root_path: house.root })).rejects.toMatchObject({
    code: "limit_reached",
  });
  await expect(house.call("create_agent", { session_id: session.session_id, kind: "scripted" })).rejects.toMatchObject({
    code: "limit_reached",
  });
});

it("names agents by the next free number and refuses a name twice", async () => {
  const house = await startHouse();
  const { session } = await withAgent(house);
  const input = { session_id: session.session_id, kind: "scripted", wait_s: 0 };
  expect(await house.call("create_agent", input)).toMatchObject({ name: "Agent_2" });
  await expect(house.call("create_agent", { ...input, name: "Agent_1" })).rejects.toMatchObject({ code: "conflict" });
});

it("leaves no agent behind when its program cannot be started", async () => {
  const house = await startHouse();
  const session = await house.call("create_session", { root_path: house.root });
  chmodSync(house.root, 0o700);
  const gone = join(house.root, "sub");
  mkdirSync(gone);
  const inner = await house.call("create_session", { root_path: gone });
  const { rmdirSync } = await import("node:fs");
  rmdirSync(gone);
  await expect(house.call("create_agent", { session_id: inner.session_id, kind: "scripted" })).rejects.toMatchObject({
    code: "terminal_unavailable",
  });
  expect(rows(house).agents).toBe(0);
  expect(await house.call("create_agent", { session_id: session.session_id, kind: "scripted" })).toMatchObject({
    state: "ready",
  });
});

it("shows a program that cannot start as failed, with its own last words", async () => {
  const house = await startHouse({ script: { no_such_key: true } });
  const session = await house.call("create_session", { root_path: house.root });
  const agent = await house.call("create_agent", { session_id: session.session_id, kind: "scripted", wait_s: 60 });
  expect(agent.state).toBe("failed");
  expect(agent.state_reason).toMatch(/exited with code 2; crashed 6 times/);
  await expect
    .poll(async () => (await house.call("get_session_status")).sessions[0].agents[0].state_reason)
    .toContain("no_such_key");
}, 60_000);

describe("roles", () => {
  it("let an observer look and nothing else, and keep tokens for the owner", async () => {
    const house = await startHouse();
    const { agent } = await withAgent(house);
    await house.call("get_session_status", {}, OBSERVER);
    await expect(
      house.call("send_message_to_agent", { agent_id: agent.agent_id, message: "x" }, OBSERVER),
    ).rejects.toMatchObject({ code: "permission_denied" });
    await expect(house.call("create_token", { role: "observer" }, OPERATOR)).rejects.toMatchObject({
      code: "permission_denied",
    });
    const made = await house.call("create_token", { role: "observer" }, OWNER);
    expect(house.house.tokens.authenticate(made.token)).toMatchObject({ role: "observer" });
    await house.call("revoke_token", { id: made.id }, OWNER);
    expect(house.house.tokens.authenticate(made.token)).toBeNull();
  });
});

describe("a token that is bound to one session", () => {
  const boundTo = (session_id: unknown, role: Principal["role"]): Principal => ({
    role,
    sessionId: session_id as Principal["sessionId"],
    agentId: null,
    actor: "token:tok_1",
  });

  it("is refused what concerns more than its session, whatever its role, and is not offered it", async () => {
    const house = await startHouse();
    const { session_id } = await house.call("create_session", { root_path: house.root });
    const made = await house.call("create_token", { role: "observer" }, OWNER);
    const owner = boundTo(session_id, "owner");
    const before = rows(house);
    for (const [command, input] of [
      ["create_session", { root_path: house.root }],
      ["get_audit_log", {}],
      ["create_token", { role: "owner" }],
      ["create_token", { role: "owner", session_id }],
      ["revoke_token", { id: made.id }],
    ] as const) {
      await expect(house.call(command, input, owner)).rejects.toMatchObject({
        code: "permission_denied",
        message: expect.stringContaining("bound to one session"),
        nextStep: expect.stringContaining("signalbox token create --role owner"),
      });
    }
    expect(rows(house)).toEqual(before);
    expect(house.house.tokens.authenticate(made.token)).not.toBeNull();
    for (const name of ["stop_daemon", "describe_daemon"]) expect(mayCall(owner, { name, level: "LOW" })).toBe(false);
  });

  it("is offered nothing else but what names a session, an agent or a message, or shows its own session alone", () => {
    const shown = COMMAND_TABLE.filter((command) => mayCall(boundTo("ses_1", "owner"), command));
    const isNamed = (field: { safeParse(value: unknown): { success: boolean } } | undefined) =>
      field?.safeParse(undefined).success === false;
    const unnamed = shown.filter(({ input: { shape } }) =>
      [shape.session_id, shape.agent_id, shape.message_id].every((field) => !isNamed(field as never)),
    );
    expect(unnamed.map(({ name }) => name)).toEqual(["get_session_status", "list_messages"]);
  });

  it("finds nothing of other sessions, by whatever command", async () => {
    const house = await startHouse();
    const { session, agent } = await withAgent(house);
    const sent = await house.call("send_message_to_agent", { agent_id: agent.agent_id, message: "not yours" });
    const { session_id: own } = await house.call("create_session", { root_path: house.root });
    const principal = boundTo(own, "owner");
    const theirs: Record<string, unknown> = {
      session_id: session.session_id,
      agent_id: agent.agent_id,
      message_id: sent.message_id,
      message: "hello",
      request_id: "req_1",
      decision: "allow",
      kind: "scripted",
    };
    const before = rows(house);
    for (const { name, input, level } of COMMAND_TABLE) {
      if (!mayCall(principal, { name, level })) continue;
      const given = Object.fromEntries(
        Object.keys(input.shape).flatMap((key) => (key in theirs ? [[key, theirs[key]]] : [])),
      );
      const call = house.call(name, given, principal);
      await expect(call, name).rejects.toMatchObject({ code: "not_found" });
    }
    expect(rows(house)).toEqual(before);
    const status = await house.call("get_session_status", {}, principal);
    expect(status.sessions.map(({ session_id }: any) => session_id)).toEqual([own]);
    const listed = await house.call(
      "list_messages",
      { states: ["queued", "sending", "delivered", "processed"] },
      principal,
    );
    expect(listed.messages).toEqual([]);
  });
});

it("writes one audit row for each command and each refusal, in order, chained, and without bodies", async () => {
  const house = await startHouse();
  const { agent } = await withAgent(house);
  await house.call("send_message_to_agent", { agent_id: agent.agent_id, message: "CANARY-BODY" });
  await house.call("get_message", { message_id: "msg_nope" }).catch(() => {});
  const log = await house.call("get_audit_log", {});
  expect(log.entries.map((entry: any) => [entry.seq, entry.tool, entry.outcome])).toEqual([
    [1, "create_session", "ok"],
    [2, "create_agent", "ok"],
    [3, "send_message_to_agent", "ok"],
    [4, "get_message", "not_found"],
  ]);
  expect(JSON.stringify(log)).not.toContain("CANARY-BODY");
  const page = await house.call("get_audit_log", { limit: 2 });
  const rest = await house.call("get_audit_log", { cursor: page.next_cursor, limit: 2 });
  expect([...page.entries, ...rest.entries].map((entry: any) => entry.seq)).toEqual([1, 2, 3, 4]);
});

it("says in a refusal's audit row whom it was about, where the call named one by something like an id", async () => {
  const house = await startHouse();
  const { session, agent } = await withAgent(house);
  const { session_id } = session;
  const { agent_id } = agent;
  const peer = { role: "agent", sessionId: session_id, agentId: agent_id, actor: `agent:${agent_id}` } as Principal;
  const refused: [string, Record<string, unknown>, string | null, Principal?][] = [
    ["get_message", { message_id: "msg_nope", agent_id }, "msg_nope"],
    ["send_message_to_agent", { agent_id: "agt_nope", message: "x", session_id }, "agt_nope"],
    ["send_message_to_agent", { agent_id, message: "x" }, agent_id, OBSERVER],
    ["send_message_to_agent", { agent_id, message: "to myself" }, agent_id, peer],
    ["list_messages", { message_id: "", agent_id: 7, session_id: "ses_nope" }, "ses_nope"],
    ["read_agent", { agent_id: "a".repeat(101) }, null],
    ["read_agent", { agent_id: "words of a person \ud800" }, null],
    ["revoke_token", { id: "perhaps the secret itself" }, null, OWNER],
    ["get_session_status", [] as never, null],
  ];
  for (const [command, input, , principal] of refused) {
    await expect(house.call(command, input, principal)).rejects.toMatchObject({ code: expect.any(String) });
  }
  const { entries } = await house.call("get_audit_log", { cursor: "2" });
  expect(entries.map(({ tool, target }: any) => [tool, target])).toEqual(
    refused.map(([command, , target]) => [command, target]),
  );
});

it("keeps names, paths, prompts and bodies unreadable in every file of its directory", async () => {
  const house = await startHouse();
  const root = join(house.root, "CANARY-PATH");
  mkdirSync(root);
  const session = await house.call("create_session", { root_path: root, name: "CANARY-NAME" });
  const agent = await house.call("create_agent", {
    session_id: session.session_id,
    kind: "scripted",
    system_prompt: "CANARY-PROMPT",
  });
  await house.call("send_message_to_agent", {
    agent_id: agent.agent_id,
    message: "CANARY-BODY",
    wait_for: "processed",
  });
  const files = readdirSync(house.dir, { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile() && entry.name.startsWith("test.db"),
  );
  expect(files.length).toBeGreaterThan(1);
  for (const entry of files) expect(readFileSync(join(entry.parentPath, entry.name)).includes("CANARY")).toBe(false);
});

it("deletes a session with all its agents, and their processes are gone", async () => {
  const house = await startHouse();
  const { session } = await withAgent(house);
  await house.call("create_agent", { session_id: session.session_id, kind: "scripted" });
  const pids = (await house.call("get_session_status")).sessions[0].agents.map((agent: any) => agent.pid);
  const deleted = await house.call("delete_session", { session_id: session.session_id });
  expect(deleted).toEqual({ session_id: session.session_id, deleted: true, agents_deleted: 2 });
  for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow();
  expect((await house.call("get_session_status")).sessions).toEqual([]);
});

it("reads an agent's screen, transcript and output without escape sequences or secrets", async () => {
  const house = await startHouse();
  const { agent } = await withAgent(house);
  const key = "sk-ant-REDACTME0123456789";
  await house.call("send_message_to_agent", {
    agent_id: agent.agent_id,
    message: `my key is ${key}`,
    wait_for: "processed",
  });
  for (const what of ["screen", "transcript", "output"]) {
    const read = await house.call("read_agent", { agent_id: agent.agent_id, what });
    expect(read.text).toContain("my key is");
    expect(read.text).not.toContain(key);
    expect(read.text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  }
});

it("counts the tasks of TODO.md and finds each agent's own", async () => {
  const house = await startHouse();
  writeFileSync(
    join(house.root, "TODO.md"),
    "| Task | Status | Assigned |\n|---|---|---|\n| TASK_1 | COMPLETED | Agent_2 |\n| TASK_2 | IN_PROGRESS | Agent_1 |\n",
  );
  await withAgent(house);
  const [session] = (await house.call("get_session_status")).sessions;
  expect(session.tasks).toEqual({ total: 2, done: 1, in_progress: 1, blocked: 0 });
  expect(session.agents[0].current_task).toBe("TASK_2");
});

it("describes every command well enough to be chosen: a title, a paragraph, and a sentence for each unclear field", () => {
  for (const command of COMMAND_TABLE) {
    expect(command.title.length, command.name).toBeGreaterThan(5);
    expect(command.description.length, command.name).toBeGreaterThan(30);
  }
});

function file(house: TestHouse): string {
  const path = join(house.root, "file");
  writeFileSync(path, "");
  return path;
}
