import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type FakeDaemon, startFakeDaemon } from "../../test/support/cli-daemon.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { systemClock } from "../kernel/clock.ts";
import { SignalboxError } from "../kernel/errors.ts";
import { runCli } from "./cli.ts";
import { VERBS } from "./verbs.ts";
import { type Io, thisMachine, type World } from "./world.ts";

const agentRow = (agent_id: string, name: string) => ({
  agent_id,
  name,
  state: "ready",
  waiting_for: null,
  state_reason: null,
  since: null,
  current_task: null,
  queued_messages: 0,
  last_reply: null,
  context_used_pct: null,
  cost_usd: null,
});
const sessionRow = (session_id: string, name: string, agents: unknown[]) => ({
  session_id,
  name,
  root_path: `/code/${name}`,
  security_level: "LOW",
  terminal: "pty",
  workspace: "shared",
  health: "ok",
  agents,
});
const STATUS = {
  sessions: [
    sessionRow("ses_a", "api", [agentRow("agt_1", "Agent_1"), agentRow("agt_2", "Agent_2")]),
    sessionRow("ses_b", "web", [agentRow("agt_3", "Agent_1")]),
    sessionRow("ses_c", "web", []),
  ],
  daemon: { pid: 1, version: "0", agents: 3, max_agents: 16, sessions: 3, max_sessions: 8 },
};

let daemon: FakeDaemon;
beforeEach(async () => {
  daemon = await startFakeDaemon({ get_session_status: () => STATUS });
});
afterEach(() => daemon.close());

interface Ran {
  code: number;
  out: string;
  err: string;
}

/** Runs one command line against the fake daemon, as if piped. */
async function cli(
  words: string[],
  how: { stdin?: string; env?: Record<string, string>; world?: Partial<World> } = {},
): Promise<Ran> {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  stdin.end(how.stdin ?? "");
  const env = { SIGNALBOX_HOME: daemon.stateDir, PATH: process.env.PATH, ...how.env };
  const io = { stdin, stdout, stderr } as unknown as Io;
  const code = await runCli(words, env, io, { ...thisMachine(env), ...how.world });
  return { code, out: String(stdout.read() ?? ""), err: String(stderr.read() ?? "") };
}

/** The calls but those that looked a name up. */
const calls = () => daemon.calls.filter(({ command }) => command !== "get_session_status");

