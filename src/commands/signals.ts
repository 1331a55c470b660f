// What agents tell us through their hooks, from the authenticated post to the rooms it concerns. The gate comes first: a
// prompt is let through once, and the answer is given only after that is on disk.

import { failureWords } from "../agents/api-trouble.ts";
import type { AgentKind, Signal } from "../agents/kind.ts";
import { hashSecret } from "../agents/launching.ts";
import type { AgentId } from "../kernel/ids.ts";
import type { House } from "./house.ts";

export interface HookPost {
  /** The bearer secret of the post. */
  secret: string;
  payload: unknown;
  /** Aborts when the program stopped waiting for the answer. */
  gone: AbortSignal;
}

export type HookAnswer = { is: "unknown_secret" } | { is: "answer"; body: unknown };

/** Takes one hook in. May take hours where a dialog is held open for an answer from outside. What it says is on the disk. */
export async function takeHook(house: House, post: HookPost): Promise<HookAnswer> {
  const answer = await answerTo(house, post);
  await house.db.durable();
  return answer;
}

async function answerTo(house: House, post: HookPost): Promise<HookAnswer> {
  const row = house.registry.agentByHookSecretHash(hashSecret(post.secret));
  const kind: AgentKind | undefined = row === undefined ? undefined : house.kinds.get(row.kind);
  if (row === undefined || kind === undefined) return { is: "unknown_secret" };
  const report = kind.translate(post.payload);
  const { signal } = report;
  house.log.debug("hook", { agent: row.agent_id, signal: signal.is });
  if (signal.is === "prompt_submitted") {
    // That a turn begins is told first: the session file may say so only later, and a message delivered to an agent that
    // still counts as idle would be taken for one whose turn has ended in silence.
    await house.supervisor.hook(row.agent_id, report, post.payload, post.gone);
    const prompt = { text: signal.prompt, id: signal.promptId };
    const verdict = house.courier.gate(row.agent_id, prompt, !post.gone.aborted);
    if (verdict.is === "block") {
      house.log.warn("gate.blocked", { agent: row.agent_id });
      return { is: "answer", body: kind.answers.blockPrompt(verdict.reason) };
    }
    return { is: "answer", body: kind.answers.pass() };
  }
  // A hook whose asker has gone on without us tells of the past: it proves nothing about a letter, and its answer carries none.
  const letter = post.gone.aborted ? null : takeTurn(house, kind, row.agent_id, signal);
  const answer = await house.supervisor.hook(row.agent_id, report, post.payload, post.gone);
  if (letter !== null) {
    await house.db.durable();
    house.courier.offered(row.agent_id);
  }
  return { is: "answer", body: letter ?? answer ?? kind.answers.pass() };
}

/** What a turn's own hooks mean for messages: the letter it carried has arrived, its messages are done, and the next letter may
 *  travel in the answer. Gives back the answer that carries one, or null. */
function takeTurn(house: House, kind: AgentKind, agentId: AgentId, signal: Signal): unknown | null {
  const { courier } = house;
  if (signal.is === "tool_started" || (signal.is === "turn_ended" && signal.continued))
    courier.heard(agentId, "turn_end");
  if (signal.is === "tool_started" || signal.is === "tool_ended" || signal.is === "turn_ended")
    courier.heard(agentId, "mid_turn");
  if (signal.is === "turn_failed") courier.turnFailed(agentId, failureWords(signal));
  if (signal.is === "turn_ended") courier.turnEnded(agentId, signal.reply);
  // Once per prolonged turn: programs cap how often a turn may be prolonged, and a person should get a word in.
  if (signal.is === "turn_ended" && !signal.continued && kind.answers.handOver("") !== null) {
    const letter = courier.offer(agentId, "turn_end");
    return letter === null ? null : kind.answers.handOver(kind.typed(letter));
  }
  if (signal.is === "tool_ended" && kind.answers.note("") !== null) {
    const letter = courier.offer(agentId, "mid_turn");
    return letter === null ? null : kind.answers.note(kind.typed(letter));
  }
  return null;
}
