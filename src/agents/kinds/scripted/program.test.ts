// biome-ignore-all lint/suspicious/noTemplateCurlyInString: scripts write their variables this way.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { driveScriptedAgent, type Payload } from "../../../../test/support/scripted-agent.ts";
import { tempDir } from "../../../../test/support/temp-dir.ts";
import { readTurn } from "../../turn-lines.ts";
import { scripted } from "./index.ts";

const ID = "0b6f3c1e-8a55-4d5e-9a44-3f6e1c2d7a90";
const named = (hooks: Payload[], name: string) => hooks.filter((hook) => hook.hook_event_name === name);
const rule = (contains: string, ...actions: unknown[]) => ({ match: { contains }, actions });

describe("a prompt", () => {
  it("that is pasted with Enter behind it is submitted once, with its hooks, and acknowledged", async () => {
    const agent = await driveScriptedAgent();
    await agent.ready();
    agent.send("hello there");
    const stop = await agent.until("Stop", () => named(agent.hooks, "Stop")[0]);
    await agent.until("idle", () => agent.registry()?.status === "idle");
    expect(stop.last_assistant_message).toBe("ACK: hello there");
    expect(named(agent.hooks, "UserPromptSubmit")).toMatchObject([
      { prompt: "hello there", prompt_id: stop.prompt_id },
    ]);
    expect(agent.events("prompt")).toMatchObject([{ text: "hello there", via: "box", turn: 1 }]);
    expect(readTurn(scripted.turnLines(agent.transcript()), "hello")).toEqual({
      hasMarker: true,
      isQueued: false,
      interrupted: false,
      apiError: null,
      gaveUp: false,
      reply: "ACK: hello there",
    });
    expect(agent.screen()).toMatchObject({ alternate: true, bracketedPaste: true });
  });

  it("of a megabyte arrives whole", async () => {
    const agent = await driveScriptedAgent();
    await agent.ready();
    const text = `${"lorem ipsum ".repeat(87_000)}the end`;
    agent.send(text);
    await agent.until("Stop", () => named(agent.hooks, "Stop")[0]);
    const [prompt] = agent.events("prompt");
    expect(prompt?.text.includes(text)).toBe(true);
  });

  it("that its hook blocks is back in the box and never reached the model", async () => {
    const agent = await driveScriptedAgent({
      answer: (hook) => (hook.prompt === "no" ? scripted.answers.blockPrompt("seen already") : {}),
    });
    await agent.ready();
    agent.send("no");
    await agent.until("the block", () => agent.events("blocked")[0]);
    await agent.until("the draft", () => agent.reading().draft === "no");
    expect(agent.events("prompt")).toEqual([]);
    expect(agent.registry()?.status).toBe("idle");
  });

  it("typed before the program is ready stays as a draft and loses its Enter", async () => {
    const agent = await driveScriptedAgent({
      answer: (hook) => (hook.hook_event_name === "SessionStart" ? gate.opened : {}),
    });
    const gate = manualGate();
    await agent.until("SessionStart", () => named(agent.hooks, "SessionStart")[0]);
    expect(agent.registry()).toBeNull();
    agent.send("too early");
    await agent.until("the lost Enter", () => agent.events("enter_lost")[0]);
    gate.open();
    await agent.ready();
    await agent.until("the draft", () => agent.reading().draft === "too early");
    agent.type(scripted.keys.enter);
    await agent.until("the prompt", () => agent.events("prompt")[0]?.text === "too early");
  });

  it("typed into a running turn is queued, told to the hook at once, and runs when the turn ends", async () => {
    const gate = join(tempDir(), "gate");
    const agent = await driveScriptedAgent({ script: { rules: [rule("first", { waitForFile: gate })] } });
    await agent.ready();
    agent.send("first");
    await agent.until("busy", () => agent.events("prompt")[0]);
    agent.send("second");
    agent.send("third");
    await agent.until("both queued", () => agent.events("queued").length === 2);
    writeFileSync(gate, "");
    await agent.until("the queue's turn", () => named(agent.hooks, "Stop").length === 2);
    const [first, second] = named(agent.hooks, "UserPromptSubmit");
    expect(second?.prompt_id).toBe(first?.prompt_id);
    expect(named(agent.hooks, "UserPromptSubmit")).toHaveLength(3);
    expect(agent.events("prompt").map(({ text, via }) => [text, via])).toEqual([
      ["first", "box"],
      ["second\nthird", "queue"],
    ]);
    expect(readTurn(scripted.turnLines(agent.transcript()), "third").reply).toBe("ACK: second\nthird");
  });

  it("may come from the Stop hook's answer, and the next Stop says so", async () => {
    const agent = await driveScriptedAgent({
      answer: (hook) =>
        hook.hook_event_name === "Stop" && !hook.stop_hook_active ? { decision: "block", reason: "go on" } : {},
    });
    await agent.ready();
    agent.send("hello");
    await agent.until("two Stops", () => named(agent.hooks, "Stop").length === 2);
    expect(agent.events("prompt").map(({ text, via }) => [text, via])).toEqual([
      ["hello", "box"],
      ["Stop hook feedback:\ngo on", "stop_hook"],
    ]);
    expect(named(agent.hooks, "UserPromptSubmit")).toHaveLength(1);
  });

  it("runs although nobody answers its hooks", async () => {
    const agent = await driveScriptedAgent({ env: { SIGNALBOX_HOOKS_URL: "http://127.0.0.1:9/dead" } });
    await agent.ready();
    agent.send("hello");
    await agent.until("the reply", () => agent.events("reply")[0]);
    expect(agent.events("hook").map(({ outcome }) => outcome)).toContain("failed");
  });
});

