// What happens to messages, end to end through real terminals, with the scripted agent as witness: its log says what reached
// the model and where every key went.

import { describe, expect, it } from "vitest";
import { REFUSALS_MAX } from "../../src/messages/delivery.ts";
import { startHouse, type TestHouse, withAgent } from "../support/house.ts";

const prompts = (house: TestHouse) =>
  house
    .oracle()
    .filter((one) => one.event === "prompt")
    .map((one) => one.text as string);
const dialogKeys = (house: TestHouse) =>
  house.oracle().filter((one) => one.event.startsWith("dialog_") && /key|swallowed/.test(one.event));
const send = (house: TestHouse, agentId: string, message: string, more: Record<string, unknown> = {}) =>
  house.call("send_message_to_agent", { agent_id: agentId, message, ...more });

describe("a message to an idle agent", () => {
  it("is typed once, confirmed by the agent's own hook, and its reply comes back", async () => {
    const house = await startHouse();
    const { agent } = await withAgent(house);
    expect(agent).toMatchObject({ name: "Agent_1", state: "ready" });
    const receipt = await send(house, agent.agent_id, "hello there", { wait_for: "processed" });
    expect(receipt).toMatchObject({
      state: "processed",
      channel: "prompt",
      evidence: "UserPromptSubmit hook",
      attempts: 1,
      failure: null,
    });
    expect(receipt.reply).toBe(`ACK: [signalbox ${receipt.message_id} from operator]\nhello there`);
    expect(prompts(house)).toEqual([`[signalbox ${receipt.message_id} from operator]\nhello there`]);
  });

  it.each([
    ["that looks like a command", "/clear"],
    ["that looks like a shell line", "!id"],
    ["that would end a paste", "a\x1b[201~\rb"],
    ["of three lines", "one\ntwo\nthree"],
    ["of 20 kB", "x".repeat(20_000)],
    ["beginning with a flag", "-l"],
    ["with a shell substitution", "$(id) `id`"],
    ["ending in a backslash", "trailing \\"],
  ])("arrives as plain text and does nothing else: a body %s", async (_what, body) => {
    const house = await startHouse();
    const { agent } = await withAgent(house);
    const receipt = await send(house, agent.agent_id, body, { wait_for: "processed" });
    expect(receipt.state).toBe("processed");
    expect(prompts(house)).toHaveLength(1);
    expect(house.oracle().filter((one) => one.event === "shell" || one.event === "slash")).toEqual([]);
  });

  it("waits its turn behind others, first in first out, each in a prompt of its own", async () => {
    const house = await startHouse();
    const { agent } = await withAgent(house);
    const receipts = await Promise.all([1, 2, 3, 4].map((n) => send(house, agent.agent_id, `number ${n}`)));
    const ends = await Promise.all(
      receipts.map((one) => house.call("get_message", { message_id: one.message_id, wait_for: "processed" })),
    );
    expect(ends.map((one) => one.state)).toEqual(["processed", "processed", "processed", "processed"]);
    expect(prompts(house).map((text) => text.split("\n")[1])).toEqual(["number 1", "number 2", "number 3", "number 4"]);
  });
});

