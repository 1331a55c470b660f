import { describe, expect, test } from "vitest";
import { renderStatus, type Status } from "./status.ts";

const NOW = Date.parse("2026-01-01T12:00:00Z");

const agent = {
  agent_id: "agt_1",
  name: "Agent_1",
  state: "working",
  waiting_for: null,
  state_reason: null,
  since: "2026-01-01T11:58:00Z",
  current_task: "TASK_3",
  queued_messages: 2,
  last_reply: "Fixed the\nparser.",
  context_used_pct: 34.4,
  cost_usd: 0.128,
};

const status: Status = {
  sessions: [
    {
      session_id: "ses_1",
      name: "ledger",
      root_path: "/code/ledger",
      security_level: "LOW",
      terminal: "tmux",
      workspace: "shared",
      health: "attention: Agent_2 is waiting",
      tasks: { total: 4, done: 1, in_progress: 1, blocked: 1 },
      agents: [
        agent,
        {
          ...agent,
          agent_id: "agt_2",
          name: "Agent_2",
          state: "waiting",
          state_reason: "npm test",
          waiting_for: {
            kind: "permission",
            request_id: "req_9",
            tool: "Bash",
            summary: "npm test",
            options: ["Yes", "No"],
          },
          since: null,
          current_task: null,
          queued_messages: 0,
          last_reply: null,
          context_used_pct: null,
          cost_usd: null,
        },
      ],
    },
  ],
  daemon: { pid: 7, version: "1.2.3", agents: 2, max_agents: 16, sessions: 1, max_sessions: 8 },
  notice: "no sandbox: install one",
};

describe("the status for a person", () => {
  test("shows each agent, each question with its answer, and that there is no sandbox", () => {
    expect(renderStatus(status, { width: Number.POSITIVE_INFINITY, hasColour: false }, NOW)).toBe(
      [
        "ledger  ses_1  /code/ledger  LOW (no sandbox)  tmux  tasks 1/4 done, 1 blocked",
        "  attention: Agent_2 is waiting",
        "  AGENT    STATE    WAITING FOR  SINCE  QUEUE  CONTEXT   COST  TASK    LAST REPLY",
        "  Agent_1  working  -               2m      2      34%  $0.13  TASK_3  Fixed the parser.",
        "  Agent_2  waiting  permission       -      0        -      -  -       -",
        "",
        "  Agent_2 asks: permission Bash",
        "    npm test",
        '    signalbox agent answer agt_2 req_9 allow|deny (or one of "Yes", "No")',
        "",
        "no sandbox: install one",
        "signalbox 1.2.3, pid 7, agents 2/16, sessions 1/8",
        "",
      ].join("\n"),
    );
  });

  test("says why an agent is in its state below its row, also when it has a reply", () => {
    const [session] = status.sessions as [Status["sessions"][0]];
    const stuck = { ...agent, state_reason: "a draft stands in the\nprompt" };
    const silent = {
      ...stuck,
      name: "Agent_2",
      state: "failed",
      state_reason: "claude exits with 1",
      last_reply: null,
    };
    const told: Status = { ...status, sessions: [{ ...session, agents: [stuck, silent] }] };
    const lines = renderStatus(told, { width: 85, hasColour: false }, NOW).split("\n");
    expect(lines.slice(3, 7)).toEqual([
      expect.stringMatching(/^ {2}Agent_1 .*Fixed the p?/),
      "    a draft stands in the prompt",
      expect.stringMatching(/^ {2}Agent_2 +failed .* -$/),
      "    claude exits with 1",
    ]);
  });

  test("fits a narrow window by shortening the replies", () => {
    const lines = renderStatus(status, { width: 85, hasColour: false }, NOW).split("\n");
    expect(lines.find((line) => line.includes("Agent_1"))).toMatch(/Fixed the.*…$/);
    for (const line of lines.filter((each) => each.includes("working"))) expect(line.length).toBeLessThanOrEqual(85);
  });

  test("colours only where asked, and words of agents never bring escapes of their own", () => {
    const evil = "\u001b]0;pwned\u0007\u001b[2J\u009b31mhi";
    const session = status.sessions[0] as Status["sessions"][0];
    const asked = { kind: evil, request_id: evil, tool: evil, summary: evil, options: [evil] };
    const hostile: Status = {
      ...status,
      sessions: [
        {
          ...session,
          name: evil,
          root_path: evil,
          health: evil,
          agents: [{ ...agent, name: evil, state: evil, waiting_for: asked, current_task: evil, last_reply: evil }],
        },
      ],
    };
    expect(renderStatus(hostile, { width: 200, hasColour: false }, NOW)).not.toMatch(/[\u001b\u0007\u009b]/);
    const coloured = renderStatus(hostile, { width: 200, hasColour: true }, NOW);
    expect(coloured.replace(/\u001b\[\d+m/g, "")).not.toMatch(/[\u001b\u0007\u009b]/);
  });

  test("without sessions says what to do", () => {
    expect(renderStatus({ ...status, sessions: [] }, { width: 80, hasColour: false }, NOW)).toContain(
      "session create PATH",
    );
  });
});