describe("the box", () => {
  it("keeps a draft apart while another prompt passes, and brings it back", async () => {
    const agent = await driveScriptedAgent();
    await agent.ready();
    agent.type("half a thou");
    await agent.until("the draft", () => agent.reading().draft === "half a thou");
    agent.type("\x13");
    await agent.until("an empty box", () => agent.reading().promptBox === "empty");
    agent.send("urgent");
    await agent.until("Stop", () => named(agent.hooks, "Stop")[0]);
    await agent.until("the draft again", () => agent.reading().draft === "half a thou");
    expect(agent.events("prompt").map(({ text }) => text)).toEqual(["urgent"]);
  });

  it("glues a paste to the draft that stands there, so a driver must not", async () => {
    const agent = await driveScriptedAgent();
    await agent.ready();
    agent.type("mine ");
    agent.send("yours");
    await agent.until("the prompt", () => agent.events("prompt")[0]?.text === "mine yours");
  });

  it("shows a draft of several lines, and an empty box as empty", async () => {
    const agent = await driveScriptedAgent();
    await agent.ready();
    expect(agent.reading()).toMatchObject({ promptBox: "empty", draft: "" });
    agent.type("one\ntwo ─────\n日本 🚂");
    await agent.until("three lines", () => agent.reading().draft === "one\ntwo ─────\n日本 🚂");
    agent.resize(40, 12);
    await agent.until("the same after a resize", () => {
      const { size } = agent.screen();
      return size.cols === 40 && agent.reading().draft === "one\ntwo ─────\n日本 🚂";
    });
    agent.type("\x15".repeat(5));
    await agent.until("an empty box", () => agent.reading().promptBox === "empty");
  });

  it("runs no shell and sends no prompt for a line that begins with !", async () => {
    const agent = await driveScriptedAgent();
    await agent.ready();
    agent.send(" !rm -rf /");
    await agent.until("the shell line", () => agent.events("shell")[0]?.command === "rm -rf /");
    agent.send("/nonsense");
    await agent.until("the unknown command", () => agent.events("slash")[0]?.known === false);
    agent.send("/tmp/file is text");
    await agent.until("the prompt", () => agent.events("prompt")[0]);
    expect(agent.events("prompt")).toHaveLength(1);
  });
});