describe("while the line is not clear", () => {
  it("nothing is typed into a permission dialog; the message arrives after it was answered from outside", async () => {
    const house = await startHouse({
      script: {
        rules: [
          {
            match: { contains: "do it" },
            actions: [{ permission: { tool: "Bash", input: { command: "ls" } } }, { reply: "done" }],
          },
        ],
      },
    });
    const { session, agent } = await withAgent(house);
    const first = await send(house, agent.agent_id, "do it");
    const waiting = await house.call("wait_for_agent", { agent_id: agent.agent_id, until: "waiting" });
    expect(waiting).toMatchObject({
      state: "waiting",
      timed_out: false,
      waiting_for: { kind: "permission", tool: "Bash" },
    });
    const second = await send(house, agent.agent_id, "1");
    expect(second.state).toBe("queued");
    const status = await house.call("get_session_status", { session_id: session.session_id });
    expect(status.sessions[0]).toMatchObject({ health: "attention: Agent_1 is waiting" });
    expect(status.sessions[0].agents[0]).toMatchObject({ state: "waiting", queued_messages: 1 });
    await house.call("answer_agent", {
      agent_id: agent.agent_id,
      request_id: waiting.waiting_for.request_id,
      decision: "allow",
    });
    const ends = await Promise.all(
      [first, second].map((one) => house.call("get_message", { message_id: one.message_id, wait_for: "processed" })),
    );
    expect(ends.map((one) => one.reply)).toEqual(["done", expect.stringContaining("ACK")]);
    expect(dialogKeys(house)).toEqual([]);
    expect(house.oracle()).toContainEqual(expect.objectContaining({ event: "dialog_answered", by: "hook" }));
  });

  it("a denial reaches the agent with its reason", async () => {
    const house = await startHouse({
      script: {
        rules: [
          { match: { contains: "do it" }, actions: [{ permission: { tool: "Bash", input: {} } }, { reply: "over" }] },
        ],
      },
    });
    const { agent } = await withAgent(house);
    await send(house, agent.agent_id, "do it");
    const { waiting_for } = await house.call("wait_for_agent", { agent_id: agent.agent_id, until: "waiting" });
    const bad = { agent_id: agent.agent_id, request_id: waiting_for.request_id, decision: "perhaps" };
    await expect(house.call("answer_agent", bad)).rejects.toMatchObject({ code: "invalid_input" });
    await house.call("answer_agent", { ...bad, decision: "deny", reason: "not on a Sunday" });
    await house.call("wait_for_agent", { agent_id: agent.agent_id });
    expect(house.oracle()).toContainEqual(expect.objectContaining({ event: "tool", outcome: "denied" }));
  });

  it("a person's half-typed draft is left alone, and the message follows when it is gone", async () => {
    const house = await startHouse();
    const { agent } = await withAgent(house);
    const line = house.house.supervisor.line(agent.agent_id);
    await line?.terminal.write("half a thou");
    await until(async () => (await line?.look())?.reading.promptBox === "draft");
    const receipt = await send(house, agent.agent_id, "from outside");
    await line?.terminal.write("ght\r");
    const end = await house.call("get_message", { message_id: receipt.message_id, wait_for: "processed" });
    expect(end.state).toBe("processed");
    expect(prompts(house)).toEqual(["half a thought", `[signalbox ${receipt.message_id} from operator]\nfrom outside`]);
  });

  it("a draft that was left alone is put aside, the message delivered, and the draft is back afterwards", async () => {
    const house = await startHouse();
    const { agent } = await withAgent(house);
    const line = house.house.supervisor.line(agent.agent_id);
    await line?.terminal.write("unfinished");
    await until(async () => (await line?.look())?.reading.promptBox === "draft");
    const receipt = await send(house, agent.agent_id, "from outside", { wait_for: "processed" });
    expect(receipt.state).toBe("processed");
    expect(prompts(house)).toEqual([`[signalbox ${receipt.message_id} from operator]\nfrom outside`]);
    await until(async () => (await line?.look())?.reading.draft.trim() === "unfinished");
  });

  it("a person's words that ran into our paste come back to the box, and neither reaches the model merged", async () => {
    const house = await startHouse({ script: { swallowEnters: 1 } });
    const { agent } = await withAgent(house);
    const line = house.house.supervisor.line(agent.agent_id);
    const receipt = await send(house, agent.agent_id, "from outside");
    await until(async () => house.oracle().some((one) => one.event === "enter_lost"));
    // As in a terminal whose keys signalbox cannot count: typed behind our text, and submitted together with it.
    await line?.terminal.write(" and mine\r");
    await until(async () => (await line?.look())?.reading.draft.trim() === "and mine");
    const end = await house.call("get_message", { message_id: receipt.message_id, wait_for: "processed" });
    expect(end.state).toBe("processed");
    expect(prompts(house)).toEqual([`[signalbox ${receipt.message_id} from operator]\nfrom outside`]);
    await until(async () => (await line?.look())?.reading.draft.trim() === "and mine");
  });

  it("a trust dialog keeps messages queued until a person decides", async () => {
    const house = await startHouse({ script: { startup: { dialogs: ["trust"] } } });
    const { agent } = await withAgent(house, { initial_message: "first" });
    expect(agent.state).toBe("waiting");
    const status = await house.call("get_session_status");
    const { waiting_for, queued_messages } = status.sessions[0].agents[0];
    expect({ kind: waiting_for.kind, queued_messages }).toEqual({ kind: "trust", queued_messages: 1 });
    await house.call("answer_agent", {
      agent_id: agent.agent_id,
      request_id: waiting_for.request_id,
      decision: "allow",
    });
    await until(async () => prompts(house).length === 1);
    expect(house.oracle().filter((one) => one.event === "dialog_swallowed")).toEqual([]);
  });

  it("a vouched-for directory has its trust dialog answered with yes, and an unknown start-up dialog waits for a person", async () => {
    const house = await startHouse({ script: { startup: { dialogs: ["trust", "upsell"] } } });
    const session = await house.call("create_session", { root_path: house.root, trust: true });
    const agent = await house.call("create_agent", { session_id: session.session_id, kind: "scripted" });
    expect(agent.state).toBe("waiting");
    const { waiting_for } = (await house.call("get_session_status")).sessions[0].agents[0];
    expect(waiting_for.kind).not.toBe("trust");
    const decision = waiting_for.options.at(-1);
    await house.call("answer_agent", { agent_id: agent.agent_id, request_id: waiting_for.request_id, decision });
    expect(await house.call("wait_for_agent", { agent_id: agent.agent_id })).toMatchObject({ state: "ready" });
    expect(house.oracle().filter((one) => one.event === "dialog_answered")).toHaveLength(2);
  });
});

