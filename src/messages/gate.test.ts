import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { tempDir } from "../../test/support/temp-dir.ts";
import type { AgentId, MessageId } from "../kernel/ids.ts";
import { silentLog } from "../kernel/log.ts";
import { openDatabase } from "../storage/database.ts";
import { migrate } from "../storage/migrate.ts";
import { migrations } from "../storage/migrations/index.ts";
import type { MessageState } from "./delivery.ts";
import { letterOf } from "./envelope.ts";
import { createGate, type GateAnswer } from "./gate.ts";
import { createLedger } from "./ledger.ts";
import { createMailbox, type Mailbox, type MessageRow } from "./mailbox.ts";

const agent = "agt_1" as AgentId;
let mailbox: Mailbox;
let gate: (agentId: AgentId, prompt: string, promptId?: string) => GateAnswer;
let owed: string[];
let put: (id: string, state: MessageState, body?: string) => MessageRow;

beforeEach(() => {
  const db = openDatabase({ file: join(tempDir(), "test.db"), key: Buffer.alloc(32, 1) });
  migrate(db, migrations);
  db.run("PRAGMA foreign_keys = OFF");
  mailbox = createMailbox(db);
  owed = [];
  const ledger = createLedger({ mailbox, events: { ring() {}, on: () => () => {} }, log: silentLog });
  const ask = createGate({
    mailbox,
    ledger,
    lines: {
      line: () => null,
      stateOf: () => "working",
      transcriptAbout: () => null,
      promptsNoted: () => [],
      isLeftBehind: () => false,
    },
    box: {
      owe: (_agent, words) => void owed.push(words),
      isRedrawing: () => false,
      wasJustTouched: () => false,
      wasTouchedLately: () => false,
      clear: async () => {},
      restore: async () => false,
      typed() {},
    },
    clock: { now: () => 1, monotonicMs: () => 1, after: () => ({ cancel() {} }) },
  });
  gate = (agentId, text, id = null as unknown as string) => ask(agentId, { text, id });
  put = (id, state, body = `body of ${id}`) => {
    const common = {
      sender: "local",
      sender_label: "operator",
      task_id: null,
      task_title: null,
      hops: 0,
      expires_at: null,
    };
    const row = mailbox.add({ ...common, message_id: id as MessageId, agent_id: agent, body, priority: "normal" }, 1);
    const way: MessageState[] = ["queued", "sending", "delivered", "processed"];
    for (const step of way.slice(1, way.indexOf(state) + 1)) mailbox.move(row, step, {});
    return mailbox.get(id) as MessageRow;
  };
});

const stateOf = (row: MessageRow) => mailbox.get(row.message_id)?.state;