describe("every verb is one call", () => {
  test.each<[string, string, Record<string, unknown>, string?]>([
    ["send Agent_2 hello", "send_message_to_agent", { agent_id: "agt_2", message: "hello" }],
    [
      "message send agt_1 hi --wait delivered --wait-s 2.5 --task TASK_3 --priority urgent --no-adder-plus",
      "send_message_to_agent",
      {
        agent_id: "agt_1",
        message: "hi",
        wait_for: "delivered",
        wait_s: 2.5,
        task_id: "TASK_3",
        priority: "urgent",
        adder_plus: false,
      },
    ],
    [
      "send Agent_1 hi --session ses_b --expires-in-s 60 --idempotency-key k",
      "send_message_to_agent",
      { agent_id: "agt_3", message: "hi", expires_in_s: 60, idempotency_key: "k" },
    ],
    ["send -- agt_1 --force", "send_message_to_agent", { agent_id: "agt_1", message: "--force" }],
    ["session create code/x --name n --trust", "create_session", { root_path: "/here/code/x", name: "n", trust: true }],
    [
      "session create /x --security-level HIGH --terminal tmux --workspace worktree",
      "create_session",
      { root_path: "/x", security_level: "HIGH", terminal: "tmux", workspace: "worktree" },
    ],
    ["session delete api --force", "delete_session", { session_id: "ses_a", force: true }],
    [
      "agent create api --name Ada --kind scripted --permission-mode plan --message go --wait-s 0",
      "create_agent",
      { session_id: "ses_a", name: "Ada", kind: "scripted", permission_mode: "plan", initial_message: "go", wait_s: 0 },
    ],
    ["agent delete Agent_2", "delete_agent", { agent_id: "agt_2" }],
    ["agent clear Agent_2 --force", "clear_agent_conversation", { agent_id: "agt_2", force: true }],
    ["agent start Agent_2 --resume", "start_new_agent_conversation", { agent_id: "agt_2", resume: true }],
    ["agent interrupt Agent_2", "interrupt_agent", { agent_id: "agt_2" }],
    ["agent wait Agent_2 --until waiting", "wait_for_agent", { agent_id: "agt_2", until: "waiting" }],
    ["agent read Agent_2 --what output --lines 5", "read_agent", { agent_id: "agt_2", what: "output", lines: 5 }],
    ["logs Agent_2", "read_agent", { agent_id: "agt_2" }],
    [
      "agent answer Agent_2 req_1 deny --reason no",
      "answer_agent",
      { agent_id: "agt_2", request_id: "req_1", decision: "deny", reason: "no" },
    ],
    ["message get msg_1 --wait processed", "get_message", { message_id: "msg_1", wait_for: "processed" }],
    ["message cancel msg_1", "cancel_message", { message_id: "msg_1" }],
    ["message resend msg_1", "resend_message", { message_id: "msg_1" }],
    ["message resend msg_1 --to Agent_2", "resend_message", { message_id: "msg_1", agent_id: "agt_2" }],
    ["message broadcast api stop", "broadcast_message", { session_id: "ses_a", message: "stop" }],
    [
      "message list --agent Agent_1 --session api --state failed expired --limit 2",
      "list_messages",
      { agent_id: "agt_1", session_id: "ses_a", states: ["failed", "expired"], limit: 2 },
    ],
    ["audit --limit 5", "get_audit_log", { limit: 5 }],
    [
      "audit log --actor local --tool create_agent --since 2026-01-31T01:00:00+01:00 --cursor 7",
      "get_audit_log",
      { actor: "local", tool: "create_agent", since: "2026-01-31T00:00:00.000Z", cursor: "7" },
    ],
    [
      "token create --role observer --session api --ttl 12h",
      "create_token",
      { role: "observer", session_id: "ses_a", ttl_s: 43_200 },
      "owner",
    ],
    ["token revoke tok_1", "revoke_token", { id: "tok_1" }, "owner"],
    ["agent interrupt agt_2 --as owner", "interrupt_agent", { agent_id: "agt_2" }, "owner"],
  ])("%s", async (line, command, input, role = "operator") => {
    daemon.answers[command] = () => ({ state: "processed", message_id: "msg_1" });
    expect(await cli(line.split(" "), { world: { cwd: "/here" } })).toMatchObject({ code: 0, err: "" });
    expect(calls()).toEqual([{ command, input, role }]);
  });

  test("status, session list, session status and agent list are the same", async () => {
    for (const line of ["status", "session list", "session status", "agent list"]) {
      expect(JSON.parse((await cli([...line.split(" "), "--json"])).out)).toEqual(STATUS);
    }
    await cli(["status", "api", "--json"]);
    expect(daemon.calls.at(-1)?.input).toEqual({ session_id: "ses_a" });
  });

  test("no two verbs share a place", () => {
    const places = Object.values(VERBS).flatMap((verb) =>
      [verb.path, ...(verb.also ?? [])].map((path) => path.join(" ")),
    );
    expect(new Set(places).size).toBe(places.length);
  });

  test("a body of - is read from standard input", async () => {
    daemon.answers.send_message_to_agent = () => ({ message_id: "msg_1", state: "queued" });
    await cli(["send", "agt_1", "-"], { stdin: "line one\nline two\n" });
    expect(calls()[0]?.input).toMatchObject({ message: "line one\nline two\n" });
  });

  test("any command can be called by its own name", async () => {
    daemon.answers.new_thing = (input) => ({ got: input.x });
    expect(await cli(["call", "new_thing", "--json-input", '{"x": 1}'])).toMatchObject({ code: 0, out: '{"got":1}\n' });
    expect(await cli(["call", "new_thing", "--json-input", "[]"])).toMatchObject({ code: 2 });
  });
});

describe("names", () => {
  test("an ambiguous name lists the candidates and what tells them apart", async () => {
    const { code, err } = await cli(["send", "Agent_1", "hi"]);
    expect(code).toBe(1);
    expect(err).toContain("agt_1 in api (ses_a), agt_3 in web (ses_b)");
    expect(err).toContain("--session");
    expect(calls()).toEqual([]);
    expect((await cli(["agent", "create", "web"])).err).toContain("ses_b (/code/web), ses_c (/code/web)");
  });

  test("an unknown name is not found, nothing is called", async () => {
    expect(await cli(["send", "Nobody", "hi"])).toMatchObject({
      code: 1,
      err: expect.stringContaining('no agent "Nobody"'),
    });
    expect(await cli(["send", "Agent_2", "hi", "--session", "ses_b"])).toMatchObject({ code: 1 });
    expect(calls()).toEqual([]);
  });
});

