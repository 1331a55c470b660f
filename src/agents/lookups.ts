// What a row names, found or refused: its kind, its session, and the backend of a session's terminals.

import { assert, SignalboxError } from "../kernel/errors.ts";
import type { BackendName, TerminalBackend } from "../terminals/terminal.ts";
import type { AgentKind, AgentKindName } from "./kind.ts";
import type { AgentRow, Registry, SessionRow } from "./registry.ts";

export interface Lookups {
  kindOf(row: AgentRow): AgentKind;
  sessionOf(row: AgentRow): SessionRow;
  /** Throws `terminal_unavailable` for a backend that this daemon does not have. */
  backendOf(name: BackendName): TerminalBackend;
}

export function createLookups(deps: {
  registry: Registry;
  kinds: ReadonlyMap<AgentKindName, AgentKind>;
  backends: ReadonlyMap<BackendName, TerminalBackend>;
}): Lookups {
  return {
    kindOf(row) {
      const kind = deps.kinds.get(row.kind);
      assert(kind !== undefined, `kind ${row.kind} is registered`);
      return kind;
    },
    sessionOf(row) {
      const session = deps.registry.anySession(row.session_id);
      assert(session !== undefined, "an agent's session exists");
      return session;
    },
    backendOf(name) {
      const backend = deps.backends.get(name);
      if (backend !== undefined) return backend;
      throw new SignalboxError(
        "terminal_unavailable",
        `The terminal ${name} is not there.`,
        "Create a session with terminal: pty, which needs nothing installed.",
      );
    },
  };
}
