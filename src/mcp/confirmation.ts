// Asking the person before work is lost. A command that refuses with `confirmation_required` and takes `force` is offered
// to the person at the client; their yes runs it again with `force`. Which work that is only the command knows.
//
// The answer comes back in the client's next request and is as trustworthy as the client, which could have sent
// `force: true` itself: so nothing here needs a signature.

import {
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  type InputRequiredResult,
  inputRequired,
  inputResponse,
  type Server,
  type ServerContext,
} from "@modelcontextprotocol/server";
import type { CommandDescription } from "../commands/command.ts";
import { SignalboxError } from "../kernel/errors.ts";

const QUESTION = "confirm";

export type PersonsAnswer = "not_asked" | "yes" | "no";

export function personsAnswer(context: ServerContext): PersonsAnswer {
  const answer = inputResponse(context.mcpReq.inputResponses, QUESTION);
  if (answer.kind === "missing") return "not_asked";
  return answer.kind === "elicit" && answer.action === "accept" && answer.content?.[QUESTION] === true ? "yes" : "no";
}

/** Whether this refusal can be put to a person: the command can be forced and the client can show a form. */
export function canBeAsked(
  error: SignalboxError,
  command: CommandDescription | undefined,
  server: Server,
  context: ServerContext,
): boolean {
  if (error.code !== "confirmation_required" || command === undefined || !("force" in command.input.shape))
    return false;
  // The newer revision says it with each request, the older ones once for the connection.
  const envelope: Record<string, unknown> = context.mcpReq.envelope ?? {};
  const declared = envelope[CLIENT_CAPABILITIES_META_KEY] ?? server.getClientCapabilities();
  const elicitation = (declared as ClientCapabilities | undefined)?.elicitation;
  // Before modes had names, an empty object meant forms.
  return elicitation !== undefined && (elicitation.form !== undefined || elicitation.url === undefined);
}

/** The question, in the form that the SDK carries to clients of either protocol era. */
export function askPerson(error: SignalboxError): InputRequiredResult {
  return inputRequired({
    inputRequests: {
      [QUESTION]: inputRequired.elicit({
        message: `${error.message} Go on all the same?`,
        requestedSchema: {
          type: "object",
          properties: { [QUESTION]: { type: "boolean", title: "Go on and lose it", default: false } },
          required: [QUESTION],
        },
      }),
    },
  });
}

export function personSaidNo(): SignalboxError {
  return new SignalboxError(
    "confirmation_required",
    "The person was asked and did not agree. Nothing was changed.",
    "Leave it as it is, or talk to the person before you use force.",
  );
}
