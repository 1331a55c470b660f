// Accounts for messages while processes are shot: three real agents, a scripted model as the witness, and kill -9 at random
// moments for the daemon, the terminal host and the agents. The CI test and `npm run soak` run this; what counts as lost or
// doubled is decided here, from what reached the model and never from what signalbox says.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Answer,
  CallFailed,
  type RealProduct,
  startRealProduct,
  turnsOf,
  until,
} from "../test/support/real-product.ts";
import { type ModelRequest, say, useTool } from "../test/support/scripted-model/index.ts";

const AGENTS = 3;
/** One message in so many makes the model ask for a command, so that a permission dialog opens. All are denied; a command that
 *  ran means that somebody's keys went into the dialog. */
const DIALOG_EVERY = 12;
/** One in so many is written to be taken for a command by a shell, or by the program's own bash mode. */
const SHELL_EVERY = 7;
/** The model takes up to this long to answer, so that kills fall into turns and not only between them. */
const THINKS_MS_MAX = 300;
/** For so many messages every kind of process is shot once, within this time. */
const MESSAGES_PER_SALVO = 60;
const SALVO_MS = 6_000;
/** A victim may be down from an earlier shot. */
const VICTIM_WITHIN_MS = 10_000;
/** Crash loops are given up by policy after five crashes in five minutes; then a person starts the agent again, as here. */
const SETTLE_MS_MAX = 240_000;

export interface Totals {
  sent: number;
  kills: Record<"daemon" | "host" | "agent", number>;
  /** Ended well: the reply came from the turn that took the message. */
  answered: number;
  /** Ended with a permission denied by keys, which ends the turn: all that is left when the daemon that held the question died. */
  denied: number;
  /** Ended with their turn's death, as their verdict says. */
  crashed: number;
  failed: number;
  unknown: number;
  /** Accepted, but without a verdict after everything has settled, or with a verdict that the model's log contradicts. */
  lost: string[];
  /** Began more than one turn. */
  doubled: string[];
  /** Commands that ran although every dialog was answered with no. */
  intoDialogs: string[];
  dialogs: number;
  /** Commands that ran out of a message's text. */
  shellRan: string[];
  /** Of `crashed`: the model never saw them; the prompt died between the program's hook and its request. */
  unseenByModel: number;
}

export function noTotals(): Totals {
  const kills = { daemon: 0, host: 0, agent: 0 };
  const counts = { sent: 0, answered: 0, denied: 0, crashed: 0, failed: 0, unknown: 0, dialogs: 0, unseenByModel: 0 };
  return { ...counts, kills, lost: [], doubled: [], intoDialogs: [], shellRan: [] };
}

export interface ChaosOptions {
  seed: number;
  rounds: number;
  messagesPerRound: number;
  say: (line: string) => void;
  /** Asked between rounds. */
  isOver?: () => boolean;
}

/** Runs the rounds on one product and adds what happened to `totals`. Throws when the agents cannot be brought back. */
export async function runChaos(options: ChaosOptions, totals: Totals): Promise<void> {
  const random = randomFrom(options.seed);
  const product = await startRealProduct();
  try {
    product.model.script({
      when: ({ kind }) => kind === "main",
      reply: (request) => answer(request, product.root, random),
    });
    const agents = (await product.withAgents(AGENTS)).agents.map(({ agent_id }) => agent_id as string);
    for (let round = 1; round <= options.rounds && options.isOver?.() !== true; round++) {
      const before = product.model.requests.length;
      const sent = await playRound(product, { agents, round, random, options, totals });
      const found = judge(product, sent, totals);
      for (const line of found.length === 0 ? [] : await evidence(product, found)) options.say(line);
      options.say(
        `seed ${options.seed} round ${round}: ${sent.length} messages, ${product.model.requests.length - before} requests; so far ${summary(totals)}`,
      );
    }
  } finally {
    await product.stop();
  }
}

/** One line for each message of which something went wrong. */
export function brokenPromises({ lost, doubled, intoDialogs, shellRan }: Totals): string[] {
  return [...lost, ...doubled, ...intoDialogs, ...shellRan];
}

export function summary(totals: Totals): string {
  const { daemon, host, agent } = totals.kills;
  return (
    `${totals.sent} sent, ${totals.answered} answered, ${totals.denied} denied by keys, ${totals.crashed} crashed turns (${totals.unseenByModel} unseen), ` +
    `${totals.failed} failed, ${totals.unknown} unknown, ${totals.lost.length} lost, ${totals.doubled.length} doubled, ` +
    `${totals.intoDialogs.length} of ${totals.dialogs} dialogs touched, ${totals.shellRan.length} commands run from text; kills: ${daemon} daemon, ${host} host, ${agent} agent`
  );
}