describe("a dialog", () => {
  const script = {
    rules: [
      rule("run", { permission: { tool: "Bash", input: { command: "ls ─────\n ❯ 1. Yes" }, result: "files" } }),
      rule(
        "ask",
        { question: { question: "Which?", header: "Colour", options: ["red", "blue"] } },
        { reply: "${answer}" },
      ),
    ],
  };

  it("swallows a paste, and the Enter behind it takes the highlighted option", async () => {
    const agent = await driveScriptedAgent({ script, answer: openPermission });
    await agent.ready();
    agent.send("run");
    const dialog = await agent.until("the dialog", () => agent.reading().dialog);
    expect(dialog).toMatchObject({ kind: "permission", tool: "Bash", options: ["Yes", "No"], selected: 0 });
    expect(agent.registry()).toMatchObject({ status: "waiting", waitingFor: "permission prompt" });
    expect(agent.reading().promptBox).toBe("absent");
    agent.send("a message with 2 in it");
    await agent.until("the answer", () => agent.events("dialog_answered")[0]);
    expect(agent.events("dialog_answered")).toMatchObject([{ option: "Yes", by: "keys" }]);
    expect(agent.events("dialog_swallowed")).toMatchObject([{ text: "a message with 2 in it" }]);
    await agent.until("Stop", () => named(agent.hooks, "Stop")[0]);
    expect(agent.events("tool")).toMatchObject([{ tool: "Bash", outcome: "ran", result: "files" }]);
    expect(agent.hooks.map((hook) => hook.hook_event_name)).toEqual([
      "SessionStart",
      "UserPromptSubmit",
      "PreToolUse",
      "PermissionRequest",
      "PostToolUse",
      "Stop",
    ]);
  });

  it("is answered by the hook that is held open beside it", async () => {
    const decision = { allow: false, option: null, reason: "not today" };
    const agent = await driveScriptedAgent({
      script,
      answer: (hook) =>
        hook.hook_event_name === "PermissionRequest"
          ? gate.opened.then(() => scripted.answers.decide(hook, decision))
          : {},
    });
    const gate = manualGate();
    await agent.ready();
    agent.send("run");
    await agent.until("the dialog", () => agent.reading().dialog);
    gate.open();
    await agent.until("Stop", () => named(agent.hooks, "Stop")[0]);
    expect(agent.events("tool")).toMatchObject([{ outcome: "denied", result: "not today" }]);
    await agent.until("the box", () => agent.reading().promptBox === "empty");
    expect(agent.events("dialog_answered")).toMatchObject([{ option: "deny", by: "hook" }]);
  });

  it("of a question is answered by keys and by hook alike", async () => {
    const blue = { allow: true, option: "blue", reason: null };
    const agent = await driveScriptedAgent({
      script,
      answer: (hook) => {
        if (hook.hook_event_name !== "PermissionRequest") return {};
        return hook.prompt_id === named(agent.hooks, "UserPromptSubmit")[0]?.prompt_id
          ? new Promise(() => {})
          : scripted.answers.decide(hook, blue);
      },
    });
    await agent.ready();
    agent.send("ask");
    const dialog = await agent.until("the dialog", () => agent.reading().dialog);
    expect(dialog).toMatchObject({ kind: "question", options: ["red", "blue"] });
    expect(agent.registry()?.waitingFor).toBe("input needed");
    agent.type(scripted.optionKeys(dialog, 1));
    await agent.until("the first reply", () => agent.events("reply")[0]?.text === "blue");
    await agent.ready();
    agent.send("ask again");
    await agent.until("the second reply", () => agent.events("reply")[1]?.text === "blue");
  });

  it("is dismissed by Esc, which ends the turn without a hook", async () => {
    const agent = await driveScriptedAgent({ script, answer: openPermission });
    await agent.ready();
    agent.send("run");
    await agent.until("the dialog", () => agent.reading().dialog);
    agent.type(scripted.keys.interrupt);
    await agent.until("the interrupt", () => agent.events("interrupted")[0]?.inTool);
    await agent.ready();
    expect(named(agent.hooks, "Stop")).toEqual([]);
    expect(readTurn(scripted.turnLines(agent.transcript()), "run").interrupted).toBe(true);
  });

  it("about trust stands before the registry and the hooks, and a blind Enter leaves", async () => {
    const startup = { startup: { dialogs: ["trust"] } };
    const blind = await driveScriptedAgent({ script: startup });
    await blind.until("the dialog", () => blind.reading().dialog?.kind === "trust");
    expect([blind.registry(), blind.hooks]).toEqual([null, []]);
    blind.send("hello");
    expect((await blind.exited).exitCode).toBe(1);

    const agent = await driveScriptedAgent({ script: startup, home: blind.home, cwd: blind.cwd });
    const dialog = await agent.until("the dialog", () => agent.reading().dialog);
    agent.type("2");
    agent.type(scripted.optionKeys(dialog, 1));
    await agent.ready();
    const again = await driveScriptedAgent({ script: startup, home: blind.home, cwd: blind.cwd });
    await again.ready();
  });

  it("that nobody asked for opens just after the registry said idle", async () => {
    const agent = await driveScriptedAgent({ script: { startup: { dialogs: ["upsell"] } } });
    await agent.until("waiting", () => agent.registry()?.waitingFor === "dialog open");
    const dialog = await agent.until("the dialog", () => agent.reading().dialog);
    agent.type(scripted.optionKeys(dialog, 1));
    await agent.ready();
    expect(agent.events("dialog_answered")).toMatchObject([{ option: "Not now" }]);
  });
});

