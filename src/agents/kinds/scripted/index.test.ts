import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AgentId, ConversationId } from "../../../kernel/ids.ts";
import { createEmulator } from "../../../terminals/emulator.ts";
import type { Screen } from "../../../terminals/terminal.ts";
import { readTurn } from "../../turn-lines.ts";
import { permissionDialog, questionDialog, trustDialog, upsellDialog } from "./dialogs.ts";
import { createPainter, layOut, type View } from "./frame.ts";
import { scripted } from "./index.ts";
import { parseOptions } from "./options.ts";

const ID = "0b6f3c1e-8a55-4d5e-9a44-3f6e1c2d7a90" as ConversationId;

describe("launching", () => {
  const request = {
    agentId: "agt_1" as AgentId,
    name: "Agent_1",
    executable: { path: "/usr/bin/node", firstArgs: ["/opt/scripted-agent.js"], version: null },
    conversationId: ID,
    resume: false,
    systemPrompt: "You are Agent_1",
    model: null,
    permissionMode: "manual" as const,
    hooksUrl: "http://127.0.0.1:1/hooks",
    mcpUrl: "http://127.0.0.1:1/mcp",
    hookSecret: "hook-secret",
    mcpToken: "mcp-token",
    hookHelper: ["/usr/bin/node", "/opt/hook-helper.js"] as const,
    promptRecord: "/state/prompts/agt_1-g1",
    headerPattern: "[[]letter ",
    env: { PATH: "/bin", TMPDIR: "/var/tmp", SIGNALBOX_SCRIPT: "{}" },
  };

  it("gives the program a command line it understands", () => {
    const { argv } = scripted.launch(request);
    expect(argv.slice(0, 2)).toEqual(["/usr/bin/node", "/opt/scripted-agent.js"]);
    expect(parseOptions(argv.slice(2))).toEqual({
      conversation: { is: "new", id: ID },
      name: "Agent_1",
      permissionMode: "manual",
      model: null,
    });
    const resumed = scripted.launch({ ...request, resume: true, model: "m" }).argv;
    expect(parseOptions(resumed.slice(2))).toMatchObject({ conversation: { is: "resume", id: ID }, model: "m" });
  });

  it("keeps secrets out of the command line and passes the script on", () => {
    const { argv, env } = scripted.launch(request);
    expect(argv.join(" ")).not.toMatch(/secret|token/);
    expect(env).toMatchObject({
      ...request.env,
      SIGNALBOX_HOOK_SECRET: "hook-secret",
      SIGNALBOX_AGENT_TOKEN: "mcp-token",
    });
    expect(scripted.registryDir(env)).toBe(scripted.registryDir(request.env));
  });

  it("never points into Claude's own folder", () => {
    expect(scripted.registryDir({ HOME: "/home/x" })).not.toContain(".claude");
  });

  it.each([
    ["--frob", "unknown option"],
    ["--resume", "needs a value"],
    ["--session-id ../../etc", "not a conversation id"],
    ["--session-id a --resume b", "exclude each other"],
  ])("refuses %s", (line, why) => {
    expect(parseOptions(line.split(" "))).toEqual({ wrong: expect.stringContaining(why) });
  });
});

describe("the screen", () => {
  const view: View = {
    cols: 80,
    rows: 24,
    history: [],
    activity: null,
    queued: [],
    dialog: null,
    box: { draft: "", placeholder: "Try something" },
    footer: "manual mode",
  };
  const dialogs = [
    trustDialog("/srv/code"),
    upsellDialog(),
    permissionDialog("Bash", { command: "ls" }),
    questionDialog("Colour", "Which?", ["red", "blue", "green"]),
  ];

  it("is read as empty, whatever was said above and whatever the placeholder is", () => {
    const nasty = fc.oneof(fc.string(), fc.constantFrom("─".repeat(80), "❯ draft", " ❯ 1. Yes", " Enter to confirm"));
    fc.assert(
      fc.property(fc.array(nasty.map((text) => `⏺ ${text}`)), nasty, (history, placeholder) => {
        const reading = scripted.readScreen(shown({ ...view, history, box: { draft: "", placeholder } }));
        expect(reading).toEqual({ promptBox: "empty", draft: "", isStashed: false, dialog: null });
      }),
      { numRuns: 40 },
    );
  });

  it("gives a draft back as it was typed", () => {
    const word = fc.constantFrom("a", "b c", "日本", "🚂", "─────", "❯", "1. Yes", "\n");
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 8 }), (words) => {
        const draft = `x${words.join("")}x`;
        const reading = scripted.readScreen(shown({ ...view, box: { draft, placeholder: "" } }));
        expect(reading).toEqual({ promptBox: "draft", draft, isStashed: false, dialog: null });
      }),
      { numRuns: 40 },
    );
  });

  it.each(dialogs.map((dialog) => [dialog.kind, dialog] as const))("shows a dialog of kind %s", (kind, dialog) => {
    for (let selected = 0; selected < dialog.options.length; selected++) {
      const reading = scripted.readScreen(shown({ ...view, dialog: { ...dialog, selected } }));
      expect(reading).toMatchObject({ promptBox: "absent", dialog: { kind, options: dialog.options, selected } });
    }
  });

  it("shows no prompt before there is one", () => {
    expect(scripted.readScreen(shown({ ...view, box: null })).promptBox).toBe("absent");
  });

  it("needs only the rows that changed", () => {
    const emulator = createEmulator({ size: view, scrollbackLines: 0, answer() {}, synchronous: true });
    let bytes = 0;
    const painter = createPainter((text) => {
      bytes = text.length;
      emulator.write(Buffer.from(text));
    });
    painter.paint(layOut({ ...view, history: Array.from({ length: 20 }, (_, row) => `line ${row}`) }));
    const whole = bytes;
    painter.paint(layOut({ ...view, history: Array.from({ length: 20 }, (_, row) => `line ${row}`), footer: "new" }));
    expect(bytes).toBeLessThan(whole / 4);
    expect(emulator.screen({ outputBytes: 0, viewerInputs: 0 }).lines.at(-1)).toBe("  new");
  });
});

