// What agents tell us through their hooks, from the authenticated post to the rooms it concerns. The gate comes first: a
// prompt is let through once, and the answer is given only after that is on disk.

import { createHash } from "node:crypto";
import type { AgentKind } from "../agents/kind.ts";
import type { House } from "./house.ts";

export interface HookPost {
  /** The bearer secret of the post. */
  secret: string;
  payload: unknown;
  /** Aborts when the program stopped waiting for the answer. */
  gone: AbortSignal;
}

export type HookAnswer = { is: "unknown_secret" } | { is: "answer"; body: unknown };

/** Takes one hook in. May take hours where a dialog is held open for an answer from outside. */
export async function takeHook(house: House, post: HookPost): Promise<HookAnswer> {
  const hash = createHash("sha256").update(post.secret).digest("hex");
  const row = house.registry.agentByHookSecretHash(hash);
  const kind: AgentKind | undefined = row === undefined ? undefined : house.kinds.get(row.kind);
  if (row === undefined || kind === undefined) return { is: "unknown_secret" };
  const report = kind.translate(post.payload);
  const { signal } = report;
  house.log.debug("hook", { agent: row.agent_id, signal: signal.is });
  if (signal.is === "prompt_submitted") {
    const verdict = house.courier.gate(row.agent_id, signal.prompt);
    if (verdict.is === "block") {
      house.log.warn("gate.blocked", { agent: row.agent_id });
      return { is: "answer", body: kind.answers.blockPrompt(verdict.reason) };
    }
  }
  if (signal.is === "turn_ended") house.courier.turnEnded(row.agent_id, signal.reply);
  if (signal.is === "turn_failed") house.courier.turnFailed(row.agent_id, signal.error);
  const answer = await house.supervisor.hook(row.agent_id, report, post.payload, post.gone);
  return { is: "answer", body: answer ?? kind.answers.pass() };
}
