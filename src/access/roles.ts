// Who may call what: one pure table (DESIGN section 5). Levels of the contract give the rule for people's roles; an agent has
// its own short list, because what a colleague needs is not a slice of what an operator may.

import { SignalboxError } from "../kernel/errors.ts";
import type { SessionId } from "../kernel/ids.ts";
import type { Principal, Role } from "./principal.ts";

export type Level = "LOW" | "MEDIUM" | "HIGH";

/** What an agent may call with the token it was given, always inside its own session. */
const AGENT_COMMANDS: ReadonlySet<string> = new Set([
  "get_session_status",
  "send_message_to_agent",
  "get_message",
  "cancel_message",
  "broadcast_message",
  "read_agent",
  "wait_for_agent",
  "list_tasks",
  "claim_task",
  "update_task",
  "report_error",
]);

/** Kept from everyone but the owner: keys, roles, and what would lower a session's protection. */
const OWNER_COMMANDS: ReadonlySet<string> = new Set(["create_token", "revoke_token", "rotate_key"]);

const ALLOWS: Record<Role, (command: string, level: Level) => boolean> = {
  owner: () => true,
  operator: (command) => !OWNER_COMMANDS.has(command),
  observer: (_command, level) => level === "LOW",
  agent: (command) => AGENT_COMMANDS.has(command),
};

/** Whether the role may call the command at all; used for listing as well as for refusing. */
export function mayCall(principal: Principal, command: string, level: Level): boolean {
  return ALLOWS[principal.role](command, level);
}

/** Throws `permission_denied` when the role may not call the command. */
export function authorize(principal: Principal, command: string, level: Level): void {
  if (mayCall(principal, command, level)) return;
  throw new SignalboxError(
    "permission_denied",
    `The role ${principal.role} may not call ${command}.`,
    "Ask a person with a higher role, or connect with --role operator.",
  );
}

/** Whether the principal's view includes the session. Outside it, things answer as if they did not exist: no oracle. */
export function maySee(principal: Principal, sessionId: SessionId): boolean {
  return principal.sessionId === null || principal.sessionId === sessionId;
}
