// Flow between agents: limits for pairs, an end for loops, broadcasts, and dead letters that can be sent again.

import { expect, it } from "vitest";
import type { Principal } from "../../src/access/principal.ts";
import { startHouse, type TestHouse, withAgent } from "../support/house.ts";

async function pair(house: TestHouse) {
  const { session, agent: first } = await withAgent(house);
  const second = await house.call("create_agent", { session_id: session.session_id, kind: "scripted" });
  const as = (agent: Record<string, any>): Principal => ({
    role: "agent",
    sessionId: session.session_id,
    agentId: agent.agent_id,
    actor: `agent:${agent.agent_id}`,
  });
  return { session, first, second, as };
}

it("refuses the 31st message of one agent to another within a minute", async () => {
  const house = await startHouse();
  const { first, second, as } = await pair(house);
  for (let n = 0; n < 30; n++)
    await house.call("send_message_to_agent", { agent_id: second.agent_id, message: `${n}` }, as(first));
  const one = house.call("send_message_to_agent", { agent_id: second.agent_id, message: "more" }, as(first));
  await expect(one).rejects.toMatchObject({ code: "limit_reached", retryable: true });
});

it("breaks a conversation in which two agents only keep each other going", async () => {
  const house = await startHouse({ script: { rules: [{ actions: [{ hang: true }] }] } });
  const { first, second, as } = await pair(house);
  await house.call("send_message_to_agent", { agent_id: first.agent_id, message: "begin", wait_for: "delivered" });
  let [from, to] = [first, second];
  for (let hop = 1; hop <= 8; hop++) {
    await house.call("interrupt_agent", { agent_id: to.agent_id });
    const hopped = { agent_id: to.agent_id, message: `hop ${hop}`, wait_for: "delivered" };
    expect(await house.call("send_message_to_agent", hopped, as(from))).toMatchObject({ state: "delivered" });
    expect(house.house.mailbox.inState(to.agent_id, "delivered").map((row) => row.hops)).toEqual([hop]);
    [from, to] = [to, from];
  }
  const loop = house.call("send_message_to_agent", { agent_id: to.agent_id, message: "hop 9" }, as(from));
  await expect(loop).rejects.toMatchObject({ code: "limit_reached", retryable: false });
  const shown = async () => {
    const [session] = (await house.call("get_session_status", {})).sessions;
    const agent = session.agents.find((one: any) => one.agent_id === from.agent_id);
    return { health: session.health, reason: agent.state_reason };
  };
  expect(await shown()).toEqual({
    health: `attention: ${from.name} was stopped in a loop`,
    reason: expect.stringMatching(`its message to ${to.name} was refused: .*loop`),
  });
  // A person's word is what it waits for.
  await house.call("send_message_to_agent", { agent_id: from.agent_id, message: "enough" });
  await expect.poll(shown).toEqual({ health: "ok", reason: null });
}, 60_000);

it("broadcasts to every agent of the session but the sender, one receipt each", async () => {
  const house = await startHouse();
  const { session, first, second, as } = await pair(house);
  const all = await house.call("broadcast_message", { session_id: session.session_id, message: "hear" });
  expect(all.messages.map((one: any) => one.agent_id)).toEqual([first.agent_id, second.agent_id]);
  const others = await house.call("broadcast_message", { session_id: session.session_id, message: "hear" }, as(first));
  expect(others.messages.map((one: any) => one.agent_id)).toEqual([second.agent_id]);
});

it("lists dead letters and sends one again as a new message", async () => {
  const house = await startHouse();
  const { agent } = await withAgent(house);
  await house.call("clear_agent_conversation", { agent_id: agent.agent_id });
  const lost = await house.call("send_message_to_agent", {
    agent_id: agent.agent_id,
    message: "soon",
    expires_in_s: 0.01,
    wait_for: "delivered",
  });
  expect(lost.state).toBe("expired");
  const dead = await house.call("list_messages", {});
  expect(dead.messages).toMatchObject([
    { message_id: lost.message_id, agent_name: agent.name, sender: "operator", text: "soon", resent_as: null },
  ]);
  expect(dead.messages[0].ended_at).toBe(lost.ended_at);
  const again = await house.call("resend_message", { message_id: lost.message_id });
  // Nobody has to decide about it any more, and nobody sends it twice.
  expect((await house.call("list_messages", {})).messages).toEqual([]);
  const expired = await house.call("list_messages", { states: ["expired"] });
  expect(expired.messages).toMatchObject([{ message_id: lost.message_id, resent_as: again.message_id }]);
  await expect(house.call("resend_message", { message_id: lost.message_id })).rejects.toMatchObject({
    code: "conflict",
    message: expect.stringContaining(again.message_id),
  });
  expect(again).toMatchObject({ state: "queued" });
  await house.call("start_new_agent_conversation", { agent_id: agent.agent_id });
  const end = await house.call("get_message", { message_id: again.message_id, wait_for: "processed" });
  expect(end.reply).toContain("soon");
  await expect(house.call("resend_message", { message_id: again.message_id })).rejects.toMatchObject({
    code: "conflict",
  });
});

it("lists nothing for a session that never had an agent", async () => {
  const house = await startHouse();
  const { session } = await withAgent(house);
  await house.call("delete_session", { session_id: session.session_id });
  const empty = await house.call("create_session", { root_path: session.root_path, trust: true });
  expect(await house.call("list_messages", { session_id: empty.session_id })).toMatchObject({ messages: [] });
});

it("still lists what a deleted agent never got, and sends it to another one", async () => {
  const house = await startHouse();
  const { session, first, second } = await pair(house);
  await house.call("clear_agent_conversation", { agent_id: first.agent_id });
  const lost = await house.call("send_message_to_agent", { agent_id: first.agent_id, message: "for whoever is there" });
  await house.call("delete_agent", { agent_id: first.agent_id, force: true });
  for (const filter of [{}, { session_id: session.session_id }, { agent_id: first.agent_id }]) {
    const { messages } = await house.call("list_messages", filter);
    expect(messages).toMatchObject([{ message_id: lost.message_id, state: "failed", agent_name: first.name }]);
  }
  await expect(house.call("resend_message", { message_id: lost.message_id })).rejects.toMatchObject({
    code: "not_found",
    nextStep: expect.stringContaining("agent_id"),
  });
  const again = await house.call("resend_message", { message_id: lost.message_id, agent_id: second.agent_id });
  const end = await house.call("get_message", { message_id: again.message_id, wait_for: "processed" });
  expect(end).toMatchObject({ state: "processed", reply: expect.stringContaining("for whoever is there") });
  await house.call("delete_session", { session_id: session.session_id, force: true });
  const after = await house.call("list_messages", { session_id: session.session_id, states: ["failed", "processed"] });
  expect(after.messages.map((one: any) => one.message_id)).toEqual([lost.message_id, again.message_id]);
});
