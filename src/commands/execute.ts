// The one door: every command of every principal passes here. Parse, authorize, run in a transaction together with its audit
// row, commit, then ring the doorbells and wait where the command waits. Refusals are audited as well. Nothing is answered
// before it is on the disk.

import { createHash } from "node:crypto";
import { z } from "zod";
import type { Principal } from "../access/principal.ts";
import { authorize } from "../access/roles.ts";
import { asSignalboxError, SignalboxError } from "../kernel/errors.ts";
import type { Topic } from "../kernel/events.ts";
import type { CallContext, CommandDescription, Commands } from "./command.ts";
import type { House } from "./house.ts";

export interface Call {
  house: House;
  principal: Principal;
  context: CallContext;
  /** Rings after the commit; at once when it has happened already. */
  ring(topic: Topic, id: string): void;
  /** Adds small facts to this call's audit row. */
  note(detail: Record<string, string | number | boolean | null>): void;
}

/** What `run` leaves behind: the row it was about, and the answer, at once or after waiting. */
export interface Ran {
  target: string | null;
  answer: Record<string, unknown> | (() => Promise<Record<string, unknown>>);
}

/** A command as its author writes it. `prepare` reads the outer world and changes nothing; `run` is synchronous and happens
 *  in one transaction; what it returns as a function happens after the commit. */
export interface Spec<Input extends z.ZodObject = z.ZodObject, Prepared = unknown> extends CommandDescription {
  input: Input;
  prepare?: (call: Omit<Call, "ring" | "note">, input: z.infer<Input>) => Promise<Prepared>;
  run: (call: Call, input: z.infer<Input>, prepared: Prepared) => Ran;
  /** The result for a `target` of an earlier run whose own answer was lost with the daemon that ran it; null when there is
   *  nothing to show any more. Reads only. */
  again?: (house: House, principal: Principal, target: string) => Record<string, unknown> | null;
}

export function defineCommand<Input extends z.ZodObject, Prepared = undefined>(spec: Spec<Input, Prepared>): Spec {
  return spec as unknown as Spec;
}

