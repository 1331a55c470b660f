import { describe, expect, it } from "vitest";
import { readTurn } from "../../turn-lines.ts";
import { renderTranscript, turnLines } from "./transcript.ts";

const user = (content: unknown, more: object = {}) => ({ type: "user", message: { role: "user", content }, ...more });
const note = (text: string) => user([{ type: "text", text }]);
const assistant = (text: string, more: object = {}) => ({
  type: "assistant",
  message: { role: "assistant", content: [{ type: "text", text }] },
  ...more,
});
const added = (hookEvent: string, text: string) => ({
  type: "attachment",
  attachment: { type: "hook_additional_context", content: [text], hookEvent },
});
const queue = (operation: string, content?: string) => ({ type: "queue-operation", operation, content });
const file = (...lines: object[]) => lines.map((line) => JSON.stringify(line)).join("\n");

/** How 2.1.330 writes what came in at its peer socket. */
const PEER = { isMeta: true, origin: { kind: "peer" } };

const NOTHING = { hasMarker: false, isQueued: false, interrupted: false, apiError: null, gaveUp: false, reply: null };
const FOUND = { ...NOTHING, hasMarker: true };

describe("a transcript about one message", () => {
  it.each([
    ["knows nothing of another's words", [user("hello"), assistant("M1 said nobody")], NOTHING],
    [
      "finds it as a prompt with its reply",
      [user("do M1"), assistant("a"), assistant("done")],
      { ...FOUND, reply: "done" },
    ],
    ["leaves the next turn's reply alone", [user("do M1"), user("next"), assistant("of the next")], FOUND],
    ["sees an interrupt", [user("do M1"), note("[Request interrupted by user]")], { ...FOUND, interrupted: true }],
    [
      "sees an interrupt within a tool",
      [user("do M1"), note("[Request interrupted by user for tool use]")],
      { ...FOUND, interrupted: true },
    ],
    [
      "reports the API's last word",
      [user("do M1"), assistant("API Error: 529 x", { isApiErrorMessage: true })],
      { ...FOUND, apiError: "529 x", gaveUp: true },
    ],
    [
      "forgets a failure that was overcome",
      [user("do M1"), assistant("API Error: 500", { isApiErrorMessage: true }), assistant("done")],
      { ...FOUND, reply: "done" },
    ],
    ["takes no quotation for it", [user("you said: \\M1 then"), assistant("yes")], NOTHING],
    ["counts a queued prompt", [queue("enqueue", "do M1"), assistant("of before")], { ...FOUND, isQueued: true }],
    ["not one taken back into the box", [queue("enqueue", "do M1"), queue("popAll", "do M1")], NOTHING],
    ["one sent again after that", [queue("enqueue", "M1"), queue("popAll", "M1"), user("M1")], FOUND],
    [
      "finds it where it joined a running turn",
      [
        user("before"),
        { type: "attachment", attachment: { type: "queued_command", prompt: "do M1" } },
        assistant("ok"),
      ],
      { ...FOUND, reply: "ok" },
    ],
    [
      "finds it where an answer to a turn's end handed it over",
      [user("before"), assistant("first"), added("Stop", "do M1"), assistant("second")],
      { ...FOUND, reply: "second" },
    ],
    [
      "finds it where an answer to a tool's end added it",
      [user("before"), added("PostToolUse", "note M1"), assistant("noted")],
      { ...FOUND, reply: "noted" },
    ],
    [
      "ends a turn where the next was handed over",
      [user("M1"), assistant("a"), added("Stop", "x"), assistant("b")],
      { ...FOUND, reply: "a" },
    ],
    [
      "finds it where another agent's message began a turn",
      [queue("enqueue", "do M1"), queue("dequeue"), user("From another: M1", PEER), assistant("done")],
      { ...FOUND, reply: "done" },
    ],
    ["ends a turn where another agent's message began the next", [user("M1"), user("x", PEER), assistant("b")], FOUND],
    ["does not take the program's own words for a prompt", [user("about M1", { isMeta: true })], NOTHING],
    ["does not look into tool results", [user([{ type: "tool_result", content: "M1" }])], NOTHING],
    ["nor into sub-agents", [user("do M1", { isSidechain: true })], NOTHING],
    ["nor into a prompt that a hook kept back", [{ type: "system", content: "Original prompt: M1" }], NOTHING],
  ])("%s", (_promise, lines, expected) => {
    expect(readTurn(turnLines(file(...lines)), "M1")).toEqual(expected);
  });

  it("goes by the times of its lines, which stand in no order", () => {
    const at = (second: number) => ({ timestamp: `2026-11-22T22:00:0${second}.000Z` });
    const lines = [
      { ...assistant("done"), ...at(3) },
      user("next", at(4)),
      user("do M1", at(1)),
      assistant("of next", at(5)),
    ];
    expect(readTurn(turnLines(file(...lines)), "M1")).toEqual({ ...FOUND, reply: "done" });
  });

  it("survives a torn last line and foreign lines", () => {
    expect(readTurn(turnLines(`null\n7\n${file(user("do M1"))}\n{"type":"assist`), "M1")).toEqual(FOUND);
  });
});

it("a transcript for a person is its last lines as plain text", () => {
  const text = file(
    user("make it"),
    { type: "assistant", message: { content: [{ type: "tool_use", name: "Bash", input: { command: "make" } }] } },
    user([{ type: "tool_result", content: "all good" }]),
    assistant("It is\nmade."),
  );
  const all = ["> make it", '[tool] Bash {"command":"make"}', "[result] all good", "It is", "made."];
  expect(renderTranscript(text, 100)).toBe(all.join("\n"));
  expect(renderTranscript(text, 2)).toBe("It is\nmade.");
  expect(renderTranscript(text, 0)).toBe("");
});
