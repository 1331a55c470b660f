// Input fields that several commands share, each described for the model that fills it in.

import { z } from "zod";

/** Names stand in tables and header lines: no control characters, no line ends. */
const NAME = /^[^\p{C}]+$/u;

export const nameField = (what: string) =>
  z
    .string()
    .trim()
    .min(1)
    .max(100)
    .regex(NAME, "a name is one line without control characters")
    .describe(`Name of the ${what}.`);

/** Messages are headed by their sender's name, and agents are told that these speak for the person in charge. */
const RESERVED = new Set(["operator", "owner", "observer", "signalbox"]);

export const agentName = nameField("agent (default: the next free Agent_#)").refine(
  (name) => !RESERVED.has(name.toLowerCase()),
  "this name stands for a person in what agents read",
);

export const agentId = z
  .string()
  .min(1)
  .max(100)
  .describe("The agent, as create_agent or get_session_status named it.");
export const sessionId = z
  .string()
  .min(1)
  .max(100)
  .describe("The session, as create_session or get_session_status named it.");
export const messageId = z.string().min(1).max(100).describe("The message, as send_message_to_agent named it.");

export const idempotencyKey = z
  .string()
  .min(1)
  .max(200)
  .optional()
  .describe(
    "Any string of yours. A call repeated with the same key and arguments answers the first result and does nothing.",
  );

export const waitSeconds = (fallback: number) =>
  z
    .number()
    .min(0)
    .max(3_600)
    .default(fallback)
    .describe("How long to wait, in seconds, before answering with the state so far.");

export const force = z
  .boolean()
  .default(false)
  .describe("Go on although work would be lost. Without it the call is refused and says what would be lost.");

/** In answers: what a person should know about what was done. */
export const note = z.string().optional();

export const text = (max: number, what: string) => z.string().max(max).optional().describe(what);
