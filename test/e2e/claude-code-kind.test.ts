// The agent kind against the real Claude Code, without the daemon: what the kind says must be what the program does. The
// model is scripted, the terminal real; hooks and the MCP entry lead to a small server that only listens.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { LaunchRequest, RegistryEntry, Signal } from "../../src/agents/kind.ts";
import { claudeCode } from "../../src/agents/kinds/claude-code/index.ts";
import { promptsWith } from "../../src/agents/prompt-records.ts";
import { readTurn } from "../../src/agents/turn-lines.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import { createIds, type MessageId } from "../../src/kernel/ids.ts";
import { HEADER_PATTERN, markerOf } from "../../src/messages/envelope.ts";
import type { Screen } from "../../src/terminals/terminal.ts";
import { type AgentTerminal, openAgentTerminal } from "../support/agent-terminal.ts";
import {
  CLAUDE_VERSION,
  type ClaudeHome,
  ensureRealClaude,
  freshClaudeHome,
  OLDEST_CLAUDE_VERSION,
  skipsRealClaude,
} from "../support/real-claude.ts";
import { type ScriptedModel, say, startScriptedModel, useTool } from "../support/scripted-model/index.ts";

const SECRETS = { hookSecret: "hook-s3cret-0123456789", mcpToken: "mcp-s3cret-0123456789" };
const HELPER = join(import.meta.dirname, "../../src/agents/kinds/claude-code/hook-helper.ts");
const ids = createIds(systemClock);

interface Heard {
  path: string;
  headers: IncomingHttpHeaders;
  payload: unknown;
  signal: Signal;
}