describe("the hooks", () => {
  const base = { session_id: ID, cwd: "/x" };
  it.each([
    [
      { hook_event_name: "UserPromptSubmit", prompt: "p" },
      { is: "prompt_submitted", prompt: "p", promptId: null },
    ],
    [
      { hook_event_name: "Stop", last_assistant_message: "r", background_tasks: [{}] },
      { is: "turn_ended", reply: "r", backgroundTasks: 1, continued: false },
    ],
    [
      { hook_event_name: "StopFailure", error: "e" },
      { is: "turn_failed", error: "e", reply: null },
    ],
    [
      { hook_event_name: "SessionStart", source: "clear" },
      { is: "conversation_started", source: "clear" },
    ],
    [
      { hook_event_name: "SessionEnd", reason: "other" },
      { is: "conversation_ended", reason: "other" },
    ],
    [
      { hook_event_name: "PreToolUse", tool_name: "Bash" },
      { is: "tool_started", tool: "Bash" },
    ],
    [{ hook_event_name: "Whatever" }, { is: "nothing" }],
  ])("say in shared words: %j", (payload, signal) => {
    expect(scripted.translate({ ...base, ...payload })).toEqual({ conversationId: ID, signal });
  });

  it("of any shape are taken without breaking", () => {
    const names = fc.constantFrom("Stop", "PermissionRequest", "UserPromptSubmit", "SessionStart");
    fc.assert(
      fc.property(fc.anything(), names, fc.anything(), (any, name, input) => {
        expect(scripted.translate(any)).toBeDefined();
        expect(
          scripted.translate({ hook_event_name: name, tool_name: "AskUserQuestion", tool_input: input }),
        ).toBeDefined();
      }),
    );
  });
});

describe("the registry file and the transcript", () => {
  it.each(["", "{", "null", "[]", '{"pid":1}', '{"pid":1,"sessionId":"x","status":"new"}'])(
    "%j is no entry",
    (text) => {
      expect(scripted.readRegistry(text)).toBeNull();
    },
  );

  it("answers for the turn of the marker only, and survives a line cut short", () => {
    const lines = [
      { type: "user", message: { content: "[signalbox msg_1 from a]\nhi" } },
      { type: "user", message: { content: [{ type: "tool_result", content: "msg_2 is queued" }] } },
      { type: "assistant", message: { content: [{ type: "text", text: "one" }] } },
      { type: "user", message: { content: "next" } },
      { type: "assistant", message: { content: [{ type: "text", text: "two" }] } },
    ];
    const text = `${lines.map((line) => JSON.stringify(line)).join("\n")}\n{"type":"assi`;
    expect(readTurn(scripted.turnLines(text), "msg_1")).toMatchObject({ hasMarker: true, reply: "one" });
    expect(readTurn(scripted.turnLines(text), "msg_2")).toMatchObject({ hasMarker: false, reply: null });
    expect(scripted.renderTranscript(text, 2)).toBe("> next\ntwo");
  });
});

function shown(view: View): Screen {
  const emulator = createEmulator({ size: view, scrollbackLines: 0, answer() {}, synchronous: true });
  createPainter((bytes) => emulator.write(Buffer.from(bytes))).paint(layOut(view));
  return emulator.screen({ outputBytes: 0, viewerInputs: 0 });
}