describe("the gate", () => {
  it("lets a letter pass once and delivers it by that", () => {
    const row = put("msg_a", "sending");
    expect(gate(agent, letterOf(row))).toEqual({ is: "pass" });
    expect(stateOf(row)).toBe("delivered");
    expect(gate(agent, letterOf(row))).toMatchObject({ is: "block" });
    expect(owed).toEqual([""]);
  });

  it("lets a person's own words pass, quotations of a letter included", () => {
    const row = put("msg_a", "processed");
    expect(gate(agent, "just a question")).toEqual({ is: "pass" });
    expect(gate(agent, `what did you mean by\n${letterOf(row)}`)).toEqual({ is: "pass" });
  });

  it("parts a finished letter that came in again from the one behind it: the model gets neither, the second is sent again", () => {
    const first = put("msg_a", "processed");
    const second = put("msg_b", "sending");
    expect(gate(agent, `${letterOf(first)}${letterOf(second)}`)).toMatchObject({ is: "block" });
    expect([stateOf(first), stateOf(second)]).toEqual(["processed", "queued"]);
    expect(owed).toEqual([""]);
  });

  it("gives a person's words back from between two letters", () => {
    const first = put("msg_a", "sending");
    const second = put("msg_b", "queued");
    expect(gate(agent, `half a ${letterOf(first)} thought ${letterOf(second)}`)).toMatchObject({ is: "block" });
    expect([stateOf(first), stateOf(second)]).toEqual(["queued", "queued"]);
    expect(owed).toEqual(["half a thought"]);
  });

  it("keeps a cancelled letter from the model beside a person's words too, and gives those back", () => {
    const row = put("msg_a", "queued");
    mailbox.move(row, "cancelled", { ended_at: 1 });
    expect(gate(agent, `${letterOf(row)} and my own words`)).toMatchObject({ is: "block" });
    expect(owed).toEqual(["and my own words"]);
    expect(gate(agent, "what was [signalbox msg_a from operator] about?")).toEqual({ is: "pass" });
  });

  it("remembers by name which prompts it kept from the model, and with which letters", () => {
    const first = put("msg_a", "sending");
    const second = put("msg_b", "queued");
    expect(gate(agent, `${letterOf(first)}${letterOf(second)}`, "p1")).toMatchObject({ is: "block" });
    expect(gate(agent, `a draft ${letterOf(first)}`, "p2")).toMatchObject({ is: "block" });
    expect(gate(agent, letterOf(first), "p3")).toEqual({ is: "pass" });
    expect([first, second].map(({ message_id }) => mailbox.get(message_id)?.refused_prompts)).toEqual([
      " p1 p2",
      " p1",
    ]);
  });

  it("keeps a letter that once came back into the box from the model when a person submits what was left of it there", () => {
    const row = put("msg_a", "sending");
    expect(gate(agent, `half a draft ${letterOf(row)}`, "p1")).toMatchObject({ is: "block" });
    expect(gate(agent, letterOf(row), "p2")).toEqual({ is: "pass" });
    expect(gate(agent, `half a draft ${letterOf(row)}`, "p3")).toMatchObject({ is: "block" });
    expect(owed).toEqual(["half a draft", "half a draft"]);
    expect(gate(agent, "what was [signalbox msg_a from operator] about?", "p4")).toEqual({ is: "pass" });
  });

  it("keeps a letter whose header a person's key broke from the model, in our paste and in our wiping of the box", () => {
    const row = put("msg_abc", "sending");
    const broken = letterOf(row).replace("msg_abc", "msg_a\nbc");
    expect(gate(agent, broken)).toMatchObject({ is: "block" });
    expect(stateOf(row)).toBe("queued");
    expect(gate(agent, broken)).toMatchObject({ is: "block" });
    expect(gate(agent, letterOf(row))).toEqual({ is: "pass" });
  });

  it("knows a broken header with a person's words amid it", () => {
    const row = put("msg_abc", "sending");
    const broken = `half a draft ${letterOf(row).replace("msg_abc", "msg_a my words bc")}`;
    expect(gate(agent, broken)).toMatchObject({ is: "block" });
    expect(stateOf(row)).toBe("queued");
    expect(owed).toEqual(["half a draft my words"]);
    expect(gate(agent, "a plain question about [signalbox")).toEqual({ is: "pass" });
  });

  it("lets a quoted header of a message under way pass", () => {
    const row = put("msg_abc", "sending");
    expect(gate(agent, "[ok] what is \\[signalbox msg_abc from operator]?")).toEqual({ is: "pass" });
    expect(stateOf(row)).toBe("sending");
  });

  it("keeps a letter from the model whose end was wiped away", () => {
    const row = put("msg_a", "sending");
    const [header = ""] = letterOf(row).split("\n");
    expect(gate(agent, header)).toMatchObject({ is: "block", reason: expect.stringContaining("missing") });
    expect(stateOf(row)).toBe("queued");
    expect(owed).toEqual([""]);
    expect(gate(agent, letterOf(row))).toEqual({ is: "pass" });
  });

  it("gives nobody what is left of a paste's brackets", () => {
    const row = put("msg_a", "sending");
    expect(gate(agent, `[200~${letterOf(row)}`)).toMatchObject({ is: "block" });
    expect(owed).toEqual([""]);
  });

  it("blocks a bare letter that was never sent to this agent", () => {
    const row = put("msg_a", "sending");
    expect(gate("agt_2" as AgentId, letterOf(row))).toMatchObject({ is: "block" });
    expect(stateOf(row)).toBe("sending");
  });
});