describe("a turn", () => {
  it("that is interrupted before anything came back returns the words into the box", async () => {
    const agent = await driveScriptedAgent({ script: { rules: [rule("think", { hang: true })] } });
    await agent.ready();
    agent.send("think");
    await agent.until("busy", () => agent.registry()?.status === "busy" && agent.events("prompt")[0]);
    agent.type(scripted.keys.interrupt);
    await agent.until("the words again", () => agent.reading().draft === "think");
    await agent.until("idle", () => agent.registry()?.status === "idle");
    expect(agent.hooks.map((hook) => hook.hook_event_name)).toEqual(["SessionStart", "UserPromptSubmit"]);
  });

  it("that fails says so by hook, in the transcript and in the box", async () => {
    const agent = await driveScriptedAgent({
      script: { rules: [rule("x", { apiRetry: { status: 529 } }, { apiError: "server_error" })] },
    });
    await agent.ready();
    agent.send("x");
    const failure = await agent.until("StopFailure", () => named(agent.hooks, "StopFailure")[0]);
    expect(failure.error).toBe("server_error");
    await agent.ready();
    expect(readTurn(scripted.turnLines(agent.transcript()), "x").apiError).toBe("server_error");
    expect(agent.reading().promptBox).toBe("empty");
  });

  it("that floods the terminal leaves a whole screen behind", async () => {
    const agent = await driveScriptedAgent({ script: { rules: [rule("x", { flood: 1_000_000 })] } });
    await agent.ready();
    agent.send("x");
    await agent.until("Stop", () => named(agent.hooks, "Stop")[0]);
    await agent.until("the box", () => agent.reading().promptBox === "empty");
    expect(agent.screen().lines.join()).not.toContain("flood");
  });

  it("may crash the process, which leaves the registry with its last words", async () => {
    const agent = await driveScriptedAgent({ script: { rules: [rule("x", { crash: true })] } });
    await agent.ready();
    agent.send("x");
    expect((await agent.exited).signal).toBe("9");
    expect(agent.registry()?.status).toBe("busy");
    expect(named(agent.hooks, "SessionEnd")).toEqual([]);
  });

  it("may have its hooks dropped and doubled by the script", async () => {
    const agent = await driveScriptedAgent({
      script: { hooks: { drop: ["Stop"], duplicate: ["UserPromptSubmit"], delayMs: { Stop: 1 } } },
    });
    await agent.ready();
    agent.send("x");
    await agent.until("the dropped Stop", () => agent.events("hook").find(({ name }) => name === "Stop"));
    expect(agent.hooks.map((hook) => hook.hook_event_name)).toEqual([
      "SessionStart",
      "UserPromptSubmit",
      "UserPromptSubmit",
    ]);
  });

  it("may lose an Enter, which the draft on the screen shows", async () => {
    const agent = await driveScriptedAgent({ script: { swallowEnters: 1 } });
    await agent.ready();
    agent.send("x");
    await agent.until("the draft", () => agent.reading().draft === "x");
    agent.type(scripted.keys.enter);
    await agent.until("the prompt", () => agent.events("prompt")[0]);
  });
});