describe("what is printed", () => {
  test("fields one a line, several lines at the end, nothing that drives a terminal", async () => {
    const reply = "first\nsecond \u001b[2J\u009b1m";
    daemon.answers.send_message_to_agent = () => ({ message_id: "msg_1", state: "processed", reply, failure: null });
    const { out } = await cli(["send", "agt_1", "hi"]);
    expect(out).toBe("message_id  msg_1\nstate       processed\n\nreply\nfirst\nsecond\n");
    const json = (await cli(["send", "agt_1", "hi", "--json"])).out;
    expect(json).not.toMatch(/[\u001b\u009b]/);
    expect(JSON.parse(json).reply).toBe(reply);
  });

  test("logs are the text alone", async () => {
    daemon.answers.read_agent = () => ({ agent_id: "agt_1", text: "> hello\u001b[0m\n\n", cursor: 3 });
    expect((await cli(["logs", "agt_1"])).out).toBe("> hello\n");
  });

  test("the audit log is a table that says how to go on", async () => {
    const entry = {
      seq: 1,
      at: "2026-01-01T00:00:00Z",
      actor: "local",
      role: "operator",
      tool: "create_agent",
      outcome: "ok",
      detail: {},
    };
    daemon.answers.get_audit_log = () => ({ entries: [entry], next_cursor: "1", head: {} });
    const { out } = await cli(["audit", "--cursor", "0"]);
    expect(out.split("\n")[0]).toMatch(/^SEQ +AT +ACTOR +ROLE +TOOL +TARGET +OUTCOME/);
    expect(out).toContain("--cursor 1");
  });

  test("the audit log's newest rows come without being asked for, since a while ago if wanted", async () => {
    daemon.answers.get_audit_log = ({ cursor }) => ({
      entries: cursor === undefined ? [{ seq: 1 }, { seq: 2 }] : [{ seq: 899 }, { seq: 900 }, { seq: 901 }],
      next_cursor: cursor === undefined ? "2" : null,
      head: { seq: 900 },
    });
    const world = { clock: { ...systemClock, now: () => Date.parse("2026-01-01T12:00:00Z") } };
    const { out } = await cli(["audit", "--json", "--limit", "2", "--since", "1h"], { world });
    expect(JSON.parse(out)).toMatchObject({ entries: [{ seq: 899 }, { seq: 900 }], next_cursor: null });
    const since = "2026-01-01T11:00:00.000Z";
    expect(calls().map(({ input }) => input)).toEqual([
      { since, limit: 2 },
      { since, cursor: "898", limit: 1_000 },
    ]);
    expect(await cli(["audit", "--since", "yesterday"])).toMatchObject({ code: 2 });
  });

  test("messages are a table", async () => {
    const failure = { code: "agent_deleted", message: "gone" };
    const message = {
      message_id: "msg_1",
      agent_id: "agt_1",
      agent_name: "Agent_1",
      sender: "operator",
      state: "failed",
      accepted_at: "2026-01-01T00:00:00Z",
      failure,
      text: "do it",
    };
    daemon.answers.list_messages = () => ({ messages: [message], next_cursor: null });
    expect((await cli(["message", "list"])).out).toBe(
      "MESSAGE ID  AGENT NAME  SENDER    STATE   ACCEPTED AT           FAILURE                             TEXT\n" +
        "msg_1       Agent_1     operator  failed  2026-01-01T00:00:00Z  code: agent_deleted, message: gone  do it\n",
    );
    daemon.answers.list_messages = () => ({ messages: [], next_cursor: null });
    expect((await cli(["message", "list"])).out).toContain("that never arrived and were not sent again");
  });

  test("a wait that came to nothing is exit 1, with the receipt still on stdout", async () => {
    daemon.answers.send_message_to_agent = () => ({ message_id: "msg_1", state: "queued" });
    const late = await cli(["send", "agt_1", "hi", "--wait", "processed", "--json"]);
    expect(late.code).toBe(1);
    expect(JSON.parse(late.out).state).toBe("queued");
    expect(JSON.parse(late.err).error).toMatchObject({
      code: "timeout",
      next_step: expect.stringContaining("message get msg_1"),
    });
    expect((await cli(["send", "agt_1", "hi"])).code).toBe(0);
    daemon.answers.wait_for_agent = () => ({ agent_id: "agt_1", state: "working", timed_out: true });
    expect((await cli(["agent", "wait", "agt_1"])).code).toBe(1);
  });

  test("help and version need no daemon", async () => {
    await daemon.close();
    const version = await cli(["--version"], { world: { version: "1.2.3" } });
    expect(version).toEqual({ code: 0, out: "1.2.3\n", err: "" });
    for (const line of ["mcp --version", "mcp --role owner --version", "serve --port 1 --version"]) {
      expect(await cli(line.split(" "), { world: { version: "1.2.3" } })).toEqual(version);
    }
    expect((await cli(["serve", "--help"])).out).toContain("--version");
    for (const line of ["--help", "agent --help", "send --help", "serve --help", "mcp --help", "help status"]) {
      const { code, out } = await cli(line.split(" "));
      expect(code).toBe(0);
      expect(out).toContain("Usage: signalbox");
    }
  });
});

