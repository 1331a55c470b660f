// What a command is, as data. Edges (MCP, local socket, HTTP) are generated from these descriptions and never know what
// a command does; `execute` is their only door.

import type { z } from "zod";
import type { Principal } from "../access/principal.ts";

/** Tool levels of CONTRACT section 2. */
export type CommandLevel = "LOW" | "MEDIUM" | "HIGH";

export interface CommandDescription {
  /** The verb, also the MCP tool's name. */
  name: string;
  title: string;
  /** What it does, when to use it and what comes back: written for a model that decides by it. */
  description: string;
  level: CommandLevel;
  effect: { readOnly: boolean; destructive: boolean; idempotent: boolean };
  input: z.ZodObject;
  output: z.ZodObject;
  /** True when a call may take longer than its own transaction; such calls report progress. */
  waits: boolean;
  /** True for what only a person at this machine may ask: it is no MCP tool. */
  localOnly: boolean;
}

export interface CallContext {
  /** Aborts when the caller is gone; waiting stops, what was committed stays. */
  signal: AbortSignal;
  /** Tells the caller that work is going on. */
  progress(message: string): void;
}

/** The table and its one door, as edges see them. */
export interface Commands {
  readonly list: readonly CommandDescription[];
  /** Authorizes, runs and audits one command. Resolves to the structured content (CONTRACT section 2); rejects with
   *  SignalboxError only. `input` is what came over the wire, unchecked. */
  execute(principal: Principal, name: string, input: unknown, context: CallContext): Promise<Record<string, unknown>>;
}