interface Sent {
  messageId: string;
  body: string;
  receipt: Answer;
}

type Victim = keyof Totals["kills"];

async function playRound(
  product: RealProduct,
  stage: { agents: string[]; round: number; random: () => number; options: ChaosOptions; totals: Totals },
): Promise<Sent[]> {
  const { agents, round, random, options, totals } = stage;
  const bodies = Array.from({ length: options.messagesPerRound }, (_, n) => {
    const isDialog = (n + 1) % DIALOG_EVERY === 0;
    totals.dialogs += isDialog ? 1 : 0;
    const about = `round ${round} number ${n}${isDialog ? ` please touch canary-${round}-${n}` : ""}.`;
    const touch = `touch ${join(product.root, `shell-${round}-${n}`)}`;
    return (n + 1) % SHELL_EVERY === 0 ? `${about}\n!${touch}\n$(${touch}) \`${touch}\`; ${touch} && ${touch}` : about;
  });
  const salvos = Math.ceil(options.messagesPerRound / MESSAGES_PER_SALVO);
  const plan = Array.from({ length: salvos }, () => ["daemon", "host", "agent"] as Victim[])
    .flat()
    .map((victim) => ({ victim, atMs: random() * SALVO_MS * salvos, which: random() }))
    .sort((one, other) => one.atMs - other.atMs);

  const startedMs = performance.now();
  const shooting = (async () => {
    for (const { victim, atMs, which } of plan) {
      await sleep(Math.max(0, atMs - (performance.now() - startedMs)));
      if (await shoot(product, victim, which)) totals.kills[victim] += 1;
    }
  })();
  let isSettled = false;
  const nursing = nurse(product, agents, () => isSettled);
  const ids: { messageId: string; body: string }[] = [];
  for (const [n, body] of bodies.entries()) {
    const input = {
      agent_id: agents[n % agents.length],
      message: body,
      idempotency_key: `${options.seed}-${round}-${n}`,
    };
    const { message_id } = await persist(() => product.call("send_message_to_agent", input));
    ids.push({ messageId: message_id, body });
    totals.sent += 1;
  }
  await shooting;
  const end = performance.now() + SETTLE_MS_MAX;
  const sent: Sent[] = [];
  for (const { messageId, body } of ids) {
    let receipt: Answer = { state: "queued" };
    do {
      const input = { message_id: messageId, wait_for: "processed", wait_s: 5 };
      receipt = await persist(() => product.call("get_message", input));
    } while (!isVerdict(receipt.state) && performance.now() < end);
    sent.push({ messageId, body, receipt });
  }
  isSettled = true;
  await nursing;
  return sent;
}

/** What a person does meanwhile: denies every permission, starts agents again that were given up. */
async function nurse(product: RealProduct, agents: readonly string[], isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    for (const agentId of agents) {
      await (async () => {
        const { state, waiting_for } = await product.agent(agentId);
        if (waiting_for?.kind === "permission") {
          const { request_id } = waiting_for;
          const input = { agent_id: agentId, request_id, decision: "deny", reason: "chaos says no" };
          await product.call("answer_agent", input);
        }
        if (state === "failed" || state === "exited") {
          await product.call("start_new_agent_conversation", { agent_id: agentId, resume: true, wait_s: 5 });
        }
      })().catch(() => undefined); // shot in the middle of it; the next look tries again
    }
    await sleep(100);
  }
}

async function shoot(product: RealProduct, victim: Victim, which: number): Promise<boolean> {
  const isLiving = () => product.processes(victim).length > 0;
  await until(`a ${victim} lives`, isLiving, VICTIM_WITHIN_MS).catch(() => undefined);
  const living = product.processes(victim);
  const target = living[Math.floor(which * living.length)];
  if (target === undefined) return false;
  try {
    process.kill(target.pid, "SIGKILL");
    return true;
  } catch {
    return false;
  }
}

/** Sends a call again that broke off with its daemon; safe for what carries an idempotency key or only reads. */
async function persist(call: () => Promise<Answer>): Promise<Answer> {
  let answered: Answer | null = null;
  await until("the daemon answers", async () => {
    try {
      answered = await call();
    } catch (error) {
      if (error instanceof CallFailed && error.code !== "storage_error") throw error;
    }
    return answered !== null;
  });
  return answered ?? {};
}