describe("other channels than the prompt", () => {
  it("hand a peer's message over in the moment the turn before ends", async () => {
    const house = await startHouse({
      script: { rules: [{ match: { contains: "slowly" }, actions: [{ delayMs: 400 }, { reply: "slow answer" }] }] },
    });
    const { session, agent } = await withAgent(house);
    const peer = await house.call("create_agent", { session_id: session.session_id, kind: "scripted" });
    const asPeer = {
      role: "agent" as const,
      sessionId: session.session_id,
      agentId: peer.agent_id,
      actor: `agent:${peer.agent_id}`,
    };
    const first = await send(house, agent.agent_id, "slowly", { wait_for: "delivered" });
    const second = await house.call(
      "send_message_to_agent",
      { agent_id: agent.agent_id, message: "from a peer" },
      asPeer,
    );
    const ends = await Promise.all(
      [first, second].map((one) => house.call("get_message", { message_id: one.message_id, wait_for: "processed" })),
    );
    expect(ends[0]).toMatchObject({ reply: "slow answer", channel: "prompt" });
    expect(ends[1]).toMatchObject({ channel: "turn_end", attempts: 1, reply: expect.stringContaining("from a peer") });
    expect(
      house
        .oracle()
        .filter((one) => one.event === "prompt")
        .map((one) => one.via),
    ).toEqual(["box", "stop_hook"]);
  });

  it("put an urgent note before the model while it works", async () => {
    const house = await startHouse({
      script: {
        rules: [
          {
            match: { contains: "work" },
            actions: [
              { permission: { tool: "Bash", input: { command: "ls" } } },
              { permission: { tool: "Bash", input: { command: "ls" } } },
              { reply: "worked" },
            ],
          },
        ],
      },
    });
    const { agent } = await withAgent(house);
    const first = await send(house, agent.agent_id, "work");
    const { waiting_for } = await house.call("wait_for_agent", { agent_id: agent.agent_id, until: "waiting" });
    const urgent = await send(house, agent.agent_id, "look out", { priority: "urgent" });
    const allow = async (request: any) =>
      house.call("answer_agent", { agent_id: agent.agent_id, request_id: request.request_id, decision: "allow" });
    await allow(waiting_for);
    const next = await house.call("wait_for_agent", { agent_id: agent.agent_id, until: "waiting" });
    expect(await house.call("get_message", { message_id: urgent.message_id, wait_for: "delivered" })).toMatchObject({
      state: "delivered",
      channel: "mid_turn",
    });
    await allow(next.waiting_for);
    const ends = await Promise.all(
      [first, urgent].map((one) => house.call("get_message", { message_id: one.message_id, wait_for: "processed" })),
    );
    expect(ends.map((one) => one.reply)).toEqual(["worked", "worked"]);
    expect(house.oracle().filter((one) => one.event === "context")).toHaveLength(1);
    expect(prompts(house)).toHaveLength(1);
  });
});