describe("a conversation", () => {
  it("that is resumed knows its past", async () => {
    const script = { rules: [rule("recall", { reply: "${first} in turn ${turn}" })] };
    const before = await driveScriptedAgent({ script, args: ["--session-id", ID, "--name", "Agent_1"] });
    await before.ready();
    before.send("remember the milk");
    await before.until("Stop", () => named(before.hooks, "Stop")[0]);
    before.kill("SIGKILL");
    await before.exited;

    const after = await driveScriptedAgent({ script, home: before.home, args: ["--resume", ID] });
    await after.ready();
    expect(after.hooks).toMatchObject([{ hook_event_name: "SessionStart", source: "resume", session_id: ID }]);
    after.send("recall");
    await after.until("the reply", () => after.events("reply")[0]?.text === "remember the milk in turn 2");

    const twice = await driveScriptedAgent({ home: before.home, args: ["--session-id", ID] });
    expect((await twice.exited).exitCode).toBe(1);
    await twice.until("the reason", () => twice.screen().lines.join().includes("already in use"));
  });

  it("that nobody knows cannot be resumed", async () => {
    const agent = await driveScriptedAgent({ args: ["--resume", ID] });
    expect((await agent.exited).exitCode).toBe(1);
    const why = `No conversation found with session ID: ${ID}`;
    await agent.until("the reason", () => agent.screen().lines.join().includes(why));
  });

  it("changes its id on /clear, in the same process", async () => {
    const agent = await driveScriptedAgent();
    await agent.ready();
    agent.send("/clear");
    const start = await agent.until("the second start", () => named(agent.hooks, "SessionStart")[1]);
    const [end] = named(agent.hooks, "SessionEnd");
    expect(end).toMatchObject({ reason: "clear", session_id: agent.hooks[0]?.session_id });
    expect(start.source).toBe("clear");
    expect(start.session_id).not.toBe(end?.session_id);
    expect(agent.registry()).toMatchObject({ pid: agent.pid, conversationId: start.session_id, status: "idle" });
  });
});

describe("leaving", () => {
  const ways: [string, (agent: Awaited<ReturnType<typeof driveScriptedAgent>>) => void, number, string][] = [
    ["/exit", (agent) => agent.send("/exit"), 0, "prompt_input_exit"],
    ["Ctrl-D on an empty box", (agent) => agent.type("\x04"), 0, "prompt_input_exit"],
    ["Ctrl-C twice", (agent) => agent.type("\x03\x03"), 0, "prompt_input_exit"],
    ["SIGTERM", (agent) => agent.kill("SIGTERM"), 143, "other"],
    ["SIGHUP", (agent) => agent.kill("SIGHUP"), 129, "other"],
    ["SIGINT", (agent) => agent.kill("SIGINT"), 0, "other"],
  ];
  it.each(ways)("by %s takes the registry file away and says why", async (_way, leave, code, reason) => {
    const agent = await driveScriptedAgent();
    await agent.ready();
    leave(agent);
    expect((await agent.exited).exitCode).toBe(code);
    expect(agent.registry()).toBeNull();
    expect(named(agent.hooks, "SessionEnd")).toMatchObject([{ reason }]);
    await agent.until("the screen as it was before", () => !agent.screen().alternate);
  });

  it("by a wrong script is code 2 and one sentence", async () => {
    const agent = await driveScriptedAgent({ script: { rules: [{ actions: [{ dance: true }] }] } });
    expect((await agent.exited).exitCode).toBe(2);
    const why = 'SIGNALBOX_SCRIPT: rules[0].actions[0]: unknown action "dance"';
    await agent.until("the sentence", () => agent.screen().lines[0]?.includes(why));
  });
});

/** Leaves permission requests unanswered, as when nobody looks. */
function openPermission(hook: Payload): unknown {
  return hook.hook_event_name === "PermissionRequest" ? new Promise(() => {}) : {};
}

function manualGate(): { opened: Promise<void>; open: () => void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
