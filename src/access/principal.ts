// Who asks. Made by an edge from what it authenticated, never from what the caller wrote into a request.

import type { AgentId, SessionId } from "../kernel/ids.ts";

export const ROLES = ["owner", "operator", "agent", "observer"] as const;
export type Role = (typeof ROLES)[number];

export interface Principal {
  role: Role;
  /** The one session this principal may see; null = all. Always set for an agent. */
  sessionId: SessionId | null;
  /** Set for an agent: which one it is. */
  agentId: AgentId | null;
  /** For audit rows: "local", "token:<id>", "agent:<id>". */
  actor: string;
}