describe("when something is lost on the way", () => {
  it("a swallowed Enter is pressed again, and the prompt is submitted once", async () => {
    const house = await startHouse({ script: { swallowEnters: 1 } });
    const { agent } = await withAgent(house);
    const receipt = await send(house, agent.agent_id, "once", { wait_for: "processed" });
    expect(receipt).toMatchObject({ state: "processed", attempts: 2 });
    expect(prompts(house)).toHaveLength(1);
  });

  it("a lost hook is made up for by the transcript", async () => {
    const house = await startHouse({ script: { hooks: { drop: ["UserPromptSubmit", "Stop"] } } });
    const { agent } = await withAgent(house);
    const receipt = await send(house, agent.agent_id, "once", { wait_for: "processed" });
    expect(receipt).toMatchObject({ state: "processed", evidence: "transcript", attempts: 1 });
    expect(receipt.reply).toContain("ACK");
    expect(prompts(house)).toHaveLength(1);
  });

  it("a doubled hook changes nothing", async () => {
    const house = await startHouse({ script: { hooks: { duplicate: ["Stop", "PostToolUse"] } } });
    const { agent } = await withAgent(house);
    await send(house, agent.agent_id, "one", { wait_for: "processed" });
    const second = await send(house, agent.agent_id, "two", { wait_for: "processed" });
    expect(second.reply).toContain("two");
    expect(prompts(house)).toHaveLength(2);
  });

  it("a turn that is interrupted ends the message as processed with the reason, without a reply", async () => {
    const house = await startHouse({
      script: { rules: [{ match: { contains: "for ever" }, actions: [{ hang: true }] }] },
    });
    const { agent } = await withAgent(house);
    const receipt = await send(house, agent.agent_id, "think for ever", { wait_for: "delivered" });
    expect(receipt.state).toBe("delivered");
    expect(await house.call("interrupt_agent", { agent_id: agent.agent_id })).toMatchObject({ state: "ready" });
    const end = await house.call("get_message", { message_id: receipt.message_id, wait_for: "processed" });
    expect(end).toMatchObject({ state: "processed", reply: null, failure: { code: "interrupted" } });
  });

  it("an interrupted message never gets the answer of the turn after it", async () => {
    const house = await startHouse({
      script: { rules: [{ match: { contains: "for ever" }, actions: [{ hang: true }] }] },
    });
    const { agent } = await withAgent(house);
    const first = await send(house, agent.agent_id, "think for ever", { wait_for: "delivered" });
    const second = await send(house, agent.agent_id, "and now?");
    await house.call("interrupt_agent", { agent_id: agent.agent_id });
    const ends = await Promise.all(
      [first, second].map((one) => house.call("get_message", { message_id: one.message_id, wait_for: "processed" })),
    );
    expect(ends[0]).toMatchObject({ reply: null, failure: { code: "interrupted" } });
    expect(ends[1]).toMatchObject({ reply: expect.stringContaining("and now?"), failure: null });
  });

  it("an API failure ends the message as processed with the error", async () => {
    const house = await startHouse({
      script: { rules: [{ match: { contains: "hello" }, actions: [{ apiError: "server_error" }] }] },
    });
    const { agent } = await withAgent(house);
    const end = await send(house, agent.agent_id, "hello", { wait_for: "processed" });
    expect(end).toMatchObject({ state: "processed", reply: null, failure: { code: "api_error" } });
  });

  it("a usage limit holds the queue instead of burning attempts, and the state says so", async () => {
    const house = await startHouse({
      script: { rules: [{ match: { contains: "hello" }, actions: [{ apiError: "rate_limit" }] }] },
    });
    const { agent } = await withAgent(house);
    const first = await send(house, agent.agent_id, "hello", { wait_for: "processed" });
    expect(first).toMatchObject({ state: "processed", failure: { code: "api_error" } });
    const second = await send(house, agent.agent_id, "behind it", { wait_for: "delivered", wait_s: 1 });
    expect(second).toMatchObject({ state: "queued", attempts: 0 });
    const [session] = (await house.call("get_session_status")).sessions;
    expect(session.agents[0].state_reason).toMatch(/^usage limit \(rate_limit\); the queue waits until 20/);
  });

  it("API retries are named while the turn lasts", async () => {
    const house = await startHouse({
      script: {
        rules: [{ match: { contains: "hello" }, actions: [{ apiRetry: { status: 529, attempt: 2 } }, { hang: true }] }],
      },
    });
    const { agent } = await withAgent(house);
    await send(house, agent.agent_id, "hello", { wait_for: "delivered" });
    const reason = async () => (await house.call("get_session_status")).sessions[0].agents[0].state_reason;
    await expect.poll(reason, { timeout: 10_000 }).toContain("529");
  });

  it("an agent that dies in a turn is restarted with its conversation; the turn's message is told apart from those behind it", async () => {
    const house = await startHouse({
      script: { rules: [{ match: { contains: "die" }, times: 1, actions: [{ crash: true }] }] },
    });
    const { agent } = await withAgent(house);
    await send(house, agent.agent_id, "remember me", { wait_for: "processed" });
    const fatal = await send(house, agent.agent_id, "die now");
    const behind = await send(house, agent.agent_id, "still there?");
    const [end, next] = await Promise.all(
      [fatal, behind].map((one) => house.call("get_message", { message_id: one.message_id, wait_for: "processed" })),
    );
    expect(end).toMatchObject({ state: "processed", reply: null, failure: { code: "agent_crashed" } });
    expect(next).toMatchObject({ state: "processed", failure: null });
    const starts = house.oracle().filter((one) => one.event === "started");
    expect(starts.map((one) => one.resumed)).toEqual([false, true]);
    expect(new Set(starts.map((one) => one.conversationId)).size).toBe(1);
  });
});

