// Commands for the tests of the edges: one that reads, one that waits until it is told, one that refuses without force and
// one that is no tool. Validation and refusals look as they do behind the real `execute`; nothing is stored but a list of what ran.

import { z } from "zod";
import type { Principal } from "../../src/access/principal.ts";
import type { CallContext, CommandDescription, Commands } from "../../src/commands/command.ts";
import { SignalboxError } from "../../src/kernel/errors.ts";

export const operator: Principal = { role: "operator", sessionId: null, agentId: null, actor: "local" };
export const observer: Principal = { role: "observer", sessionId: null, agentId: null, actor: "local" };

const list: CommandDescription[] = [
  {
    name: "read_thing",
    title: "Read a thing",
    description: "Reads the thing of that name.",
    level: "LOW",
    effect: { readOnly: true, destructive: false, idempotent: true },
    input: z.strictObject({
      name: z
        .string()
        .min(1)
        .max(1024 * 1024),
    }),
    output: z.object({ name: z.string(), length: z.number() }),
    waits: false,
    localOnly: false,
  },
  {
    name: "wait_for_thing",
    title: "Wait for a thing",
    description: "Waits until the thing has happened.",
    level: "LOW",
    effect: { readOnly: true, destructive: false, idempotent: true },
    input: z.strictObject({ announce: z.string().optional() }),
    output: z.object({ happened: z.boolean() }),
    waits: true,
    localOnly: false,
  },
  {
    name: "delete_thing",
    title: "Delete a thing",
    description: "Deletes the thing; refuses without force, because work would be lost.",
    level: "HIGH",
    effect: { readOnly: false, destructive: true, idempotent: false },
    input: z.strictObject({ name: z.string(), force: z.boolean().optional() }),
    output: z.object({ deleted: z.boolean() }),
    waits: false,
    localOnly: false,
  },
  {
    name: "rotate_thing",
    title: "Rotate the thing",
    description: "Only for a person at this machine.",
    level: "HIGH",
    effect: { readOnly: false, destructive: false, idempotent: true },
    input: z.strictObject({}),
    output: z.object({ rotated: z.boolean() }),
    waits: false,
    localOnly: true,
  },
];

export interface Ran {
  actor: string;
  name: string;
  input: unknown;
}

export interface FakeCommands extends Commands {
  /** Every call that passed validation, in order. */
  readonly ran: Ran[];
  /** Lets the oldest `wait_for_thing` answer; resolves once there is one waiting. */
  happen(): Promise<void>;
  /** Resolves when a `wait_for_thing` was aborted by its caller. */
  aborted(): Promise<void>;
  /** Resolves when a `wait_for_thing` has begun. */
  waiting(): Promise<void>;
}

export function createFakeCommands(): FakeCommands {
  const ran: Ran[] = [];
  const begun: (() => void)[] = [];
  const wakers: (() => void)[] = [];
  const beginners: (() => void)[] = [];
  const abortHearers: (() => void)[] = [];
  let aborts = 0;

  function wait(context: CallContext, announce: string | undefined): Promise<Record<string, unknown>> {
    if (announce !== undefined) context.progress(announce);
    return new Promise((resolve, reject) => {
      begun.push(() => resolve({ happened: true }));
      for (const tell of beginners.splice(0)) tell();
      for (const wake of wakers.splice(0)) wake();
      const abort = () => {
        aborts += 1;
        for (const hear of abortHearers.splice(0)) hear();
        reject(new SignalboxError("timeout", "The caller is gone.", "Ask again."));
      };
      if (context.signal.aborted) abort();
      else context.signal.addEventListener("abort", abort);
    });
  }

  return {
    list,
    ran,
    async execute(principal, name, input, context) {
      const command = list.find((candidate) => candidate.name === name);
      if (command === undefined) throw new SignalboxError("not_found", `There is no command ${name}.`, "List them.");
      const parsed = command.input.safeParse(input);
      if (!parsed.success) throw new SignalboxError("invalid_input", z.prettifyError(parsed.error), "Correct it.");
      ran.push({ actor: principal.actor, name, input: parsed.data });
      if (name === "wait_for_thing") return wait(context, parsed.data.announce as string | undefined);
      if (name === "read_thing") return { name: parsed.data.name, length: String(parsed.data.name).length };
      if (name === "rotate_thing") return { rotated: true };
      if (parsed.data.force === true) return { deleted: true };
      throw new SignalboxError("confirmation_required", "The thing has unsaved work.", "Save it, or pass force.");
    },
    async happen() {
      while (begun.length === 0) await new Promise<void>((wake) => wakers.push(wake));
      begun.shift()?.();
    },
    async waiting() {
      if (begun.length === 0) await new Promise<void>((wake) => beginners.push(wake));
    },
    async aborted() {
      if (aborts === 0) await new Promise<void>((hear) => abortHearers.push(hear));
      aborts -= 1;
    },
  };
}
