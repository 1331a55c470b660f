// What a simulated agent program has around it, and what is known of it from outside: the words that the program, the world and
// the checkers share.

import type { Dialog } from "../../src/agents/kinds/scripted/dialogs.ts";
import type { Sim } from "./sim.ts";
import type { Program } from "./terminals.ts";
import type { Owner } from "./time.ts";

export const SIM_HOME = "/sim/home";
/** Where programs note their prompts down. */
export const SIM_PROMPTS = "/sim/prompts";

/** The oracle's own pattern: what the daemon thinks is a header plays no part here. */
export const MARKER = /(?<!\\)\[signalbox (msg_[0-9a-z]+) from /g;

export function idsIn(text: string): string[] {
  return [...text.matchAll(MARKER)].map(([, id = ""]) => id);
}

export type By = "daemon" | "person";

export type Phase = "starting" | "idle" | "busy" | "over";

/** What one message was when the model got it. */
export interface ModelEntry {
  messageId: string;
  agentId: string;
  pid: number;
  atMs: number;
  via: "box" | "queue" | "stop_hook" | "context" | "peer";
  /** Who pressed the Enter that submitted it. */
  by: By;
  conversationId: string;
  /** The program's name of the prompt it came in; null: it came in the answer to a hook. */
  promptId: string | null;
  /** True when the process died before the transcript held it: the resumed conversation does not know it. */
  isForgotten: boolean;
  /** True when a power cut took every trace of it from the disk. */
  isTraceless: boolean;
  /** True when it is a second copy and nobody answered the hook that would have kept it from the model. */
  isUnasked: boolean;
}

/** The world's side of a program: network, other processes, people. */
export interface AgentWorld {
  sim: Sim;
  model: ModelEntry[];
  /** The messages that the gate has let pass. */
  passed: Set<string>;
  /** Delivers one hook; resolves to the answer, or null when there is none. Never rejects. */
  postHook(post: {
    secret: string;
    payload: Record<string, unknown>;
    timeoutMs: number | null;
    connection: AbortController;
  }): Promise<Record<string, unknown> | null>;
  /** Whether a person has said that the directory is trusted. */
  trust: { isTrusted: boolean };
  isConversationLive(id: string, exceptPid: number): boolean;
}

export interface AgentProgram extends Program {
  readonly pid: number;
  readonly agentId: string;
  readonly owner: Owner;
  phase(): Phase;
  conversationId(): string;
  dialog(): Dialog | null;
  draft(): string;
  /** True when a person has a hand in what stands in the box. */
  isPersonal(): boolean;
  kill(why: string): void;
  /** Bytes from its socket. */
  receive(text: string): void;
  /** It reads nothing for a while, neither keys nor its socket. */
  hang(ms: number): void;
  /** A background task ends and wakes the agent. */
  wake(): void;
  /** An offer that nobody asked for opens. */
  offer(): void;
  /** True while the message is in the running turn, or waits inside the program for its own. */
  isCarrying(messageId: string): boolean;
  /** True while the model or a tool is at work and nothing waits for a person. */
  isWorking(): boolean;
}

/** A letter of the simulation is a header and one line; words before the one or behind the other were typed by somebody else. */
export function isMerged(whole: string): boolean {
  const prompt = whole.replace(/(?<=\] *\n[leter-]*)amid\n?(?=[leter-]*\d+\s*$)/, ""); // Between two pieces of the letter: inside it.
  const isOneLetter =
    /^\s*\[signalbox msg_[^\]]+\](?:(?!\[signalbox msg_)[\s\S])*(?:l\s*e\s*t\s*t\s*e\s*r\s*-\s*)\d+\s*$/.test(prompt);
  return prompt.includes("[signalbox msg_") && !isOneLetter;
}

/** Words between the two, typed where nobody counts keys. The gate lets them pass: programs break lines and fold pastes as they
 *  like, and a letter that is refused for a difference of their making would never arrive. */
export function hasWordsInside(prompt: string): boolean {
  return !isMerged(prompt) && /^\s*\[signalbox msg_[^\]]+\]\s*(?!letter-)\S/.test(prompt);
}