describe("a message that is not delivered", () => {
  it("can be taken back while it is queued, and only then", async () => {
    const house = await startHouse();
    const { agent } = await withAgent(house);
    await house.call("clear_agent_conversation", { agent_id: agent.agent_id });
    const receipt = await send(house, agent.agent_id, "never mind");
    expect(await house.call("cancel_message", { message_id: receipt.message_id })).toMatchObject({
      state: "cancelled",
    });
    await expect(house.call("cancel_message", { message_id: receipt.message_id })).rejects.toMatchObject({
      code: "conflict",
    });
  });

  it("expires when its time runs out", async () => {
    const house = await startHouse();
    const { agent } = await withAgent(house);
    await house.call("clear_agent_conversation", { agent_id: agent.agent_id });
    const receipt = await send(house, agent.agent_id, "soon", { expires_in_s: 0.05, wait_for: "delivered" });
    expect(receipt).toMatchObject({ state: "expired", failure: { code: "expired" } });
  });

  it("fails when its agent is deleted, because it certainly never arrived", async () => {
    const house = await startHouse();
    const { agent } = await withAgent(house);
    await house.call("clear_agent_conversation", { agent_id: agent.agent_id });
    const receipt = await send(house, agent.agent_id, "too late");
    await expect(house.call("delete_agent", { agent_id: agent.agent_id })).rejects.toMatchObject({
      code: "confirmation_required",
    });
    await house.call("delete_agent", { agent_id: agent.agent_id, force: true });
    expect(await house.call("get_message", { message_id: receipt.message_id })).toMatchObject({ state: "failed" });
    await expect(send(house, agent.agent_id, "hello?")).rejects.toMatchObject({ code: "not_found" });
  });

  it("fails when its prompt was refused again and again, and holds up nobody behind it", async () => {
    const house = await startHouse();
    const { agent } = await withAgent(house);
    await house.call("clear_agent_conversation", { agent_id: agent.agent_id });
    const [first, second] = [await send(house, agent.agent_id, "odd"), await send(house, agent.agent_id, "plain")];
    const row = house.house.mailbox.get(first.message_id);
    for (let n = 0; n < REFUSALS_MAX; n++) if (row !== undefined) house.house.mailbox.refused(row, `p${n}`);
    await house.call("start_new_agent_conversation", { agent_id: agent.agent_id });
    const end = (id: string) => house.call("get_message", { message_id: id, wait_for: "processed" });
    expect(await end(first.message_id)).toMatchObject({ state: "failed", failure: { code: "not_submitted" } });
    expect(await end(second.message_id)).toMatchObject({ state: "processed" });
  });

  it("stays queued for a closed agent and arrives in its next conversation", async () => {
    const house = await startHouse();
    const { agent } = await withAgent(house);
    const closed = await house.call("clear_agent_conversation", { agent_id: agent.agent_id });
    expect(closed).toEqual({
      agent_id: agent.agent_id,
      state: "closed",
      closed_conversation_id: agent.conversation_id,
    });
    const receipt = await send(house, agent.agent_id, "later");
    expect(receipt.state).toBe("queued");
    const started = await house.call("start_new_agent_conversation", { agent_id: agent.agent_id });
    expect(started.conversation_id).not.toBe(agent.conversation_id);
    const end = await house.call("get_message", { message_id: receipt.message_id, wait_for: "processed" });
    expect(end.state).toBe("processed");
  });
});

