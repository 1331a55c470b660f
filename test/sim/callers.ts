// The people and agents who send messages, and what they may rely on. A caller who hears no answer asks again with the same
// idempotency key or gives up; either way it is written down what was promised to whom.

import type { Principal } from "../../src/access/principal.ts";
import type { AgentId, SessionId } from "../../src/kernel/ids.ts";
import type { Daemon, Outcome } from "./daemon.ts";
import type { Sim } from "./sim.ts";

export const OPERATOR: Principal = { role: "operator", sessionId: null, agentId: null, actor: "local" };

/** One wish to send something, however often it was asked for. */
export interface Letter {
  nonce: string;
  agentId: string;
  sender: string;
  /** The receipt's id, once there was an answer. */
  messageId: string | null;
  /** True when the caller was told that nothing was accepted. */
  isRefused: boolean;
}

/** An answered call, for the audit's sake. */
export interface Answered {
  tool: string;
  outcome: string;
}

export interface Callers {
  readonly letters: Letter[];
  readonly answered: Answered[];
  /** Asks, and again after each lost answer, until there is one; null after `tries`. */
  call(
    name: string,
    input: Record<string, unknown>,
    options?: { principal?: Principal; tries?: number },
  ): Promise<Record<string, any> | null>;
  send(letter: {
    agentId: string;
    from: Principal;
    priority: "normal" | "urgent";
    expiresInS: number | null;
  }): Promise<Letter>;
}

export function agentPrincipal(sessionId: string, agentId: string): Principal {
  return { role: "agent", sessionId: sessionId as SessionId, agentId: agentId as AgentId, actor: `agent:${agentId}` };
}

export function createCallers(sim: Sim, daemon: Daemon): Callers {
  const letters: Letter[] = [];
  const answered: Answered[] = [];
  const answeredKeys = new Set<string>();
  const { random, clock } = sim;
  const sleep = (ms: number) => new Promise<void>((resolve) => void clock.after(ms, resolve));
  let keys = 0;

  const once = async (name: string, input: Record<string, unknown>, principal: Principal): Promise<Outcome> => {
    while (!daemon.isOpen()) await sleep(100);
    const outcome = await daemon.call(principal, name, input);
    if (outcome.is === "refused" && outcome.error.code === "internal") {
      sim.violate("no command breaks", `${name}: ${outcome.error.message}`);
    }
    const key = typeof input.idempotency_key === "string" ? input.idempotency_key : null;
    const isRepeat = key !== null && answeredKeys.has(key);
    if (key !== null && outcome.is !== "lost") answeredKeys.add(key);
    // A full disk holds no row of a refusal.
    if ((sim.machine.isDiskFull || daemon.life().isDiskLost) && outcome.is === "refused") return outcome;
    // A repeat does nothing and is answered from what the first one left.
    if (outcome.is === "answer" && !isRepeat) answered.push({ tool: name, outcome: "ok" });
    if (outcome.is === "refused" && !isRepeat) answered.push({ tool: name, outcome: outcome.error.code });
    if (outcome.is === "answer" && sim.strikes("answer_lost", 0.4, name)) return { is: "lost" };
    const shown = outcome.is === "refused" ? `refused ${outcome.error.code}: ${outcome.error.message}` : outcome.is;
    sim.trace(`call ${name} -> ${shown}`);
    return outcome;
  };

  return {
    letters,
    answered,
    async call(name, input, { principal = OPERATOR, tries = 1 } = {}) {
      for (let attempt = 0; attempt < tries; attempt++) {
        const outcome = await once(name, input, principal);
        if (outcome.is === "answer") return outcome.result;
        if (outcome.is === "refused") return null;
        await sleep(random.between(10, 500));
      }
      return null;
    },
    async send({ agentId, from, priority, expiresInS }) {
      keys += 1;
      const nonce = `letter-${keys}`;
      const letter: Letter = { nonce, agentId, sender: from.actor, messageId: null, isRefused: false };
      letters.push(letter);
      const input = {
        agent_id: agentId,
        message: nonce,
        priority,
        idempotency_key: nonce,
        ...(expiresInS === null ? {} : { expires_in_s: expiresInS }),
      };
      for (let attempt = 0; attempt < 20; attempt++) {
        const outcome = await once("send_message_to_agent", input, from);
        if (outcome.is === "lost") {
          if (random.chance(0.2)) return letter; // Gives up: may have been accepted or not.
          await sleep(random.between(10, 1_000));
          continue;
        }
        if (outcome.is === "answer") {
          const id = String(outcome.result.message_id);
          if (letter.messageId !== null && letter.messageId !== id) {
            sim.violate("the same key answers the same message", `${nonce}: ${letter.messageId} and ${id}`);
          }
          letter.messageId = id;
          sim.trace(`${nonce} is ${id}`);
          return letter;
        }
        const replayed = /accepted as (msg_[0-9a-z]+)/.exec(outcome.error.message)?.[1];
        if (replayed !== undefined) {
          letter.messageId = replayed;
          sim.count("repeat answered by conflict");
          return letter;
        }
        if (outcome.error.code === "storage_error") {
          await sleep(random.between(500, 2_000));
          continue;
        }
        letter.isRefused = true;
        return letter;
      }
      return letter;
    },
  };
}
