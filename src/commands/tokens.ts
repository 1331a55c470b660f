// Tokens for HTTP clients: made and revoked by the owner at this machine, never over MCP.

import { z } from "zod";
import { ROLES } from "../access/principal.ts";
import { isoTime } from "../kernel/clock.ts";
import { SignalboxError } from "../kernel/errors.ts";
import type { SessionId } from "../kernel/ids.ts";
import { defineCommand } from "./execute.ts";
import { sessionId } from "./fields.ts";
import { requireSession } from "./house.ts";

/** An agent's token is made with the agent; nobody hands one out. */
const GRANTABLE = ROLES.filter((role) => role !== "agent");

export const createToken = defineCommand({
  name: "create_token",
  title: "Create a token for an HTTP client",
  description: "Makes a bearer token for a role, perhaps bound to one session. It is shown once and stored hashed.",
  level: "HIGH",
  effect: { readOnly: false, destructive: false, idempotent: false },
  waits: false,
  localOnly: true,
  input: z.strictObject({
    role: z.enum(GRANTABLE).describe("What its bearer may do."),
    session_id: sessionId.optional(),
    ttl_s: z
      .number()
      .int()
      .positive()
      .max(31_536_000)
      .optional()
      .describe("Valid for this many seconds; default 30 days."),
  }),
  output: z.looseObject({
    id: z.string(),
    token: z.string(),
    role: z.string(),
    session_id: z.string().nullable(),
    expires_at: z.string().nullable(),
  }),
  run(call, input) {
    const { house, principal } = call;
    const session = input.session_id === undefined ? null : requireSession(house, principal, input.session_id);
    const { row, token } = house.tokens.create({
      role: input.role,
      sessionId: (session?.session_id ?? null) as SessionId | null,
      agentId: null,
      ttlMs: (input.ttl_s ?? DEFAULT_TTL_S) * 1_000,
    });
    call.note({ role: row.role, token: row.id });
    const { id, role, session_id } = row;
    const expires_at = row.expires_at === null ? null : isoTime(row.expires_at);
    return { target: id, answer: { id, token, role, session_id, expires_at } };
  },
});

const DEFAULT_TTL_S = 30 * 24 * 3_600;

export const revokeToken = defineCommand({
  name: "revoke_token",
  title: "Revoke a token",
  description: "Ends a token at once: its bearer is refused from the next request on.",
  level: "HIGH",
  effect: { readOnly: false, destructive: true, idempotent: true },
  waits: false,
  localOnly: true,
  input: z.strictObject({ id: z.string().min(1).max(100).describe("The token's id, not the token.") }),
  output: z.looseObject({ id: z.string(), revoked: z.boolean() }),
  run({ house }, input) {
    if (!house.tokens.revoke(input.id)) {
      throw new SignalboxError(
        "not_found",
        "There is no such token, or it was revoked before.",
        "`signalbox token create` printed the id.",
      );
    }
    return { target: input.id, answer: { id: input.id, revoked: true } };
  },
});