it("answers the same idempotency key with the first result, and another request under it with a conflict", async () => {
  const house = await startHouse();
  const { agent } = await withAgent(house);
  const request = { agent_id: agent.agent_id, message: "once", idempotency_key: "k1", wait_for: "processed" };
  const [a, b] = await Promise.all([
    house.call("send_message_to_agent", request),
    house.call("send_message_to_agent", request),
  ]);
  const c = await house.call("send_message_to_agent", request);
  expect([b.message_id, c.message_id]).toEqual([a.message_id, a.message_id]);
  await expect(house.call("send_message_to_agent", { ...request, message: "twice" })).rejects.toMatchObject({
    code: "conflict",
  });
  expect(prompts(house)).toHaveLength(1);
});

it("answers a key whose first answer was lost with the daemon by what was done, and does nothing twice", async () => {
  const house = await startHouse();
  const { agent } = await withAgent(house);
  const request = { agent_id: agent.agent_id, message: "once", idempotency_key: "k2", wait_for: "processed" };
  const first = await house.call("send_message_to_agent", request);
  house.house.db.run("UPDATE idempotency SET answer = NULL WHERE key = 'k2'");
  expect(await house.call("send_message_to_agent", request)).toMatchObject({
    message_id: first.message_id,
    state: "processed",
  });
  expect(prompts(house)).toHaveLength(1);
});

it("lets an agent write to its peer under its own name, and to nobody else's session", async () => {
  const house = await startHouse();
  const { session, agent } = await withAgent(house);
  const peer = await house.call("create_agent", { session_id: session.session_id, kind: "scripted" });
  const asAgent = {
    role: "agent" as const,
    sessionId: session.session_id,
    agentId: agent.agent_id,
    actor: `agent:${agent.agent_id}`,
  };
  const receipt = await house.call(
    "send_message_to_agent",
    { agent_id: peer.agent_id, message: "hi", wait_for: "processed" },
    asAgent,
  );
  expect(receipt.reply).toContain("from Agent_1]");
  const other = await house.call("create_session", { root_path: house.dir });
  const stranger = await house.call("create_agent", { session_id: other.session_id, kind: "scripted" });
  const attempt = house.call("send_message_to_agent", { agent_id: stranger.agent_id, message: "hi" }, asAgent);
  await expect(attempt).rejects.toMatchObject({ code: "not_found" });
  await expect(house.call("create_agent", { session_id: session.session_id }, asAgent)).rejects.toMatchObject({
    code: "permission_denied",
  });
});

/** Waits for a fact that no event tells; bounded, and a failure when it never comes. */
async function until(fact: () => Promise<boolean>): Promise<void> {
  await expect.poll(fact, { timeout: 10_000, interval: 20 }).toBe(true);
}
