// Tells signalbox what happens, in the payloads Claude Code's hooks have, and brings back its answers. A hook that fails
// never stops the agent: no answer means "go on". The script may drop, double or delay events, to see what others make of it.

import type { Clock } from "../../../kernel/clock.ts";
import { sleep } from "../../../kernel/clock.ts";
import type { HttpClient } from "./http.ts";
import type { HookEvent, Script } from "./script.ts";

/** What every payload carries. */
export interface HookBase {
  session_id: string;
  transcript_path: string;
  cwd: string;
  permission_mode: string;
}

export type HookAnswer = Record<string, unknown>;

export interface Hooks {
  /** Resolves with the answer, or null where there is none (no URL, failure, timeout, not an object). Never rejects. */
  tell(event: HookEvent, fields: Record<string, unknown>): Promise<HookAnswer | null>;
}

/** How long an event may hold the agent up before it goes on by itself. */
const TIMEOUT_MS: Record<HookEvent, number | null> = {
  SessionStart: 2_000,
  UserPromptSubmit: 5_000,
  PreToolUse: 5_000,
  PostToolUse: 5_000,
  PermissionRequest: null, // Held open for as long as a person needs; the dialog on the screen answers as well.
  Stop: 30_000, // A long poll for the next message is a legitimate answer.
  StopFailure: 5_000,
  SessionEnd: 500,
};

export function createHooks(options: {
  url: string | null;
  secret: string;
  http: HttpClient;
  clock: Clock;
  behaviour: Script["hooks"];
  base: () => HookBase;
  /** Hears how each event went, for the oracle. */
  heard: (event: HookEvent, outcome: "answered" | "failed" | "dropped") => void;
}): Hooks {
  const { url, secret, http, clock, behaviour, base, heard } = options;

  async function send(event: HookEvent, payload: Record<string, unknown>): Promise<HookAnswer | null> {
    if (url === null) return null;
    try {
      const headers = { Authorization: `Bearer ${secret}` };
      const { status, body } = await http.post({ url, headers, body: payload, timeoutMs: TIMEOUT_MS[event] });
      heard(event, status < 300 ? "answered" : "failed");
      if (status >= 300 || body.trim() === "") return null;
      const answer: unknown = JSON.parse(body);
      return typeof answer === "object" && answer !== null ? (answer as HookAnswer) : null;
    } catch {
      heard(event, "failed");
      return null;
    }
  }

  return {
    async tell(event, fields) {
      // Built now: after a delay the conversation may be another one.
      const payload = { ...base(), hook_event_name: event, ...fields };
      if (behaviour.drop.includes(event)) {
        heard(event, "dropped");
        return null;
      }
      const delayMs = behaviour.delayMs[event];
      if (delayMs !== undefined) await sleep(clock, delayMs);
      if (behaviour.duplicate.includes(event)) await send(event, payload);
      return await send(event, payload);
    },
  };
}
