// biome-ignore-all lint/suspicious/noTemplateCurlyInString: scripts write their variables this way.
import { describe, expect, it } from "vitest";
import { acknowledge, chooseRule, fill, parseScript } from "./script.ts";

const WRONG: [string, unknown, RegExp][] = [
  ["is no object", [], /^the script: must be an object/],
  [
    "has a key nobody knows",
    { ruels: [] },
    /^the script: unknown key "ruels"; known: startup, swallowEnters, hooks, rules/,
  ],
  ["has a rule without actions", { rules: [{}] }, /^rules\[0\]\.actions: must be a list/],
  [
    "misspells an action",
    { rules: [{ actions: [{ repply: "" }] }] },
    /^rules\[0\]\.actions\[0\]: unknown action "repply"/,
  ],
  ["names an inherited property", { rules: [{ actions: [{ toString: 1 }] }] }, /unknown action "toString"/],
  ["puts two actions in one", { rules: [{ actions: [{ hang: true, crash: true }] }] }, /exactly one key/],
  ["has a reply that is no text", { rules: [{ actions: [{ reply: 1 }] }] }, /actions\[0\]\.reply: must be a string/],
  ["has a negative delay", { rules: [{ actions: [{ delayMs: -1 }] }] }, /must be a whole number, zero or more/],
  ["asks with one option", { rules: [{ actions: [{ question: { question: "?", options: ["a"] } }] }] }, /two options/],
  [
    "has a broken expression",
    { rules: [{ match: { regex: "(" }, actions: [] }] },
    /match\.regex: is not a regular expr/,
  ],
  ["drops an unknown event", { hooks: { drop: ["Stopp"] } }, /^hooks\.drop\[0\]: must be one of SessionStart/],
  ["delays an unknown event", { hooks: { delayMs: { Stopp: 1 } } }, /^hooks\.delayMs: unknown key "Stopp"/],
];

describe("a script", () => {
  it.each(WRONG)("that %s is refused with the place", (_what, script, sentence) => {
    expect(() => parseScript(JSON.stringify(script))).toThrow(sentence);
  });

  it("that is no JSON is refused", () => {
    expect(() => parseScript("{")).toThrow(/^the script is not JSON/);
  });

  it("may be empty", () => {
    expect(parseScript("{}").rules).toEqual([]);
  });
});

describe("choosing a rule", () => {
  const { rules, ...rest } = parseScript(
    JSON.stringify({
      rules: [
        { match: { contains: "deploy" }, times: 1, actions: [{ reply: "once" }] },
        { match: { regex: "^de.*y$" }, actions: [{ reply: "regex" }] },
        { match: { turn: 2 }, actions: [{ reply: "second" }] },
        { match: { agent: "Agent_2" }, actions: [{ reply: "two" }] },
      ],
    }),
  );
  const cases: [string, { prompt: string; turn: number; agent: string }, number, string | null][] = [
    ["the first that fits", { prompt: "deploy", turn: 1, agent: "Agent_1" }, 0, "once"],
    ["the next once that is used up", { prompt: "deploy", turn: 1, agent: "Agent_1" }, 1, "regex"],
    ["by the number of the turn", { prompt: "hello", turn: 2, agent: "Agent_1" }, 0, "second"],
    ["by the agent's name", { prompt: "hello", turn: 3, agent: "Agent_2" }, 0, "two"],
    ["none when none fits", { prompt: "hello", turn: 1, agent: "Agent_1" }, 0, null],
  ];
  it.each(cases)("takes %s", (_what, occasion, used, reply) => {
    const rule = chooseRule({ ...rest, rules }, { ...occasion, uses: () => used });
    expect(rule?.actions[0] ?? null).toEqual(reply === null ? null : { is: "reply", text: reply });
  });
});

describe("words of a script", () => {
  it("acknowledges with the last 200 characters, never with half of one", () => {
    expect(acknowledge("hello")).toBe("ACK: hello");
    expect(acknowledge(`${"x".repeat(300)}`)).toBe(`ACK: ${"x".repeat(200)}`);
    expect(acknowledge("🚂".repeat(300))).toBe(`ACK: ${"🚂".repeat(200)}`);
  });

  it("fills what is known, deep in lists and objects, and leaves the rest as written", () => {
    const known = (name: string) => (name === "prompt" ? "hi" : null);
    expect(fill({ a: ["${prompt}!", 1], b: { c: "${other}" } }, known)).toEqual({
      a: ["hi!", 1],
      b: { c: "${other}" },
    });
  });
});