describe("errors", () => {
  test.each([
    ["", "A verb is missing."],
    ["session", "A verb is missing."],
    ["dance", "Unknown command 'dance'."],
    ["send agt_1", "Missing required argument 'TEXT'."],
    ["send agt_1 hi --loudly", "Unknown option '--loudly'."],
    ["send agt_1 hi --wait never", "Allowed choices are accepted, delivered, processed."],
    ["send agt_1 hi --wait-s abc", "Option '--wait-s <seconds>' argument 'abc' is invalid. Give a number in digits."],
    ["logs agt_1 --lines -1", "argument '-1' is invalid."],
    ["token create --role operator --ttl 5x", "argument '5x' is invalid. Write it as 90s, 15m, 12h or 30d."],
    ["token create --role operator --ttl 0d", "argument '0d' is invalid. Give a time from 1s to 365d."],
    ["token create --role operator --ttl 366d", "Give a time from 1s to 365d."],
    ["send agt_1 hi --expires-in-s 0", "Give a number above 0 and up to 31536000."],
    ["send agt_1 hi --wait-s 3601", "Give a number from 0 to 3600."],
    ["message list --limit 0", "Give a whole number from 1 to 1000."],
    ["audit --limit 1001", "Give a whole number from 1 to 1000."],
    ["audit --cursor x", "Give the number that `more: --cursor` named."],
    ["logs agt_1 --lines 2.5", "Give a whole number from 1 to 5000."],
    ["token create", "Required option '--role <role>' not specified."],
    ["stop now", "Too many arguments for 'stop'."],
    ["install emacs", "Allowed choices are claude-desktop, claude-code, cursor, vscode."],
    ["install cursor -- --bogus", "There is no option --bogus."],
    ["install cursor -- extra", "There is no argument `extra`."],
    ["install cursor -- --max-agents", "--max-agents needs a value."],
    ["serve", "process of its own"],
  ])("usage: signalbox %s", async (line, sentence) => {
    const words = line === "" ? [] : line.split(" ");
    const { code, out, err } = await cli(words);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(sentence);
    expect(err.trimEnd().split("\n")).toHaveLength(1);
  });

  test("are one sentence and the next step, or the error object, always on stderr", async () => {
    daemon.answers.interrupt_agent = () => {
      throw new SignalboxError("conflict", "Agent \u001b[31mx\u001b[0m is busy.", "Wait.");
    };
    expect(await cli(["agent", "interrupt", "agt_1"])).toEqual({
      code: 1,
      out: "",
      err: "signalbox: Agent x is busy. Wait.\n",
    });
    const { code, out, err } = await cli(["agent", "interrupt", "agt_1", "--json"]);
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(JSON.parse(err)).toEqual({
      error: { code: "conflict", message: "Agent \u001b[31mx\u001b[0m is busy.", retryable: false, next_step: "Wait." },
    });
    expect(JSON.parse((await cli(["dance", "--json"])).err).error.code).toBe("invalid_input");
  });

  test("are two sentences also where the first was written by somebody else", async () => {
    daemon.answers.interrupt_agent = () => {
      throw new SignalboxError("internal", "It broke: ENOENT, open '/x'", "Look.");
    };
    expect((await cli(["agent", "interrupt", "agt_1"])).err).toBe("signalbox: It broke: ENOENT, open '/x'. Look.\n");
  });

  test("lost work is named with the flag that gives it up", async () => {
    daemon.answers.delete_agent = () => {
      throw new SignalboxError("confirmation_required", "Work would be lost: a turn is running.", "Pass force: true.");
    };
    expect((await cli(["agent", "delete", "agt_1"])).err).toContain("--force");
  });

  test("a daemon that goes away in the middle is told as that", async () => {
    daemon.answers.interrupt_agent = async () => {
      await daemon.close();
      return {};
    };
    expect(await cli(["agent", "interrupt", "agt_1"])).toMatchObject({
      code: 1,
      err: expect.stringContaining("went away"),
    });
  });
});