/** Listens where the daemon would; answers hooks by `answer`, which may hold them. */
async function startEars() {
  const heard: Heard[] = [];
  const ears = {
    heard,
    url: "",
    answer: (_heard: Heard, _response: ServerResponse): unknown => claudeCode.answers.pass(),
    is: <Is extends Signal["is"]>(is: Is) =>
      heard.map(({ signal }) => signal).filter((signal): signal is Extract<Signal, { is: Is }> => signal.is === is),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => {
      body += chunk.toString("utf8");
    });
    request.on("end", async () => {
      const path = request.url ?? "";
      const payload: unknown = path === "/hooks" ? JSON.parse(body) : null;
      const one: Heard = { path, headers: request.headers, payload, signal: claudeCode.translate(payload).signal };
      heard.push(one);
      if (path !== "/hooks") return response.writeHead(404).end("{}");
      const answer = await ears.answer(one, response);
      if (!response.destroyed)
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ears.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return ears;
}

/** A generous bound that only a failure reaches; each use names what it waits for. */
const SOON = { timeout: 20_000, interval: 20 };

describe.skipIf(skipsRealClaude()).each([OLDEST_CLAUDE_VERSION, CLAUDE_VERSION])("Claude Code %s", (version) => {
  let claude: string;
  let model: ScriptedModel;
  let ears: Awaited<ReturnType<typeof startEars>>;
  let home: ClaudeHome;
  let project: string;
  let terminal: AgentTerminal | null = null;

  beforeAll(async () => {
    claude = await ensureRealClaude(version);
  }, 300_000);
  beforeEach(async () => {
    model = await startScriptedModel();
    ears = await startEars();
    home = await freshClaudeHome({ modelUrl: model.url });
    project = join(home.home, "project");
    await mkdir(project);
    await trust(project);
  });
  afterEach(async () => {
    await terminal?.end();
    terminal = null;
    await model.stop();
    await ears.close();
    await home.remove();
  });

  async function trust(dir: string): Promise<void> {
    const path = join(home.home, ".claude.json");
    const settings = JSON.parse(readFileSync(path, "utf8"));
    settings.projects[dir] = { hasTrustDialogAccepted: true };
    await writeFile(path, JSON.stringify(settings));
  }

  function start(change: Partial<LaunchRequest> = {}, cwd = project): LaunchRequest {
    const request: LaunchRequest = {
      agentId: ids.agent(),
      name: "Agent_1",
      executable: { path: claude, firstArgs: [], version },
      conversationId: ids.conversation(),
      resume: false,
      systemPrompt: "APPENDED-1",
      model: null,
      permissionMode: "manual",
      hooksUrl: `${ears.url}/hooks`,
      mcpUrl: `${ears.url}/mcp`,
      ...SECRETS,
      hookHelper: [process.execPath, HELPER],
      promptRecord: join(home.home, "prompts"),
      headerPattern: HEADER_PATTERN,
      env: home.env,
      ...change,
    };
    const plan = claudeCode.launch(request);
    terminal = openAgentTerminal({ argv: plan.argv, env: plan.env, cwd });
    return request;
  }

  const running = (): AgentTerminal => {
    if (terminal === null) throw new Error("no terminal was opened");
    return terminal;
  };
  const reading = async () => claudeCode.readScreen(await running().screen());

  function registryEntry(): RegistryEntry | null {
    const dir = claudeCode.registryDir(home.env);
    const names = existsSync(dir) ? readdirSync(dir).filter((name) => name.endsWith(".json")) : [];
    const entries = names.map((name) => claudeCode.readRegistry(readFileSync(join(dir, name), "utf8")));
    return entries.find((entry) => entry?.pid === terminal?.pid) ?? null;
  }

  async function ready(): Promise<void> {
    const isIdle = () => registryEntry()?.status === "idle";
    // A process that ended says why on its screen, and the screen is what this wait reports.
    const fits = (screen: Screen) => isIdle() && claudeCode.readScreen(screen).promptBox === "empty";
    await expect
      .poll(async () => fits(await running().screen()), SOON)
      .toBe(true)
      .catch(() => undefined);
    await running().waitForScreen(fits, "idle by the registry, with an empty prompt box", 1);
  }

  /** Submits as the courier does: one piece, then a look at the box, then Enter again when the text still stands there (the
   *  older version drops the Enter of a process's first paste). */
  async function submit(text: string): Promise<void> {
    const before = ears.is("prompt_submitted").length;
    const isConfirmed = () => ears.is("prompt_submitted").length > before;
    running().write(claudeCode.submitKeys(text));
    for (let attempt = 0; attempt < 5 && !isConfirmed(); attempt++) {
      await expect
        .poll(isConfirmed, { timeout: 1_500, interval: 20 })
        .toBe(true)
        .catch(() => undefined);
      if (!isConfirmed() && (await reading()).promptBox === "draft") running().write(claudeCode.keys.enter);
    }
    await expect.poll(isConfirmed, { ...SOON, message: "the prompt hook" }).toBe(true);
  }

  /** Presses an option as the supervisor does: step by step, looking in between. After an Enter or a digit the dialog gets
   *  its time to go: a second Enter would land in the prompt box behind it. */
  async function press(label: RegExp): Promise<void> {
    for (let step = 0; step < 10; step++) {
      const { dialog } = await reading();
      if (dialog === null) return;
      const option = dialog.options.findIndex((one) => label.test(one));
      expect(option, `${label} among ${dialog.options.join(", ")}`).toBeGreaterThanOrEqual(0);
      const keys = claudeCode.optionKeys(dialog, option);
      running().write(keys);
      const isDone = (screen: Screen) => {
        const now = claudeCode.readScreen(screen).dialog;
        return now === null || now.selected !== dialog.selected;
      };
      // A dialog swallows keys in its first moments: then nothing changes, and the next step repeats the key.
      await running()
        .waitForScreen(isDone, "the key's effect", 3_000)
        .catch(() => undefined);
    }
    throw new Error(`the dialog did not go: ${JSON.stringify((await reading()).dialog)}`);
  }

  it("gets a message exactly once and says so by hook, transcript and reply", async () => {
    const request = start();
    await ready();
    await submit("[signalbox msg_1 from test]\nhello MARKER-1");
    await expect.poll(() => ears.is("turn_ended").length, { ...SOON, message: "the Stop hook" }).toBe(1);

    expect(ears.is("prompt_submitted")).toEqual([
      { is: "prompt_submitted", prompt: expect.stringContaining("MARKER-1"), promptId: expect.any(String) },
    ]);
    expect(ears.is("turn_ended")[0]?.reply).toContain("hello MARKER-1");
    expect(model.deliveries("MARKER-1")).toHaveLength(1);
    expect(JSON.stringify(model.turnsWith("MARKER-1")[0]?.body.system)).toContain("APPENDED-1");
    const path = claudeCode.transcriptPath(home.env, project, request.conversationId);
    const transcript = () =>
      readTurn(claudeCode.turnLines(existsSync(path) ? readFileSync(path, "utf8") : ""), "MARKER-1");
    await expect
      .poll(() => String(transcript().reply), { ...SOON, message: "the transcript" })
      .toContain("hello MARKER-1");
    expect(registryEntry()?.conversationId).toBe(request.conversationId);
  });

  it("has noted a prompt by itself when the model is asked, under the name that its hook gives it", async () => {
    const request = start();
    await ready();
    const header = markerOf("msg_1" as MessageId);
    let noted: string[] = [];
    model.script({
      reply() {
        noted = promptsWith(readFileSync(request.promptRecord, "utf8"), header);
        return say("ok");
      },
    });
    await submit(`${header}test]\nsecret words with \\${markerOf("msg_2" as MessageId)}test] in them`);
    await expect.poll(() => ears.is("turn_ended").length, { ...SOON, message: "the Stop hook" }).toBe(1);

    expect(noted).toEqual(ears.is("prompt_submitted").map(({ promptId }) => promptId));
    expect(promptsWith(readFileSync(request.promptRecord, "utf8"), markerOf("msg_2" as MessageId))).toEqual([]);
    expect(readFileSync(request.promptRecord, "utf8")).not.toContain("secret");
    expect(JSON.stringify(model.requests.map(({ body }) => body))).not.toContain("prompt_id");
  });

  it("fills our secrets in from its environment and shows them in no process list", async () => {
    start();
    await ready();
    await expect
      .poll(() => ears.heard.some(({ path }) => path === "/mcp"), { ...SOON, message: "the MCP entry" })
      .toBe(true);
    await expect.poll(() => ears.is("conversation_started").length, { ...SOON, message: "SessionStart" }).toBe(1);
    await expect.poll(() => ears.is("telemetry").length, { ...SOON, message: "the status line" }).toBeGreaterThan(0);

    for (const { path, headers } of ears.heard) {
      expect(headers.authorization).toBe(`Bearer ${path === "/mcp" ? SECRETS.mcpToken : SECRETS.hookSecret}`);
    }
    if (process.platform === "linux") {
      const commandLine = readFileSync(`/proc/${running().pid}/cmdline`, "utf8");
      expect(commandLine).toContain("--session-id");
      for (const secret of Object.values(SECRETS)) expect(commandLine).not.toContain(secret);
    }
  });

  it("is answered from outside while its dialog stands open", async () => {
    let held: Heard | null = null;
    let release = (_answer: unknown) => {};
    ears.answer = (one) => {
      if (one.signal.is !== "dialog_opened") return claudeCode.answers.pass();
      held = one;
      return new Promise((resolve) => {
        release = resolve;
      });
    };
    model.script({ reply: useTool("Bash", { command: "touch made-by-tool" }), times: 1 });
    start();
    await ready();
    await submit("make it");
    await expect
      .poll(() => held?.signal, { ...SOON, message: "the PermissionRequest hook" })
      .toMatchObject({
        dialog: { kind: "permission", tool: "Bash", summary: expect.stringContaining("touch made-by-tool") },
      });
    await expect.poll(() => registryEntry()?.status, { ...SOON, message: "the registry says waiting" }).toBe("waiting");
    await running().waitForScreen((s) => claudeCode.readScreen(s).dialog?.kind === "permission", "the dialog");

    const decision = { allow: false, option: null, reason: "not on a Sunday" };
    release(claudeCode.answers.decide((held as Heard | null)?.payload, decision));
    const told = await model.waitForRequest((request) => request.toolResults.length > 0);
    expect(told.toolResults.join()).toContain("not on a Sunday");
    expect(existsSync(join(project, "made-by-tool"))).toBe(false);
  });

  it("keeps its dialog when whoever holds the hook dies, and takes the answer from the keyboard", async () => {
    ears.answer = (one, response) => {
      if (one.signal.is === "dialog_opened") response.destroy();
      return claudeCode.answers.pass();
    };
    model.script({ reply: useTool("Bash", { command: "touch made-by-tool" }), times: 1 });
    start();
    await ready();
    await submit("make it");
    await expect.poll(() => ears.is("dialog_opened").length, { ...SOON, message: "the hook" }).toBe(1);
    await running().waitForScreen((s) => claudeCode.readScreen(s).dialog?.kind === "permission", "the dialog");
    await press(/^No\b/);
    await expect.poll(() => registryEntry()?.status, { ...SOON, message: "the registry says idle" }).toBe("idle");
    expect(existsSync(join(project, "made-by-tool"))).toBe(false);
  });

  it("asks whether to trust a directory, and the answer is pressed step by step", async () => {
    const foreign = join(home.home, "foreign");
    await mkdir(foreign);
    start({}, foreign);
    await running().waitForScreen((s) => claudeCode.readScreen(s).dialog?.kind === "trust", "the trust dialog");
    expect(registryEntry()).toBeNull();
    await press(/^Yes/);
    await ready();
  });

  it("leaves a mention unread", async () => {
    await writeFile(join(project, "private.txt"), "PRIVATE-WORDS\n");
    start();
    await ready();
    await submit("[signalbox msg_1 from test]\nlook at @private.txt and @private.txt");
    const request = await model.waitForRequest((one) => one.newUserText.includes("msg_1"));
    expect(JSON.stringify(request.body)).not.toContain("PRIVATE-WORDS");
  });

  it("keeps a blocked prompt from the model for good", async () => {
    ears.answer = (one) =>
      one.signal.is === "prompt_submitted" && one.signal.prompt.includes("TWICE")
        ? claudeCode.answers.blockPrompt("delivered before")
        : claudeCode.answers.pass();
    start();
    await ready();
    await submit("TWICE");
    await running().waitForScreen((s) => s.lines.some((line) => line.includes("delivered before")), "the reason");
    if ((await reading()).promptBox === "draft") running().write(claudeCode.keys.clearLine.repeat(4));
    await running().waitForScreen((s) => claudeCode.readScreen(s).promptBox === "empty", "an empty box");
    await submit("the next one");
    await model.waitForRequest((request) => request.newUserText.includes("the next one"));
    expect(model.requests.some((request) => JSON.stringify(request.body).includes("TWICE"))).toBe(false);
  });

  it("leaves a blocked prompt out of what its transcript says it took", async () => {
    ears.answer = ({ signal }) =>
      signal.is === "prompt_submitted" && signal.prompt.includes("REFUSED")
        ? claudeCode.answers.blockPrompt("not this one")
        : claudeCode.answers.pass();
    const { conversationId } = start();
    await ready();
    await submit("REFUSED");
    await running().waitForScreen((s) => s.lines.some((line) => line.includes("not this one")), "the reason");
    if ((await reading()).promptBox === "draft") running().write(claudeCode.keys.clearLine.repeat(4));
    await running().waitForScreen((s) => claudeCode.readScreen(s).promptBox === "empty", "an empty box");
    await submit("TAKEN");
    const path = claudeCode.transcriptPath(home.env, project, conversationId);
    const has = (marker: string) => readTurn(claudeCode.turnLines(readFileSync(path, "utf8")), marker).hasMarker;
    await expect.poll(() => existsSync(path) && has("TAKEN"), SOON).toBe(true);
    expect(has("REFUSED")).toBe(false);
  });

  it("goes on with an order in the answer to a turn's end, and reads a note within a turn", async () => {
    ears.answer = ({ signal }) => {
      if (signal.is === "turn_ended" && !signal.continued) return claudeCode.answers.handOver("SECOND-ORDER");
      if (signal.is === "tool_ended") return claudeCode.answers.note("A-NOTE");
      return claudeCode.answers.pass();
    };
    model.script({ reply: useTool("Bash", { command: "echo hello" }), times: 1 });
    start();
    await ready();
    await submit("first order");
    await expect.poll(() => ears.is("turn_ended").map((end) => end.continued), SOON).toEqual([false, true]);
    expect(model.deliveries("A-NOTE")).toHaveLength(1);
    expect(model.deliveries("SECOND-ORDER")).toHaveLength(1);
  });

  it("resumes its conversation with the system prompt of now", async () => {
    const first = start();
    await ready();
    await submit("remember MARKER-2");
    // The Stop hook comes before the transcript is on disk; a process ended in between leaves nothing to resume.
    const path = claudeCode.transcriptPath(home.env, project, first.conversationId);
    const text = () => (existsSync(path) ? readFileSync(path, "utf8") : "");
    await expect.poll(() => readTurn(claudeCode.turnLines(text()), "MARKER-2").reply ?? "", SOON).toContain("MARKER-2");
    await running().end();

    start({ conversationId: first.conversationId, resume: true, systemPrompt: "APPENDED-2" });
    await ready();
    await submit("go on");
    const request = await model.waitForRequest((one) => one.newUserText.includes("go on"));
    expect(request.conversationId).toBe(first.conversationId);
    expect(model.deliveries("MARKER-2")).toHaveLength(1);
    expect(JSON.stringify(request.body.system)).toContain("APPENDED-2");
    expect(JSON.stringify(request.body.system)).not.toContain("APPENDED-1");
  });
});
