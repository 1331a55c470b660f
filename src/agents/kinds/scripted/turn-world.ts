// What a turn is given and what it keeps while it runs: the vocabulary that turn.ts (the script's actions) and tool-use.ts
// (tools and their dialogs) share. Decides nothing.

import type { Clock } from "../../../kernel/clock.ts";
import type { Dialog } from "./dialogs.ts";
import type { HookAnswer } from "./hooks.ts";
import type { McpClient } from "./mcp.ts";
import type { Oracle } from "./oracle.ts";
import type { Action, HookEvent } from "./script.ts";
import type { Transcript } from "./transcript.ts";

export type DialogAnswer = { is: "option"; option: number } | { is: "dismissed" };

export interface TurnWorld {
  /** Aborted when the person interrupts. */
  signal: AbortSignal;
  clock: Clock;
  uuid(): string;
  transcript: Transcript;
  mcp: McpClient;
  oracle: Oracle;
  permissionMode: string;
  tell(event: HookEvent, fields: Record<string, unknown>): Promise<HookAnswer | null>;
  show(text: string): void;
  showActivity(text: string): void;
  /** Opens a dialog; `close` takes it away when something else has answered. */
  ask(dialog: Dialog, waitingFor: string): { answer: Promise<DialogAnswer>; close(): void };
  flood(bytes: number): Promise<void>;
  exit(code: number): void;
  crash(): void;
}

export interface TurnRequest {
  /** What was typed, without the marks around long pastes. */
  prompt: string;
  turn: number;
  firstPrompt: string | null;
  agent: string;
  /** Null when no rule fits. */
  actions: readonly Action[] | null;
}

/** A turn under way. */
export interface Progress {
  world: TurnWorld;
  request: TurnRequest;
  reply: string | null;
  /** The option last chosen in a question. */
  answer: string | null;
  /** What the last tool brought back. */
  result: string | null;
  touched: boolean;
  inTool: boolean;
}

/** Thrown where a turn stops because the person wants it to. */
export class Interrupted extends Error {}

/** The promise's value, unless the person interrupts first. */
export function unlessInterrupted<T>({ signal }: TurnWorld, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(new Interrupted());
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