describe("without a daemon", () => {
  beforeEach(() => daemon.close());

  test.each(["status", "logs agt_1", "status --watch"])("%s says that none is running", async (line) => {
    expect(await cli(line.split(" "))).toMatchObject({
      code: 1,
      out: "",
      err: expect.stringMatching(/^signalbox: No daemon is running\. /),
    });
    expect(JSON.parse((await cli([...line.split(" "), "--json"])).err).error.code).toBe("not_found");
  });

  test("stop has nothing to do", async () => {
    expect(await cli(["stop"])).toEqual({ code: 0, out: "No daemon is running.\n", err: "" });
    expect(JSON.parse((await cli(["stop", "--json"])).out)).toEqual({ stopped: false, pid: null });
  });

  test("other verbs start one, and pass on why it does not start", async () => {
    const packageRoot = tempDir();
    mkdirSync(join(packageRoot, "bin"));
    const body = {
      error: { code: "storage_error", message: "The key is gone.", retryable: false, next_step: "Find it." },
    };
    const argvFile = JSON.stringify(join(packageRoot, "argv"));
    const line = JSON.stringify(`${JSON.stringify(body)}\n`);
    const script = `const fs = require("fs"); fs.writeFileSync(${argvFile}, process.argv.slice(2).join(" ")); fs.writeSync(3, ${line});`;
    writeFileSync(join(packageRoot, "bin", "signalbox"), script);
    const stateDir = tempDir();
    const ran = await cli(["session", "list", "--state-dir", stateDir], { world: { packageRoot } });
    expect(ran).toEqual({ code: 1, out: "", err: "signalbox: The key is gone. Find it.\n" });
    expect(readFileSync(join(packageRoot, "argv"), "utf8")).toBe(`daemon --state-dir ${stateDir} --ready-fd 3`);
  });
});

describe("status --watch", () => {
  test("shows the status again when it changed, and only then", async () => {
    let asked = 0;
    daemon.answers.get_session_status = async () => {
      asked += 1;
      if (asked > 4) await daemon.close();
      return { ...STATUS, sessions: asked < 3 ? [] : STATUS.sessions };
    };
    const ticking = {
      now: () => 0,
      monotonicMs: () => 0,
      after(_ms: number, run: () => void) {
        setImmediate(run);
        return { cancel() {} };
      },
    };
    const { out, code, err } = await cli(["status", "--watch", "--json"], { world: { clock: ticking } });
    expect(
      out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).sessions.length),
    ).toEqual([0, 3]);
    expect({ code, err: JSON.parse(err).error.code }).toEqual({ code: 1, err: "internal" });
  });
});

describe("install", () => {
  test("writes no entry that mcp would refuse", async () => {
    const home = tempDir();
    const { code, err } = await cli(["install", "vscode", "--", "--max-agents", "abc"], { world: { home } });
    expect({ code, err }).toEqual({
      code: 2,
      err: "signalbox: --max-agents is a whole number from 1 on. See `signalbox mcp --help`.\n",
    });
    expect(readdirSync(home)).toEqual([]);
  });

  test("--print shows the entry on stdout alone and writes nothing; then it is written", async () => {
    const home = tempDir();
    const world = { home, platform: "linux", node: "/n/node", packageRoot: "/opt/signalbox" } as const;
    const words = ["install", "cursor", "--role", "observer", "--security-level", "HIGH"];
    const args = [
      "/opt/signalbox/bin/signalbox",
      "mcp",
      "--role",
      "observer",
      "--security-level",
      "HIGH",
      "--max-agents",
      "4",
    ];
    const preview = await cli([...words, "--print", "--", "--max-agents", "4"], { world });
    expect(JSON.parse(preview.out)).toEqual({
      mcpServers: { signalbox: { command: "/n/node", args, env: { SIGNALBOX_HOME: daemon.stateDir } } },
    });
    expect(preview.err).toContain(join(home, ".cursor", "mcp.json"));
    expect(preview.err).toContain("The entry's env has what is set here: SIGNALBOX_HOME.");
    const done = await cli([...words, "--json", "--", "--max-agents", "4"], { world });
    expect(JSON.parse(done.out)).toMatchObject({ client: "cursor", outcome: "added", backup: null });
    expect(JSON.parse(readFileSync(join(home, ".cursor", "mcp.json"), "utf8"))).toEqual(JSON.parse(preview.out));
    expect((await cli([...words, "--", "--max-agents", "4"], { world })).out).toContain("already");
  });
});
