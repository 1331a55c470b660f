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

/** What concerns more than one session, and so is kept from whoever is bound to one. A test asks every new command of the
 *  table whether it belongs here. */
const HOUSE_COMMANDS: ReadonlySet<string> = new Set([
  ...OWNER_COMMANDS,
  "create_session",
  "get_audit_log",
  "describe_daemon",
  "stop_daemon",
]);

const ALLOWS: Record<Role, (command: string, level: Level) => boolean> = {
  owner: () => true,
  operator: (command) => !OWNER_COMMANDS.has(command),
  observer: (_command, level) => level === "LOW",
  agent: (command) => AGENT_COMMANDS.has(command),
};

export interface Asked {
  name: string;
  level: Level;
}

/** Whether the principal may call the command at all; used for listing as well as for refusing. */
export function mayCall(principal: Principal, { name, level }: Asked): boolean {
  return ALLOWS[principal.role](name, level) && !isTooWide(principal, name);
}

/** Throws `permission_denied` when the principal may not call the command. */
export function authorize(principal: Principal, asked: Asked): void {
  if (mayCall(principal, asked)) return;
  const [message, nextStep] = ALLOWS[principal.role](asked.name, asked.level)
    ? [
        `This token is bound to one session, and ${asked.name} concerns more than that.`,
        `Use a token without a session; the owner makes one with \`signalbox token create --role ${principal.role}\`.`,
      ]
    : [`The role ${principal.role} may not call ${asked.name}.`, whoMay(principal.role, asked.name)];
  throw new SignalboxError("permission_denied", message, nextStep);
}

function isTooWide({ sessionId }: Principal, command: string): boolean {
  return sessionId !== null && HOUSE_COMMANDS.has(command);
}

function whoMay(role: Role, command: string): string {
  if (role === "agent") return "Say in your reply what you need; a person decides about it.";
  if (OWNER_COMMANDS.has(command)) return "Only the owner may, at this machine: ask with --as owner.";
  return "It takes the role operator: --role operator of `signalbox mcp`, --as operator on the command line, or a token of it.";
}

/** Whether the principal's view includes the session. Outside it, things answer as if they did not exist: no oracle. */
export function maySee(principal: Principal, sessionId: SessionId): boolean {
  return principal.sessionId === null || principal.sessionId === sessionId;
}
