import { describe, expect, it } from "vitest";
import { readArguments } from "./mcp-arguments.ts";

describe("the command line of the bridge", () => {
  it("asks for an operator and nothing else by default", () => {
    expect(readArguments([])).toEqual({ is: "run", role: "operator", stateDir: undefined, options: {} });
  });

  it("reads every option, with a space or an equals sign", () => {
    const words = "--role=observer --security-level HIGH --max-agents 4 --max-sessions=2 --agent-env A --agent-env=B_1";
    expect(readArguments([...words.split(" "), "--state-dir", "/s", "--log-dir=/l=1"])).toEqual({
      is: "run",
      role: "observer",
      stateDir: "/s",
      options: { security_level: "HIGH", max_agents: 4, max_sessions: 2, log_dir: "/l=1", agent_env: ["A", "B_1"] },
    });
  });

  const wrong = [
    "--role agent",
    "--role",
    "--role=",
    "--security-level low",
    "--max-agents 0",
    "--max-agents 1.5",
    "--max-sessions many",
    "--agent-env A=B",
    "--agent-env LD;PRELOAD",
    "--colour red",
    "--constructor x",
    "operator",
  ];
  it("tells an argument from an option", () => {
    expect(readArguments(["extra"])).toEqual({ is: "wrong", why: "There is no argument `extra`." });
    expect(readArguments(["--colour=red"])).toEqual({ is: "wrong", why: "There is no option --colour." });
  });

  it.each(wrong.map((words) => [words]))("refuses %s with a sentence", (words) => {
    expect(readArguments(words.split(" "))).toEqual({ is: "wrong", why: expect.stringMatching(/\.$/) });
  });
});
