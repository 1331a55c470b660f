// The whole product with the real Claude Code CLI inside it. Nothing here asks signalbox whether a promise was kept: the
// scripted model's own log says what reached the model and how often, the file system says which commands ran, and the
// process table who lives.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { isAlive } from "../support/process-table.ts";
import { CLAUDE_VERSION, DUMMY_API_KEY, OLDEST_CLAUDE_VERSION, skipsRealClaude } from "../support/real-claude.ts";
import {
  type Answer,
  CallFailed,
  type RealProduct,
  type Sdk,
  startRealProduct,
  until,
} from "../support/real-product.ts";
import { fail, gate, type ModelRequest, say, useTool } from "../support/scripted-model/index.ts";

const SDKS: readonly Sdk[] = ["SDK 1", "SDK 2"];

describe.skipIf(skipsRealClaude())("the story from the front door to the model and back", { timeout: 240_000 }, () => {
  it.each([
    [CLAUDE_VERSION, 2],
    [OLDEST_CLAUDE_VERSION, 1],
  ])(
    "with Claude Code %s and %d agents, for official clients of both SDKs; nothing is left running",
    async (version, count) => {
      const product = await startRealProduct({ version });
      onTestFinished(() => product.stop());
      for (const sdk of SDKS) {
        const client = await product.connect(sdk);
        expect(await client.tools()).toContain("send_message_to_agent");
        const session = await client.call("create_session", { root_path: product.root, trust: true });
        const agents: Answer[] = [];
        for (let n = 1; n <= count; n++) {
          const agent = await client.call("create_agent", { session_id: session.session_id, wait_s: 60 });
          expect(agent).toMatchObject({ name: `Agent_${n}`, state: "ready", terminal: { backend: "pty" } });
          agents.push(agent);
        }
        const receipts = await Promise.all(
          agents.map(({ agent_id, name }) =>
            client.call("send_message_to_agent", {
              agent_id,
              message: `a task for ${name}`,
              wait_for: "processed",
              wait_s: 60,
            }),
          ),
        );
        for (const [n, receipt] of receipts.entries()) {
          expect(receipt).toMatchObject({ state: "processed", channel: "prompt", failure: null });
          // The older program loses an Enter now and then; signalbox notices and presses it once more.
          expect(receipt.attempts).toBeLessThanOrEqual(version === CLAUDE_VERSION ? 1 : 2);
          expect(receipt.reply).toBe(`ACK: [signalbox ${receipt.message_id} from operator]\na task for Agent_${n + 1}`);
          expect(product.turns(receipt.message_id)).toBe(1);
          expect(product.model.deliveries(receipt.message_id)).toHaveLength(1);
        }
        for (const { agent_id } of agents) await client.call("wait_for_agent", { agent_id, until: "ready" });
        const deleted = await client.call("delete_session", { session_id: session.session_id });
        expect(deleted).toMatchObject({ deleted: true, agents_deleted: count });
        expect(product.processes("agent")).toEqual([]);
        await client.close();
      }
      expect(product.cli("stop")).toMatchObject({ code: 0 });
      await until("nothing of it runs", () => product.processes().length === 0);
    },
  );
});

