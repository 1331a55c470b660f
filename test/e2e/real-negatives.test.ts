// What others get wrong, with the real Claude Code CLI: many senders at once, no program at all, and a shell where the agent was. Bodies
// that are no plain words are real-bodies.test.ts's; drafts and dialogs, real-story.test.ts's.

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { skipsRealClaude } from "../support/real-claude.ts";
import { type Answer, CallFailed, startRealProduct, until } from "../support/real-product.ts";

const SENDERS = 4;
const MESSAGES_EACH = 5;

async function fresh(options: Parameters<typeof startRealProduct>[0] = {}) {
  const product = await startRealProduct(options);
  onTestFinished(async () => void (await product.stop()));
  return product;
}

/** Runs commands on the agent's own tmux server. */
function tmuxOf(agent: Answer): (...words: string[]) => string {
  const socket = /-S '?([^' ]+)/.exec(agent.terminal.attach)?.[1] ?? "";
  return (...words) => execFileSync("tmux", ["-S", socket, ...words], { encoding: "utf8" });
}

describe.skipIf(skipsRealClaude())("with the real program", { timeout: 120_000 }, () => {
  it("four senders at once: each message in a prompt of its own, once, in the order of its sender", async () => {
    const product = await fresh();
    const agentId = (await product.withAgents(1)).agents[0]?.agent_id;
    const clients = await Promise.all(
      Array.from({ length: SENDERS }, (_, n) => product.connect(n % 2 === 0 ? "SDK 1" : "SDK 2")),
    );
    const sent = await Promise.all(
      clients.map(async (client, sender) => {
        const ids: string[] = [];
        for (let n = 0; n < MESSAGES_EACH; n++) {
          const input = { agent_id: agentId, message: `number ${n} of sender ${sender}` };
          ids.push((await client.call("send_message_to_agent", input)).message_id);
        }
        return ids;
      }),
    );
    const all = sent.flat();
    for (const id of all) expect(await product.end(id)).toMatchObject({ state: "processed", failure: null });
    const prompts = product.model.requests.filter(({ kind }) => kind === "main").map(({ newUserText }) => newUserText);
    const idsIn = (text: string) =>
      [...text.matchAll(/\[signalbox (msg_[0-9a-z]+) from/g)].map(([, id]) => id as string);
    expect(prompts.map((text) => idsIn(text).length)).toEqual(prompts.map(() => 1));
    const order = prompts.flatMap(idsIn);
    expect([...order].sort()).toEqual([...all].sort());
    for (const ids of sent) expect(order.filter((id) => ids.includes(id))).toEqual(ids);
  });

  it("no program at all: refused with the next step, nothing is left behind, and the daemon lives on", async () => {
    const product = await fresh({ env: { SIGNALBOX_CLAUDE: "/nowhere/claude" } });
    const session = await product.call("create_session", { root_path: product.root, trust: true });
    const refused = await product
      .call("create_agent", { session_id: session.session_id, wait_s: 10 })
      .catch((error: CallFailed) => error);
    expect(refused).toBeInstanceOf(CallFailed);
    expect(refused).toMatchObject({ code: "agent_kind_unavailable", nextStep: expect.stringContaining("Install it") });
    const { sessions } = await product.call("get_session_status");
    expect(sessions.map(({ agents }: Answer) => agents)).toEqual([[]]);
    expect(product.processes("agent")).toEqual([]);
  });

  it("words that a letter ran into and that their person left alone: they stay in the box, and the message arrives without them", async () => {
    const product = await fresh();
    const session = await product.call("create_session", { root_path: product.root, trust: true, terminal: "tmux" });
    const agent = await product.call("create_agent", { session_id: session.session_id, wait_s: 60 });
    const { pid } = await product.agent(agent.agent_id);
    const tmux = tmuxOf(agent);
    const screen = () => tmux("capture-pane", "-p", "-t", agent.terminal.ref);
    // A program that stands still shows no key, so nobody can know of the person's; and keys sent like this count as nobody's.
    process.kill(pid, "SIGSTOP");
    tmux("send-keys", "-t", agent.terminal.ref, "-l", "half a thought");
    const { message_id } = await product.send(agent.agent_id, "from outside");
    await until("it is typed", async () => (await product.call("get_message", { message_id })).state === "sending");
    process.kill(pid, "SIGCONT");
    expect(await product.end(message_id)).toMatchObject({ state: "processed", failure: null });
    expect(product.turns(message_id)).toBe(1);
    expect(product.model.turnsWith("half a thought")).toEqual([]);
    await until("their words stand in the box", () => screen().includes("half a thought"));
  });

  it("a shell where the agent was: nothing is typed into it, and the message goes to the agent that comes back", async () => {
    const product = await fresh();
    const session = await product.call("create_session", { root_path: product.root, trust: true, terminal: "tmux" });
    const agent = await product.call("create_agent", { session_id: session.session_id, wait_s: 60 });
    expect(agent).toMatchObject({ state: "ready", terminal: { backend: "tmux" } });
    const first = await product.send(agent.agent_id, "so that there is a conversation to resume");
    expect(await product.end(first.message_id)).toMatchObject({ state: "processed", failure: null });
    const tmux = tmuxOf(agent);
    const pane = tmux("list-panes", "-t", `=signalbox:=${agent.terminal.ref}`, "-F", "#{pane_id}").trim();
    tmux("respawn-pane", "-k", "-t", pane, "env PS1='shell> ' sh");
    const canary = join(product.root, "canary");
    const { message_id } = await product.send(agent.agent_id, `touch ${canary}`);
    await expect.poll(() => tmux("capture-pane", "-p", "-t", pane), { timeout: 10_000 }).toContain("shell>");
    expect(await product.end(message_id)).toMatchObject({ state: "processed", failure: null });
    expect(product.turns(message_id)).toBe(1);
    const back = await product.agent(agent.agent_id);
    expect(back.conversation_id).toBe(agent.conversation_id);
    expect(back.pid).not.toBe(agent.pid);
    expect(product.processes("agent").map(({ pid }) => pid)).toEqual([back.pid]);
    expect(existsSync(canary)).toBe(false);
    expect(tmux("capture-pane", "-p", "-t", pane)).not.toMatch(/signalbox|canary/);
  });
});