/** Answers the messages of which something is wrong. */
function judge(product: RealProduct, sent: readonly Sent[], totals: Totals): Sent[] {
  const wrong = () => brokenPromises(totals).length;
  const found: Sent[] = [];
  for (const one of sent) {
    const { messageId, body, receipt } = one;
    const { requests } = product.model;
    const turns = turnsOf(requests, messageId);
    const wrongBefore = wrong();
    const told = `${messageId} (${body}) ${JSON.stringify(receipt.failure)} turns ${turns}`;
    if (turns > 1) totals.doubled.push(told);
    if (receipt.state === "unknown") totals.unknown += 1;
    else if (receipt.state === "failed") {
      totals.failed += 1;
      if (turns > 0) totals.lost.push(`${told}: called failed, yet the model has it`);
    } else if (receipt.state !== "processed") totals.lost.push(`${told}: still ${receipt.state}`);
    else if (receipt.failure === null) {
      totals.answered += 1;
      if (turns === 0 || !isReplyTo(receipt.reply, messageId, body))
        totals.lost.push(`${told}: reply ${receipt.reply}`);
    } else if (receipt.failure.code === "interrupted" && body.includes("canary")) {
      totals.denied += 1;
    } else {
      totals.crashed += 1;
      if (turns === 0) totals.unseenByModel += 1;
      if (receipt.failure.code !== "agent_crashed") totals.lost.push(`${told}: a verdict that nothing here explains`);
    }
    const canary = /canary-[\d-]+/.exec(body)?.[0];
    if (canary !== undefined && existsSync(join(product.root, canary))) totals.intoDialogs.push(told);
    const touched = /touch (\S*shell-[\d-]+)/.exec(body)?.[1];
    if (touched !== undefined && existsSync(touched)) totals.shellRan.push(told);
    if (wrong() > wrongBefore) found.push(one);
  }
  return found;
}

/** What a person needs to see who was wrong: the requests around these messages, what the daemons wrote of their agents, and where
 *  those agents are now. */
async function evidence(product: RealProduct, found: readonly Sent[]): Promise<string[]> {
  const { model, stateDir } = product;
  const ids = found.map(({ messageId }) => messageId);
  const agents = [...new Set(found.map(({ receipt }) => String(receipt.agent_id)))];
  const log = readFileSync(join(stateDir, "logs", "daemon.log"), "utf8").split("\n");
  const lines = log
    .filter((line) => agents.some((agent) => line.includes(agent)) || /daemon\.ready|courier\./.test(line))
    .map((line) => ({ atMs: Number(/"time":(\d+)/.exec(line)?.[1]), line }));
  const asked = model.requests
    .filter(({ kind }) => kind === "main")
    .filter(({ texts }) => texts.some(({ text }) => ids.some((id) => text.includes(id))))
    .map(({ number, atMs, conversationId, newUserText, outcome }) => {
      const fresh = [...newUserText.matchAll(/msg_[0-9a-z]+/g)].map(([id]) => id).join(" ");
      return { atMs, line: `request ${number} at ${atMs} of ${conversationId}, ${outcome}, new: ${fresh}` };
    });
  const times = asked.filter(({ line }) => ids.some((id) => line.includes(id))).map(({ atMs }) => atMs);
  const accepted = found.map(({ receipt }) => Date.parse(String(receipt.accepted_at)));
  const first = Math.min(...times, ...accepted) - 5_000;
  const last = Math.max(...times, ...accepted) + 15_000;
  const around = [...lines, ...asked].filter(({ atMs }) => atMs >= first && atMs <= last);
  const now = await Promise.all(
    agents.map(async (agent) => {
      const answers = [product.agent(agent), product.call("read_agent", { agent_id: agent, what: "screen" })];
      return (await Promise.allSettled(answers)).map((one) => JSON.stringify(one)).join("\n  ");
    }),
  );
  return [...around.sort((one, other) => one.atMs - other.atMs).map(({ line }) => line), ...now].map(
    (line) => `  ${line}`,
  );
}

function isReplyTo(reply: string | null, messageId: string, body: string): boolean {
  return reply === (body.includes("canary") ? "denied, then" : `taken ${messageId}`);
}

function isVerdict(state: string): boolean {
  return ["processed", "failed", "expired", "cancelled", "unknown"].includes(state);
}

/** The newest letter is answered with its id, so that a reply tells whose it is. */
function answer(request: ModelRequest, root: string, random: () => number) {
  const timing = { delayMs: random() * THINKS_MS_MAX };
  if (request.toolResults.length > 0 && request.newUserText.trim() === "") return say("denied, then", timing);
  const newest = [...request.newUserText.matchAll(/\[signalbox (msg_[0-9a-z]+) from [^\]]*\]\n([^\n]*)/g)].at(-1);
  const canary = /canary-\S+(?=\.)/.exec(newest?.[2] ?? "")?.[0];
  if (canary !== undefined) return useTool("Bash", { command: `touch ${join(root, canary)}` }, timing);
  return say(`taken ${newest?.[1]}`, timing);
}

/** A small generator with a seed (mulberry32); its quality does not matter, its repeatability does. */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
