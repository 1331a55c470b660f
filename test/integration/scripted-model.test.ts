// The oracle itself, checked from outside: what it calls a delivery, and that a script answers as written.

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  cut,
  fail,
  gate,
  type ScriptedModel,
  say,
  startScriptedModel,
  useTool,
} from "../support/scripted-model/index.ts";

const SYSTEM = [{ type: "text", text: "You are Claude Code, Anthropic's official CLI for Claude." }];
const TOOLS = [{ name: "Bash" }, { name: "Read" }];
const user = (...texts: string[]) => ({ role: "user", content: texts.map((text) => ({ type: "text", text })) });
const assistant = (text: string) => ({ role: "assistant", content: [{ type: "text", text }] });

let model: ScriptedModel;
beforeEach(async () => {
  model = await startScriptedModel();
});
afterEach(() => model.stop());

function post(body: object, conversation = "c1", headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${model.url}/v1/messages?beta=true`, {
    method: "POST",
    headers: { "x-claude-code-session-id": conversation, ...headers },
    body: JSON.stringify({ model: "m", system: SYSTEM, tools: TOOLS, ...body }),
  });
}
const replyText = async (response: Response) =>
  ((await response.json()) as { content: { text: string }[] }).content.map((block) => block.text).join("");

describe("the scripted model", () => {
  it("acknowledges the user's words and not the program's reminders", async () => {
    const response = await post({ messages: [user("<system-reminder>x</system-reminder>", "hello")] });
    expect(await replyText(response)).toBe("ACK: hello");
    expect(model.requests[0]).toMatchObject({ kind: "main", newUserText: "hello", conversationId: "c1" });
  });

  it("counts a marker once for each time the conversation holds it, however often its history is sent", async () => {
    await post({ messages: [user("do MARK-1")] });
    await post({ messages: [user("do MARK-1"), assistant("did MARK-1"), user("next")] });
    await post({ messages: [user("do MARK-1")] }, "c2");
    expect(model.deliveries("MARK-1").map((d) => d.conversationId)).toEqual(["c1", "c2"]);
    await post({ messages: [user("do MARK-1"), assistant("did"), user("do MARK-1")] });
    expect(model.deliveries("MARK-1")).toHaveLength(3);
    expect(model.turnsWith("MARK-1")).toHaveLength(3);
  });

  it("tells errands and sub-agents from turns of the conversation", async () => {
    await post({ messages: [user("title of MARK-2?")], tools: [] });
    await post({ messages: [user("MARK-2")] }, "c1", { "x-claude-code-agent-id": "a1" });
    expect(model.requests.map((request) => request.kind)).toEqual(["side", "subagent"]);
    expect(model.deliveries("MARK-2")).toEqual([]);
  });

  it("answers by the newest rule that fits, as often as the rule says", async () => {
    model.script({ reply: fail(529), times: 1 });
    model.script({ reply: useTool("Bash", { command: "ls" }), when: (request) => request.newUserText === "list" });
    const asked = await post({ messages: [user("list")] });
    expect(await asked.json()).toMatchObject({ stop_reason: "tool_use", content: [{ name: "Bash" }] });
    expect((await post({ messages: [user("a")] })).status).toBe(529);
    expect((await post({ messages: [user("a")] })).status).toBe(200);
    expect(model.requests.map((request) => request.outcome)).toEqual(["answered", "failed", "answered"]);
  });

  it("holds a stream open until the test opens the gate", async () => {
    const held = gate();
    model.script({ reply: say(["first ", held.opened, "second"]) });
    const response = await post({ stream: true, messages: [user("a")] });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes("first")) text += (await reader?.read())?.value;
    expect(text).not.toContain("second");
    held.open();
    for (let chunk = await reader?.read(); chunk && !chunk.done; chunk = await reader?.read()) text += chunk.value;
    expect(text).toContain("second");
    expect(text).toContain("message_stop");
  });

  it("cuts the connection when told to", async () => {
    model.script({ reply: cut() });
    await expect(post({ messages: [user("a")] })).rejects.toThrow();
    model.script({ reply: cut("half a") });
    const response = await post({ stream: true, messages: [user("a")] });
    await expect(response.text()).rejects.toThrow();
  });
});
