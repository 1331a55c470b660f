// Bearer tokens: random capabilities bound to a role, a session and perhaps one agent. Only their SHA-256 is stored; the
// token itself is shown once. 256 random bits need no slow hash.

import { createHash } from "node:crypto";
import type { Clock } from "../kernel/clock.ts";
import type { AgentId, Ids, SessionId } from "../kernel/ids.ts";
import type { Database } from "../storage/database.ts";
import type { Principal, Role } from "./principal.ts";

export interface NewToken {
  role: Role;
  sessionId: SessionId | null;
  agentId: AgentId | null;
  ttlMs: number | null;
}

export interface TokenRow {
  id: string;
  role: Role;
  session_id: SessionId | null;
  agent_id: AgentId | null;
  expires_at: number | null;
}

export interface Tokens {
  /** Must run inside a transaction of the caller. The returned `token` is never readable again. */
  create(spec: NewToken): { row: TokenRow; token: string };
  /** The principal behind a bearer token, or null when it is unknown, expired or revoked. */
  authenticate(token: string): Principal | null;
  /** True when a token of that id was valid until now. */
  revoke(id: string): boolean;
  /** Ends every token of the agent. */
  revokeAgent(agentId: AgentId): void;
}

export function createTokens(db: Database, clock: Clock, ids: Ids): Tokens {
  return {
    create(spec) {
      const token = ids.secret();
      const row: TokenRow = {
        id: `tok_${ids.secret().slice(0, 12)}`,
        role: spec.role,
        session_id: spec.sessionId,
        agent_id: spec.agentId,
        expires_at: spec.ttlMs === null ? null : clock.now() + spec.ttlMs,
      };
      db.run(
        "INSERT INTO tokens (id, hash, role, session_id, agent_id, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [row.id, hashToken(token), row.role, row.session_id, row.agent_id, clock.now(), row.expires_at],
      );
      return { row, token };
    },
    authenticate(token) {
      const row = db.get<TokenRow & { revoked_at: number | null }>("SELECT * FROM tokens WHERE hash = ?", [
        hashToken(token),
      ]);
      if (row === undefined || row.revoked_at !== null) return null;
      if (row.expires_at !== null && row.expires_at <= clock.now()) return null;
      return {
        role: row.role,
        sessionId: row.session_id,
        agentId: row.agent_id,
        actor: row.agent_id === null ? `token:${row.id}` : `agent:${row.agent_id}`,
      };
    },
    revoke(id) {
      return (
        db.run("UPDATE tokens SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", [clock.now(), id]).changes > 0
      );
    },
    revokeAgent(agentId) {
      db.run("UPDATE tokens SET revoked_at = ? WHERE agent_id = ? AND revoked_at IS NULL", [clock.now(), agentId]);
    },
  };
}

function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
