import { describe, expect, it } from "vitest";
import type { AgentId, ConversationId } from "../../../kernel/ids.ts";
import type { LaunchRequest } from "../../kind.ts";
import { claudeCode } from "./index.ts";

const REQUEST: LaunchRequest = {
  agentId: "agt_1" as AgentId,
  name: "Agent_1",
  executable: { path: "/bin/claude", firstArgs: [], version: "2.1.330" },
  conversationId: "c-1" as ConversationId,
  resume: false,
  systemPrompt: null,
  model: null,
  permissionMode: "manual",
  hooksUrl: "http://127.0.0.1:1/hooks",
  mcpUrl: "http://127.0.0.1:1/mcp",
  hookSecret: "s3cret-hook",
  mcpToken: "s3cret-mcp",
  hookHelper: ["/usr/bin/node", "/opt/it's here/hook-helper.js"],
  promptRecord: "/state/prompts/agt_1-g1",
  headerPattern: "[[]letter ",
  env: { HOME: "/home/ada", PATH: "/bin" },
};
const launch = (change: Partial<LaunchRequest> = {}) => claudeCode.launch({ ...REQUEST, ...change });
const argAfter = (argv: readonly string[], flag: string) => argv[argv.indexOf(flag) + 1] ?? "";
const older = { ...REQUEST.executable, version: "2.1.197" };

describe("starting Claude Code", () => {
  it("keeps secrets out of what every process list shows", () => {
    const { argv, env } = launch();
    expect(argv.join(" ")).not.toContain("s3cret");
    expect(env).toMatchObject({
      SIGNALBOX_HOOK_SECRET: "s3cret-hook",
      SIGNALBOX_AGENT_TOKEN: "s3cret-mcp",
      PATH: "/bin",
    });
  });

  it("quotes the hook helper for the shell that runs it", () => {
    const settings = JSON.parse(argAfter(launch().argv, "--settings"));
    const command = "'/usr/bin/node' '/opt/it'\\''s here/hook-helper.js'";
    expect(settings.hooks.SessionStart[0].hooks[0]).toMatchObject({ type: "command", command });
    expect(settings.statusLine.command).toBe(`${command} 'status-line'`);
  });

  it.each([
    [{ resume: false }, "--session-id", "c-1"],
    [{ resume: true }, "--resume", "c-1"],
    [{ permissionMode: "manual" }, "--permission-mode", "default"],
    [{ permissionMode: "plan" }, "--permission-mode", "plan"],
    [{ model: "sonnet" }, "--model", "sonnet"],
    [{ systemPrompt: "be kind" }, "--append-system-prompt", "be kind"],
    [{ systemPrompt: "be kind", resume: true }, "--system-prompt-snapshot", "off"],
  ] as const)("%o -> %s %s", (change, flag, value) => {
    expect(argAfter(launch(change).argv, flag)).toBe(value);
  });

  it("passes no flag that the version does not know", () => {
    const { argv } = launch({ executable: older, systemPrompt: "x", resume: true });
    expect(argv).not.toContain("--system-prompt-snapshot");
    expect(argv).not.toContain("--messaging-socket-path");
  });

  it("skips the warning of bypassPermissions only where that was asked for", () => {
    const key = "skipDangerousModePermissionPrompt";
    expect(JSON.parse(argAfter(launch().argv, "--settings"))).not.toHaveProperty(key);
    const { argv } = launch({ permissionMode: "bypassPermissions" });
    expect(JSON.parse(argAfter(argv, "--settings"))).toHaveProperty(key, true);
  });
});

describe("versions", () => {
  it("are read from what the program prints", () => {
    expect(claudeCode.parseVersion("2.1.330 (Claude Code)\n")).toBe("2.1.330");
    expect(claudeCode.parseVersion("command not found")).toBeNull();
  });

  it("below the tested ones are refused with a next step, newer ones welcome", () => {
    expect(claudeCode.refuseVersion("2.1.196")).toMatchObject({ why: expect.stringContaining("2.1.196") });
    expect(claudeCode.refuseVersion("1.9.999")).not.toBeNull();
    for (const version of ["2.1.197", "2.1.1000", "2.2.0", "3.0.0"])
      expect(claudeCode.refuseVersion(version)).toBeNull();
  });
});

