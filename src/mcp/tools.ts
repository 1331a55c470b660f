// The command table as MCP tools: names, schemas, annotations, and the shape in which results and errors leave. Pure; what
// a command does is never known here.

import type { CallToolResult, Tool } from "@modelcontextprotocol/server";
import { z } from "zod";
import type { CommandDescription } from "../commands/command.ts";
import { ERROR_CODES, type SignalboxError } from "../kernel/errors.ts";

/** What a model is told about the product as a whole, before it has seen a tool. */
export const INSTRUCTIONS = [
  "signalbox runs a team of Claude Code agents, each in its own terminal and tied to one codebase.",
  "Make a session for a codebase (create_session), agents in it (create_agent), then give them work with",
  "send_message_to_agent. A message that was accepted is stored and enters the agent's prompt exactly when the agent is",
  "free to take it, so never send it again: ask get_message (wait_for: processed) for the verdict and the reply.",
  "get_session_status shows what every agent is doing; an agent that is `waiting` asks a question which answer_agent",
  "decides. Pass idempotency_key whenever you might repeat a call. A failed call says in next_step what to do now;",
  "confirmation_required means that work would be lost: ask the person before you use force.",
].join(" ");

const ERROR_SCHEMA = {
  type: "object",
  description: "Present instead of all other fields when the call failed.",
  properties: {
    code: { type: "string", enum: [...ERROR_CODES] },
    message: { type: "string" },
    retryable: { type: "boolean" },
    next_step: { type: "string" },
  },
  required: ["code", "message", "retryable", "next_step"],
};

export function toolFor(command: CommandDescription): Tool {
  return {
    name: command.name,
    title: command.title,
    description: command.description,
    inputSchema: jsonSchema(command.input, "input"),
    outputSchema: orError(jsonSchema(command.output, "output")),
    annotations: {
      title: command.title,
      readOnlyHint: command.effect.readOnly,
      destructiveHint: command.effect.destructive,
      idempotentHint: command.effect.idempotent,
      openWorldHint: false, // everything a tool touches is on the person's own machines
    },
  };
}

export function resultOf(structured: Record<string, unknown>): CallToolResult {
  return { content: [{ type: "text", text: JSON.stringify(structured) }], structuredContent: structured };
}

export function errorResultOf(error: SignalboxError): CallToolResult {
  return { ...resultOf({ error: error.toBody() }), isError: true };
}

type ObjectSchema = Tool["inputSchema"];

function jsonSchema(schema: z.ZodObject, io: "input" | "output"): ObjectSchema {
  const json = z.toJSONSchema(schema, {
    io,
    override: ({ jsonSchema: part }) => {
      // Arguments are checked by `execute`. Results may grow: a client that holds an older list must not refuse them.
      if (io === "output" && part.additionalProperties === false) delete part.additionalProperties;
    },
  });
  delete json.$schema; // the protocol's default dialect, and validators that know another one only trip over the name
  return json as ObjectSchema;
}

/** Official clients check `structuredContent` against the output schema even when `isError` is set. */
function orError(output: ObjectSchema): ObjectSchema {
  const { required = [], ...rest } = output;
  return {
    ...rest,
    properties: { ...rest.properties, error: ERROR_SCHEMA },
    anyOf: [{ required }, { required: ["error"] }],
  };
}