/** Joins the specs to the house behind the one door. Names must be unique. */
export function createCommands(house: House, specs: readonly Spec[], notice: () => string | null): Commands {
  const byName = new Map(specs.map((spec) => [spec.name, spec]));
  const inFlight = new Map<string, Promise<Record<string, unknown>>>();

  const execute: Commands["execute"] = async (principal, name, input, context) => {
    const spec = byName.get(name);
    if (spec === undefined) {
      throw new SignalboxError(
        "invalid_input",
        `There is no command ${JSON.stringify(name.slice(0, 80))}.`,
        "List the tools.",
      );
    }
    try {
      authorize(principal, spec);
      const parsed = parse(spec, input);
      const answer = await once(spec, principal, parsed, context);
      await house.db.durable();
      const text = notice();
      return text === null ? answer : { ...answer, notice: text };
    } catch (thrown) {
      const error = asSignalboxError(thrown);
      if (error.code === "internal") house.log.error("command.broke", { command: name, message: String(error.cause) });
      await refuse(principal, spec, input, error);
      throw error;
    }
  };

  /** The same idempotency key with the same arguments answers the first result again; with others it is a conflict. */
  const once = async (spec: Spec, principal: Principal, input: Record<string, unknown>, context: CallContext) => {
    const key = input.idempotency_key;
    if (typeof key !== "string") return await perform(spec, principal, input, context, null);
    const scope = `${principal.actor}/${principal.role}`;
    const hash = hashArguments(spec.name, input);
    const flight = inFlight.get(`${scope}\n${key}\n${hash}`);
    if (flight !== undefined) return await flight;
    const earlier = house.db.get<{ arguments_hash: string; answer: string | null; target: string }>(
      "SELECT arguments_hash, answer, target FROM idempotency WHERE scope = ? AND key = ?",
      [scope, key],
    );
    if (earlier !== undefined) return replay(spec, principal, earlier, { hash, key });
    const work = perform(spec, principal, input, context, { scope, key, hash });
    inFlight.set(`${scope}\n${key}\n${hash}`, work);
    return await work.finally(() => inFlight.delete(`${scope}\n${key}\n${hash}`));
  };

  const replay = (
    spec: Spec,
    principal: Principal,
    earlier: { arguments_hash: string; answer: string | null; target: string },
    asked: { hash: string; key: string },
  ): Record<string, unknown> => {
    if (earlier.arguments_hash !== asked.hash) {
      throw new SignalboxError(
        "conflict",
        `The idempotency key ${JSON.stringify(asked.key)} was used with other arguments.`,
        "Use a new key for a new request.",
      );
    }
    if (earlier.answer !== null) return JSON.parse(earlier.answer) as Record<string, unknown>;
    const again = spec.again?.(house, principal, earlier.target) ?? null;
    if (again !== null) return again;
    throw new SignalboxError(
      "conflict",
      `The request of this key was done as ${earlier.target}, which is gone again.`,
      "It will not be done twice: use a new key for a new request.",
    );
  };

  const perform = async (
    spec: Spec,
    principal: Principal,
    input: Record<string, unknown>,
    context: CallContext,
    keyed: { scope: string; key: string; hash: string } | null,
  ) => {
    const prepared = await spec.prepare?.({ house, principal, context }, input);
    const rings: [Topic, string][] = [];
    let isCommitted = false;
    const detail: Record<string, string | number | boolean | null> = {};
    const call: Call = {
      house,
      principal,
      context,
      ring(topic, id) {
        if (isCommitted) house.events.ring(topic, id);
        else rings.push([topic, id]);
      },
      note: (facts) => Object.assign(detail, facts),
    };
    const ran = house.db.transaction(() => {
      const result = spec.run(call, input, prepared);
      house.audit.append({ ...who(principal), tool: spec.name, target: result.target, outcome: "ok", detail });
      if (keyed !== null) {
        const answer = typeof result.answer === "function" ? null : JSON.stringify(result.answer);
        house.db.run(
          "INSERT INTO idempotency (scope, key, command, arguments_hash, target, answer, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
          [keyed.scope, keyed.key, spec.name, keyed.hash, result.target ?? "", answer, house.clock.now()],
        );
      }
      return result;
    });
    isCommitted = true;
    for (const [topic, id] of rings) house.events.ring(topic, id);
    if (typeof ran.answer !== "function") return ran.answer;
    await house.db.durable(); // what follows may touch the world outside
    return await finish(ran.answer, keyed);
  };

  const finish = async (
    answer: () => Promise<Record<string, unknown>>,
    keyed: { scope: string; key: string } | null,
  ) => {
    try {
      const result = await answer();
      if (keyed !== null) {
        const { scope, key } = keyed;
        house.db.run("UPDATE idempotency SET answer = ? WHERE scope = ? AND key = ?", [
          JSON.stringify(result),
          scope,
          key,
        ]);
      }
      return result;
    } catch (error) {
      // What came of it was undone by the command, so the key is free for another try.
      if (keyed !== null) house.db.run("DELETE FROM idempotency WHERE scope = ? AND key = ?", [keyed.scope, keyed.key]);
      throw error;
    }
  };

  const refuse = async (principal: Principal, spec: Spec, input: unknown, error: SignalboxError) => {
    const row = { ...who(principal), tool: spec.name, target: namedBy(input), outcome: error.code, detail: {} };
    try {
      house.db.transaction(() => house.audit.append(row));
      await house.db.durable();
    } catch (failure) {
      house.log.error("audit.refusal_not_written", { command: spec.name, message: String(failure) });
    }
  };

  return { list: specs, execute };
}

function who(principal: Principal): { actor: string; role: string } {
  return { actor: principal.actor, role: principal.role };
}

const NAMING_FIELDS = ["message_id", "agent_id", "session_id"] as const;

/** Our ids. Whatever else stands in such a field could be a person's words or a secret, which the log never holds. */
const ID = /^(?:msg|agt|ses)_\w{1,60}$/;

/** Whom or what a refused call was about, in its own words: the most particular that it names, whether there is one or not. A
 *  token's `id` is left out, because the token itself is given in its place by mistake. */
function namedBy(input: unknown): string | null {
  if (typeof input !== "object" || input === null) return null;
  const named = NAMING_FIELDS.map((field) => (input as Record<string, unknown>)[field]);
  return named.find((value): value is string => typeof value === "string" && ID.test(value)) ?? null;
}

function parse(spec: Spec, input: unknown): Record<string, unknown> {
  const result = spec.input.safeParse(input ?? {});
  if (result.success) return result.data;
  const first = result.error.issues[0];
  const where = first === undefined || first.path.length === 0 ? "" : `${first.path.join(".")}: `;
  throw new SignalboxError(
    "invalid_input",
    `${spec.name}: ${where}${first?.message ?? "the arguments do not fit"}`,
    `${spec.name} takes: ${Object.keys(z.object(spec.input.shape).shape).join(", ")}.`,
  );
}

function hashArguments(command: string, input: Record<string, unknown>): string {
  const sorted = Object.entries(input).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256")
    .update(JSON.stringify([command, sorted]))
    .digest("hex");
}