describe.skipIf(skipsRealClaude())("with the real Claude Code CLI", { timeout: 180_000 }, () => {
  let product: RealProduct;
  beforeAll(async () => {
    product = await startRealProduct();
  });
  afterAll(() => product.stop());

  /** A ready agent in a session of its own, gone when the test is. */
  async function oneAgent(): Promise<Answer> {
    return (await someAgents(1))[0] as Answer;
  }

  async function someAgents(count: number): Promise<Answer[]> {
    const { session, agents } = await product.withAgents(count);
    onTestFinished(
      async () => void (await product.call("delete_session", { session_id: session.session_id, force: true })),
    );
    return agents;
  }

  const send = (agent: Answer, message: string, more?: Answer) => product.send(agent.agent_id, message, more);
  const waiting = (agent: Answer) =>
    product.call("wait_for_agent", { agent_id: agent.agent_id, until: "waiting", wait_s: 60 });
  /** As a person does who reads again when a question is not open any more: one that was read off the screen first is known by
   *  another id once its hook has come. */
  const answer = (agent: Answer, decision: Answer) =>
    until("the open question takes the answer", async () => {
      const { agent_id, waiting_for } = await waiting(agent);
      const { request_id } = waiting_for;
      return product.call("answer_agent", { agent_id, request_id, ...decision }).catch((error) => {
        if (error instanceof CallFailed && error.code === "not_found") return null;
        throw error;
      });
    });
  const receipt = (message: Answer) => product.call("get_message", { message_id: message.message_id });
  const end = (message: Answer) => product.end(message.message_id);

  /** The client's connection breaks with it; the next call starts another. Answers its pid. */
  async function killDaemon(): Promise<number> {
    const { daemon } = await product.call("get_session_status");
    await product.kill(daemon.pid);
    await product.call("get_session_status").catch(() => undefined);
    return daemon.pid;
  }

  /** The model answers the turn of this message so; every other turn is acknowledged. */
  function answerTurnOf(words: string, ...replies: Parameters<RealProduct["model"]["script"]>[0]["reply"][]): void {
    for (const reply of [...replies].reverse()) {
      const isItsTurn = (request: ModelRequest) =>
        request.kind === "main" &&
        request.texts
          .findLast(({ role, text }) => role === "user" && text.includes("[signalbox "))
          ?.text.includes(words) === true;
      product.model.script({ reply, times: 1, when: isItsTurn });
    }
  }

  /** Asks to run a command that leaves a file behind. */
  function asksForBash(words: string): { ran: () => boolean } {
    const canary = join(product.root, `ran-${words.replace(/\W/g, "-")}`);
    answerTurnOf(words, useTool("Bash", { command: `touch ${canary}`, description: "leave a mark" }));
    return { ran: () => existsSync(canary) };
  }

  it("a directory nobody vouched for: the trust dialog waits, messages stay queued, and arrive after an answer", async () => {
    const session = await product.call("create_session", { root_path: product.root });
    onTestFinished(
      async () => void (await product.call("delete_session", { session_id: session.session_id, force: true })),
    );
    const agent = await product.call("create_agent", {
      session_id: session.session_id,
      initial_message: "before trust",
      wait_s: 60,
    });
    expect(agent.state).toBe("waiting");
    const before = await product.agent(agent.agent_id);
    expect(before).toMatchObject({ waiting_for: { kind: "trust" }, queued_messages: 1 });
    await answer(agent, { decision: "allow" });
    const request = await product.model.waitForRequest(({ newUserText }) => newUserText.includes("before trust"));
    expect(product.model.turnsWith("before trust")).toEqual([request]);
  });

  it("an open permission dialog is not touched by messages; allowed from outside, the tool runs and the message follows", async () => {
    const agent = await oneAgent();
    const bash = asksForBash("do it");
    const first = await send(agent, "do it");
    const { waiting_for } = await waiting(agent);
    expect(waiting_for).toMatchObject({ kind: "permission", tool: "Bash", summary: expect.stringContaining("touch ") });
    const second = await send(agent, "1", { wait_for: "delivered", wait_s: 2 });
    expect(second.state).toBe("queued");
    expect(bash.ran()).toBe(false);
    await answer(agent, { decision: "allow" });
    expect(await end(first)).toMatchObject({ state: "processed", failure: null });
    expect(bash.ran()).toBe(true);
    expect(await end(second)).toMatchObject({ state: "processed", failure: null });
    expect([first, second].map(({ message_id }) => product.model.deliveries(message_id).length)).toEqual([1, 1]);
  });

  it("a denial keeps the tool from running, and its reason reaches the model", async () => {
    const agent = await oneAgent();
    const bash = asksForBash("please not");
    const message = await send(agent, "please not");
    await waiting(agent);
    await answer(agent, { decision: "deny", reason: "not on a Sunday" });
    const told = await product.model.waitForRequest(({ toolResults }) =>
      toolResults.some((text) => text.includes("not on a Sunday")),
    );
    expect(told.kind).toBe("main");
    expect((await end(message)).state).toBe("processed");
    expect(bash.ran()).toBe(false);
  });

  it("a question is answered by its label, and the model reads the answer", async () => {
    const agent = await oneAgent();
    const options = ["Red", "Green", "Blue"].map((label) => ({ label, description: `paint it ${label}` }));
    const question = { question: "Which colour?", header: "Colour", options, multiSelect: false };
    answerTurnOf("ask me", useTool("AskUserQuestion", { questions: [question] }));
    const message = await send(agent, "ask me");
    const { waiting_for } = await waiting(agent);
    expect(waiting_for).toMatchObject({ kind: "question", options: ["Red", "Green", "Blue"] });
    await answer(agent, { decision: "Green" });
    const told = await product.model.waitForRequest(({ toolResults }) =>
      toolResults.some((text) => text.includes("Which colour?")),
    );
    expect(told.toolResults.join()).toMatch(/Green/);
    expect(told.toolResults.join()).not.toMatch(/Red|Blue/);
    expect(await end(message)).toMatchObject({ state: "processed", failure: null });
  });

  it("an interrupted turn ends as interrupted, and the next message finds an empty prompt", async () => {
    const agent = await oneAgent();
    const never = gate();
    answerTurnOf("long work", say(["working on it", never.opened, "done"]));
    const message = await send(agent, "long work", { wait_for: "delivered" });
    expect(message.state).toBe("delivered");
    await product.model.waitForRequest(({ newUserText }) => newUserText.includes(message.message_id));
    await product.call("interrupt_agent", { agent_id: agent.agent_id });
    expect(await end(message)).toMatchObject({ state: "processed", reply: null, failure: { code: "interrupted" } });
    const next = await end(await send(agent, "short work"));
    expect(next).toMatchObject({ state: "processed", failure: null });
    expect(product.turns(message.message_id)).toBe(1);
  });

  it("a turn interrupted before the model's first byte leaves no draft that runs into the next message", async () => {
    const agent = await oneAgent();
    const never = gate();
    answerTurnOf("silent work", say("late", { after: never.opened }));
    const message = await send(agent, "silent work", { wait_for: "delivered" });
    await product.model.waitForRequest(({ newUserText }) => newUserText.includes(message.message_id));
    await product.call("interrupt_agent", { agent_id: agent.agent_id });
    expect(await end(message)).toMatchObject({ state: "processed", reply: null, failure: { code: "interrupted" } });
    const next = await end(await send(agent, "other work"));
    expect(next.reply).toBe(`ACK: [signalbox ${next.message_id} from operator]\nother work`);
    expect(product.model.deliveries(next.message_id)).toHaveLength(1);
  });

  it.each([401, 529])(
    "while the model answers %d, the message is delivered and the agent's state names the error",
    async (status) => {
      const agent = await oneAgent();
      const words = `during ${status}`;
      const recover = product.model.script({
        reply: fail(status, `scripted ${status}`),
        when: ({ kind }) => kind === "main",
      });
      onTestFinished(recover);
      const message = await send(agent, words, { wait_for: "delivered" });
      expect(message).toMatchObject({ state: "delivered", evidence: "UserPromptSubmit hook" });
      const seen = await until("the error is named, or the program gave up", async () => {
        const { state, state_reason } = await product.agent(agent.agent_id);
        if (state === "working" && state_reason?.includes(String(status))) return "named";
        return (await receipt(message)).state === "processed" ? "given up" : null;
      });
      if (seen === "named") await product.call("interrupt_agent", { agent_id: agent.agent_id });
      recover();
      const { state, failure } = await end(message);
      expect(state).toBe("processed");
      expect(failure.code).toBe(seen === "named" ? "interrupted" : "api_error");
      expect(await end(await send(agent, "afterwards"))).toMatchObject({ state: "processed", failure: null });
    },
  );

  it("what the model's API refuses is told in its words, by the receipt and by the agent's state until its next turn", async () => {
    const agent = await oneAgent();
    const refuse = product.model.script({ reply: fail(400, "no such thing"), when: ({ kind }) => kind === "main" });
    onTestFinished(refuse);
    const { state, failure } = await end(await send(agent, "refused"));
    expect(state).toBe("processed");
    expect(failure).toEqual({ code: "api_error", message: expect.stringContaining("no such thing") });
    const told = await product.call("wait_for_agent", { agent_id: agent.agent_id, until: "ready", wait_s: 30 });
    expect(told.state).toBe("ready");
    expect((await product.agent(agent.agent_id)).state_reason).toMatch(/^the last turn failed: .*no such thing/);
    refuse();
    expect(await end(await send(agent, "afterwards"))).toMatchObject({ failure: null });
    await product.call("wait_for_agent", { agent_id: agent.agent_id, until: "ready", wait_s: 30 });
    await until("nothing is told any more", async () => (await product.agent(agent.agent_id)).state_reason === null);
  });

  it("a person's draft is put aside, the message delivered, and the draft stands in the box again", async () => {
    const agent = await oneAgent();
    const person = await product.attach(agent.agent_id, agent.name);
    person.type("half a thought");
    await until("the draft is seen", async () => (await screenOf(agent)).includes("half a thought"));
    const message = await send(agent, "from outside", { wait_for: "processed", wait_s: 60 });
    expect(message).toMatchObject({
      state: "processed",
      reply: expect.stringContaining("from outside"),
      failure: null,
    });
    expect(product.model.turnsWith("half a thought")).toEqual([]);
    await until("the draft is back", async () => (await screenOf(agent)).includes("half a thought"));
    person.type(" and its end\r");
    const own = await product.model.waitForRequest(({ newUserText }) =>
      newUserText.includes("half a thought and its end"),
    );
    expect(own.newUserText).not.toContain("from outside");
    await person.leave();
  });

  it("a person's draft beside one that they have put aside themselves is left alone, and neither is lost", async () => {
    const agent = await oneAgent();
    const person = await product.attach(agent.agent_id, agent.name);
    const shows = (what: string) => until(`${what} is seen`, async () => (await screenOf(agent)).includes(what));
    person.type("an earlier thought");
    await shows("an earlier thought");
    person.type("\x13");
    await shows("stashed");
    person.type("a later one");
    await shows("a later one");
    const message = await send(agent, "from outside");
    const state = () =>
      product.agent(agent.agent_id).then((now) => `${now.state_reason}; ${now.queued_messages} message queued`);
    await until("why it waits is told", async () =>
      (await state()).startsWith("a draft stands in the prompt, and another"),
    );
    expect(product.turns(message.message_id)).toBe(0);
    person.type("\r");
    expect(await end(message)).toMatchObject({ state: "processed", failure: null });
    const own = await product.model.waitForRequest(({ newUserText }) => newUserText.includes("a later one"));
    expect(own.newUserText).not.toContain("from outside");
    await shows("an earlier thought");
    person.type(" and its end\r");
    await product.model.waitForRequest(({ newUserText }) => newUserText.includes("an earlier thought and its end"));
    expect(product.turns(message.message_id)).toBe(1);
    await person.leave();
  });

  it("an agent killed in its turn is noticed within 5 s and resumed; the turn's message says so and the queued ones arrive", async () => {
    const agent = await oneAgent();
    const never = gate();
    answerTurnOf("doomed", say(["begun", never.opened]));
    const doomed = await send(agent, "doomed", { wait_for: "delivered" });
    const queued = await Promise.all(["two", "three"].map((words) => send(agent, words)));
    await product.model.waitForRequest(({ newUserText }) => newUserText.includes(doomed.message_id));
    // Killed before its first prompt is written down, the program has no conversation to go on with.
    const transcript = async () =>
      String((await product.call("read_agent", { agent_id: agent.agent_id, what: "transcript" })).text);
    await until("the transcript holds it", async () => (await transcript()).includes(doomed.message_id));
    const { pid, conversation_id } = await product.agent(agent.agent_id);
    const killedAtMs = performance.now();
    await product.kill(pid);
    await until(
      "it is noticed",
      async () => ["crashed", "starting"].includes((await product.agent(agent.agent_id)).state),
      5_000,
    );
    expect(performance.now() - killedAtMs).toBeLessThan(5_000);
    expect(await end(doomed)).toMatchObject({ state: "processed", reply: null, failure: { code: "agent_crashed" } });
    for (const message of queued) expect(await end(message)).toMatchObject({ state: "processed", failure: null });
    const after = await product.agent(agent.agent_id);
    expect(after).toMatchObject({ conversation_id });
    expect(after.pid).not.toBe(pid);
    expect([doomed, ...queued].map(({ message_id }) => product.turns(message_id))).toEqual([1, 1, 1]);
  });

  it("a `!` that a person typed and the program has not drawn yet makes no shell command of a letter", async () => {
    const agent = await oneAgent();
    const { pid } = await product.agent(agent.agent_id);
    const person = await product.attach(agent.agent_id, agent.name);
    process.kill(pid, "SIGSTOP");
    person.type("!");
    const canary = join(product.root, "canary-of-a-letter");
    const message = await send(agent, `run\ntouch ${canary}`);
    await until("it is typed", async () => (await receipt(message)).state === "sending");
    process.kill(pid, "SIGCONT");
    const boxOf = async () => {
      const lines = (await screenOf(agent)).split("\n");
      const [above = 0, below = 0] = lines.flatMap((line, row) => (line.startsWith("────") ? [row] : [])).slice(-2);
      return lines.slice(above + 1, below).join("\n");
    };
    await until("the `!` is drawn", async () => (await boxOf()).includes("!"));
    // Far longer than it takes an Enter to follow. It stands behind the `!`, or the daemon saw that in time and never typed it.
    const still = await product.call("get_message", {
      message_id: message.message_id,
      wait_for: "delivered",
      wait_s: 5,
    });
    expect(["sending", "queued"]).toContain(still.state);
    expect(existsSync(canary)).toBe(false);
    // The person takes it out again, line by line, and leaves the shell's mode.
    await until("the letter is out of the box", async () => {
      if (!(await boxOf()).includes("signalbox")) return true;
      person.type("\x15");
      return false;
    });
    await until("the `!` is gone", async () => {
      if (!(await boxOf()).includes("!")) return true;
      person.type("\x7f");
      return false;
    });
    expect(await end(message)).toMatchObject({ state: "processed", failure: null });
    await person.leave();
    expect(existsSync(canary)).toBe(false);
    expect(product.turns(message.message_id)).toBe(1);
  });

  it("an agent that stands still gets its message once when it goes on", async () => {
    const agent = await oneAgent();
    const { pid } = await product.agent(agent.agent_id);
    process.kill(pid, "SIGSTOP");
    const message = await send(agent, "once, when you can");
    // Longer than a message that left no trace is waited for before it is sent again.
    const waiting = await product.call("get_message", {
      message_id: message.message_id,
      wait_for: "delivered",
      wait_s: 12,
    });
    expect(waiting).toMatchObject({ state: "sending", attempts: 1 });
    process.kill(pid, "SIGCONT");
    expect(await end(message)).toMatchObject({ state: "processed", failure: null, attempts: 1 });
    expect(product.turns(message.message_id)).toBe(1);
  });

  it("a prompt taken while no daemon lived, by an agent killed before it wrote that down, is not sent a second time", async () => {
    const agent = await oneAgent();
    const never = gate();
    answerTurnOf("once only", say(["begun", never.opened]));
    await end(await send(agent, "an earlier turn, so that there is a conversation to resume"));
    await product.call("wait_for_agent", { agent_id: agent.agent_id, until: "ready", wait_s: 30 });
    const { pid } = await product.agent(agent.agent_id);
    // A program that stands still has the keys in its terminal, and asks its hooks when nobody is there to answer.
    process.kill(pid, "SIGSTOP");
    const message = await send(agent, "once only");
    await until("it is typed", async () => (await receipt(message)).state === "sending");
    await killDaemon();
    process.kill(pid, "SIGCONT");
    await product.model.waitForRequest(({ newUserText }) => newUserText.includes(message.message_id));
    await product.kill(pid);
    expect(await end(message)).toMatchObject({ state: "processed", reply: null, failure: { code: "agent_crashed" } });
    await product.call("wait_for_agent", { agent_id: agent.agent_id, until: "ready", wait_s: 30 });
    const next = await end(await send(agent, "and on it goes"));
    expect(next).toMatchObject({ state: "processed", failure: null });
    expect(product.turns(message.message_id)).toBe(1);
  });

  it("a daemon killed while agents work finds the same processes again; nothing is lost, nothing comes twice", async () => {
    const agents = await someAgents(2);
    const works = agents.map(({ name }) => ({ words: `long work of ${name}`, go: gate() }));
    for (const { words, go } of works) answerTurnOf(words, say(["begun", go.opened, " and done"]));
    const running = await Promise.all(
      agents.map((agent, n) => send(agent, works[n]?.words ?? "", { wait_for: "delivered" })),
    );
    const queued = await Promise.all(agents.flatMap((agent) => ["a", "b"].map((words) => send(agent, words))));
    const pidsBefore = product.processes("agent").map(({ pid }) => pid);
    const daemonPid = await killDaemon();
    // The first turn ends while nobody listens, the second while the next daemon does.
    works[0]?.go.open();
    expect((await product.call("get_session_status")).daemon.pid).not.toBe(daemonPid);
    works[1]?.go.open();
    const ends = await Promise.all([...running, ...queued].map(end));
    expect(ends.map(({ state, failure }) => ({ state, failure }))).toEqual(
      ends.map(() => ({ state: "processed", failure: null })),
    );
    expect(ends.slice(0, 2).map(({ reply }) => reply)).toEqual(["begun and done", "begun and done"]);
    expect(product.processes("agent").map(({ pid }) => pid)).toEqual(pidsBefore);
    expect(ends.map(({ message_id }) => product.turns(message_id))).toEqual(ends.map(() => 1));
  });

  it("a long message that was pasted and not yet submitted when the daemon was killed is submitted by the next one", async () => {
    const agent = await oneAgent();
    const person = await product.attach(agent.agent_id, agent.name);
    // Where a person has just typed, a letter is pasted first, and its Enter follows when it is seen to stand there.
    person.type("soon gone");
    await until("it is seen", async () => (await screenOf(agent)).includes("soon gone"));
    person.type("\x15");
    await until("it is gone", async () => !(await screenOf(agent)).includes("soon gone"));
    const { pid } = await product.agent(agent.agent_id);
    process.kill(pid, "SIGSTOP");
    const message = await send(agent, Array.from({ length: 6 }, (_, n) => `line ${n} of a long one`).join("\n"));
    await until("it is typed", async () => (await receipt(message)).state === "sending");
    await killDaemon();
    process.kill(pid, "SIGCONT");
    expect(await end(message)).toMatchObject({ state: "processed", failure: null });
    expect(product.turns(message.message_id)).toBe(1);
    await person.leave();
  });

  it("Left in an empty box opens no view into which the conversation would go, out of our hands", async () => {
    const agent = await oneAgent();
    await end(await send(agent, "so that there is a conversation"));
    await product.call("wait_for_agent", { agent_id: agent.agent_id, until: "ready", wait_s: 30 });
    const person = await product.attach(agent.agent_id, agent.name);
    person.type("\x1b[D");
    // Keys are read in order: what this one does shows that the one before has been read.
    person.type("?");
    await until("the key behind it is read", async () => (await screenOf(agent)).includes("ctrl+s to stash"));
    person.type("\x7f");
    const message = await end(await send(agent, "still here"));
    expect(message).toMatchObject({ state: "processed", failure: null });
    expect((await product.agent(agent.agent_id)).conversation_id).toBe(agent.conversation_id);
    await person.leave();
    await product.call("delete_agent", { agent_id: agent.agent_id, force: true });
    const names = product.processes().filter(({ commandLine }) => commandLine.includes(agent.conversation_id));
    expect(names).toEqual([]);
  });

  it("a dialog that was open when the daemon was killed can be answered through the next one", async () => {
    const agent = await oneAgent();
    const bash = asksForBash("across daemons");
    const message = await send(agent, "across daemons");
    await waiting(agent);
    const queued = await send(agent, "1");
    await killDaemon();
    const { waiting_for } = await waiting(agent);
    expect(waiting_for).toMatchObject({ kind: "permission" });
    expect((await receipt(queued)).state).toBe("queued");
    expect(bash.ran()).toBe(false);
    await answer(agent, { decision: "allow" });
    expect(await end(message)).toMatchObject({ state: "processed", failure: null });
    expect(bash.ran()).toBe(true);
    expect(await end(queued)).toMatchObject({ state: "processed", failure: null });
    expect([message, queued].map(({ message_id }) => product.model.deliveries(message_id).length)).toEqual([1, 1]);
  });

  it("a terminal host killed under its agents costs the running turn only; one process per conversation comes back", async () => {
    const agent = await oneAgent();
    const never = gate();
    answerTurnOf("in the tab", say(["begun", never.opened]));
    const running = await send(agent, "in the tab", { wait_for: "delivered" });
    const queued = await send(agent, "after the tab");
    const [host] = product.processes("host");
    await product.kill(host?.pid ?? 0);
    expect(await end(running)).toMatchObject({ state: "processed", failure: { code: "agent_crashed" } });
    expect(await end(queued)).toMatchObject({ state: "processed", failure: null });
    const { conversation_id } = await product.agent(agent.agent_id);
    expect(product.processes("agent").filter(({ commandLine }) => commandLine.includes(conversation_id))).toHaveLength(
      1,
    );
    expect(product.turns(queued.message_id)).toBe(1);
  });

  it("a person's /clear is followed into the new conversation, and messages arrive there", async () => {
    const agent = await oneAgent();
    await end(await send(agent, "before the clearing"));
    const person = await product.attach(agent.agent_id, agent.name);
    person.type("/clear");
    await until("the command is typed", async () => (await screenOf(agent)).includes("/clear"));
    person.type("\r");
    const { conversation_id } = await until("another conversation is shown", async () => {
      const now = await product.agent(agent.agent_id);
      return now.conversation_id !== agent.conversation_id && now.state === "ready" ? now : null;
    });
    await person.leave();
    const message = await end(await send(agent, "after the clearing"));
    expect(message).toMatchObject({ state: "processed", failure: null });
    expect(product.model.deliveries(message.message_id).map((one) => one.conversationId)).toEqual([conversation_id]);
  });

  it("an agent that a person ends with /exit is exited; its messages wait for the next conversation and arrive there", async () => {
    const agent = await oneAgent();
    await end(await send(agent, "hello"));
    const person = await product.attach(agent.agent_id, agent.name);
    person.type("/exit");
    await until("the command is typed", async () => (await screenOf(agent)).includes("/exit"));
    person.type("\r");
    const gone = await product.call("wait_for_agent", { agent_id: agent.agent_id, until: "exited", wait_s: 60 });
    expect(gone).toMatchObject({ state: "exited", timed_out: false });
    const message = await send(agent, "for later");
    expect(message.state).toBe("queued");
    const again = await product.call("start_new_agent_conversation", {
      agent_id: agent.agent_id,
      resume: true,
      wait_s: 60,
    });
    expect(again.conversation_id).toBe(agent.conversation_id);
    expect(await end(message)).toMatchObject({ state: "processed", failure: null });
    expect(product.turns(message.message_id)).toBe(1);
  });

  it("an agent writes to its peer with its own tool, asked by nobody, and it arrives in the agent's name", async () => {
    const [writer, reader] = (await someAgents(2)) as [Answer, Answer];
    const input = { agent_id: reader.agent_id, message: "word from a peer" };
    answerTurnOf("tell your peer", useTool("mcp__signalbox__send_message_to_agent", input));
    const states = new Set<string>();
    const message = await send(writer, "tell your peer");
    await until("the turn is over", async () => {
      states.add((await product.agent(writer.agent_id)).state);
      return (await receipt(message)).state === "processed";
    });
    expect(states).not.toContain("waiting");
    const arrived = await product.model.waitForRequest(
      ({ conversationId, texts }) =>
        conversationId === reader.conversation_id && texts.some(({ text }) => text.includes("word from a peer")),
    );
    const words = arrived.texts.find(({ text }) => text.includes("word from a peer"))?.text ?? "";
    expect(words).toMatch(/\[signalbox msg_[0-9a-z]+ from Agent_1\]\nword from a peer/);
    const id = /msg_[0-9a-z]+/.exec(words)?.[0] ?? "";
    expect(await product.end(id)).toMatchObject({ state: "processed", failure: null });
    expect(product.turns(id)).toBe(1);
  });

  it("no secret stands in any command line, and what the turn cost is shown", async () => {
    const agent = await oneAgent();
    await end(await send(agent, "something to count"));
    const secrets = product
      .processes("agent")
      .flatMap(({ pid }) => readFileSync(`/proc/${pid}/environ`, "latin1").split("\0"))
      .filter((entry) => /^SIGNALBOX_(HOOK_SECRET|AGENT_TOKEN)=/.test(entry))
      .map((entry) => entry.slice(entry.indexOf("=") + 1));
    expect(secrets).toHaveLength(2);
    const all = product.processes();
    expect(all.map(({ what }) => what)).toEqual(expect.arrayContaining(["daemon", "host", "agent", "bridge"]));
    for (const secret of [...secrets, DUMMY_API_KEY]) {
      expect(secret.length).toBeGreaterThan(10);
      expect(all.filter(({ commandLine }) => commandLine.includes(secret))).toEqual([]);
    }
    const seen = await until("the status line has told", async () => {
      const { model, context_used_pct, cost_usd } = await product.agent(agent.agent_id);
      return cost_usd > 0 && context_used_pct !== null ? { model, context_used_pct, cost_usd } : null;
    });
    expect(seen.model).toMatch(/Opus|Sonnet|Haiku/);
    expect(seen.context_used_pct).toBeGreaterThanOrEqual(0);
    expect(isAlive((await product.agent(agent.agent_id)).pid)).toBe(true);
  });

  async function screenOf(agent: Answer): Promise<string> {
    return (await product.call("read_agent", { agent_id: agent.agent_id })).text;
  }
});