describe("its files", () => {
  const id = "c-1" as ConversationId;

  it("lie below the configuration directory", () => {
    expect(claudeCode.registryDir({ HOME: "/home/ada" })).toBe("/home/ada/.claude/sessions");
    expect(claudeCode.registryDir({ HOME: "/home/ada", CLAUDE_CONFIG_DIR: "/cfg" })).toBe("/cfg/sessions");
  });

  // Both names were read off the real program's own directory.
  it.each([
    ["/tmp/kindlab/long/Größe & co_x.y 日本/😀 a", "-tmp-kindlab-long-Gr--e---co-x-y-------a"],
    [
      `/tmp/kindlab/long/${"d".repeat(120)}/${"e".repeat(120)}`,
      `-tmp-kindlab-long-${"d".repeat(120)}-${"e".repeat(61)}-4w7tzt`,
    ],
  ])("are named after the working directory: %s", (cwd, name) => {
    expect(claudeCode.transcriptPath({ HOME: "/h" }, cwd, id)).toBe(`/h/.claude/projects/${name}/c-1.jsonl`);
  });

  it("say the status of a session, or nothing while they are half written", () => {
    const full = { pid: 7, sessionId: "c-1", status: "waiting", waitingFor: "permission prompt", statusUpdatedAt: 5 };
    const read = (change: object) => claudeCode.readRegistry(JSON.stringify({ ...full, ...change }));
    expect(read({})).toMatchObject({
      pid: 7,
      conversationId: "c-1",
      status: "waiting",
      waitingFor: "permission prompt",
      statusUpdatedAtMs: 5,
    });
    expect(read({ status: "shell" })).toMatchObject({ status: "idle", waitingFor: null });
    for (const change of [{ status: undefined }, { status: "new" }, { pid: "7" }]) expect(read(change)).toBeNull();
    for (const text of ["", '{"pid":7,', "null", "[]"]) expect(claudeCode.readRegistry(text)).toBeNull();
  });
});

describe("hooks", () => {
  const base = { session_id: "c-1" };
  const asks = { question: "Which?", header: "Colour", options: [{ label: "Red" }, { label: "Blue" }] };
  const question = { hook_event_name: "PermissionRequest", tool_name: "AskUserQuestion" };

  it.each([
    [
      { hook_event_name: "UserPromptSubmit", prompt: "hi" },
      { is: "prompt_submitted", prompt: "hi", promptId: null },
    ],
    [
      { hook_event_name: "Stop", last_assistant_message: "ok", background_tasks: [{}], stop_hook_active: true },
      { is: "turn_ended", reply: "ok", backgroundTasks: 1, continued: true },
    ],
    [
      { hook_event_name: "StopFailure", error: "server_error" },
      { is: "turn_failed", error: "server_error", reply: null },
    ],
    [
      { hook_event_name: "PreToolUse", tool_name: "Bash" },
      { is: "tool_started", tool: "Bash" },
    ],
    [
      { hook_event_name: "PostToolUse", tool_name: "Bash" },
      { is: "tool_ended", tool: "Bash" },
    ],
    [{ hook_event_name: "PostToolUse", tool_name: "Bash", agent_id: "a1" }, { is: "nothing" }],
    [
      { hook_event_name: "SessionStart", source: "clear", model: "m" },
      { is: "conversation_started", source: "clear" },
    ],
    [
      { hook_event_name: "SessionEnd", reason: "clear" },
      { is: "conversation_ended", reason: "clear" },
    ],
    [
      { model: { display_name: "Opus" }, context_window: { used_percentage: 12.5 }, cost: { total_cost_usd: 0.03 } },
      { is: "telemetry", model: "Opus", contextUsedPct: 12.5, costUsd: 0.03 },
    ],
    [{ hook_event_name: "SomethingNew" }, { is: "nothing" }],
  ])("%o", (payload, signal) => {
    expect(claudeCode.translate({ ...base, ...payload })).toEqual({ conversationId: "c-1", signal });
  });

  it.each([null, 7, "x", [], { hook_event_name: 7 }, { hook_event_name: "PermissionRequest", tool_input: "x" }])(
    "never trip over what they are sent: %o",
    (payload) => expect(claudeCode.translate(payload).conversationId).toBeNull(),
  );

  it("tell how much of a long command they leave out", () => {
    const command = "x".repeat(1_000);
    const payload = { hook_event_name: "PermissionRequest", tool_name: "Bash", tool_input: { command } };
    expect(claudeCode.translate(payload).signal).toMatchObject({
      is: "dialog_opened",
      dialog: { kind: "permission", tool: "Bash", summary: expect.stringMatching(/… \(600 more characters\)$/) },
    });
  });

  it("answer a permission dialog and a question from outside", () => {
    const tool_input = { questions: [asks] };
    const payload = { ...question, tool_input };
    expect(claudeCode.translate(payload).signal).toMatchObject({
      dialog: { kind: "question", options: ["Red", "Blue"] },
    });
    const decided = (decision: object) => ({ hookSpecificOutput: { hookEventName: "PermissionRequest", decision } });
    const decide = (allow: boolean, option: string | null) =>
      claudeCode.answers.decide(payload, { allow, option, reason: allow ? null : "no" });
    expect(decide(true, "Blue")).toEqual(
      decided({ behavior: "allow", updatedInput: { ...tool_input, answers: { "Which?": "Blue" } } }),
    );
    expect(decide(false, null)).toEqual(decided({ behavior: "deny", message: "no" }));
  });

  it("leave several questions at once to the terminal", () => {
    const payload = { ...question, tool_input: { questions: [asks, { ...asks, question: "And?" }] } };
    expect(claudeCode.translate(payload).signal).toMatchObject({ dialog: { kind: "question", options: [] } });
  });
});
