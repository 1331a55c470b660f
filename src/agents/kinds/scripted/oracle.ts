// The event log that tests judge by: what really happened inside the stand-in, one JSON line each, in order. It says
// what reached the model and what every key did, whether or not that was what somebody outside intended.

import { appendFileSync } from "node:fs";

export type OracleEvent =
  | { event: "started"; conversationId: string; resumed: boolean; pastTurns: number }
  | { event: "ready" }
  | { event: "draft"; text: string }
  | { event: "enter_lost"; why: "starting" | "script" }
  /** The prompt reached the model. */
  | { event: "prompt"; text: string; via: "box" | "queue" | "stop_hook"; turn: number; promptId: string }
  /** Text a hook's answer put before the model. */
  | { event: "context"; text: string; via: string }
  | { event: "queued"; text: string }
  | { event: "blocked"; text: string; reason: string }
  | { event: "reply"; text: string }
  | { event: "shell"; command: string }
  | { event: "slash"; command: string; known: boolean }
  | { event: "dialog_opened"; kind: string; title: string; options: string[] }
  | { event: "dialog_key"; key: string; title: string }
  /** Text that was pasted or typed into a dialog and is gone. */
  | { event: "dialog_swallowed"; text: string; title: string }
  | { event: "dialog_answered"; title: string; option: string | null; by: "keys" | "hook" }
  | { event: "tool"; tool: string; input: unknown; outcome: "ran" | "denied"; result: string }
  | { event: "interrupted"; inTool: boolean }
  | { event: "turn_failed"; error: string }
  | { event: "cleared"; from: string; to: string }
  | { event: "hook"; name: string; outcome: "answered" | "failed" | "dropped" }
  | { event: "exit"; code: number; why: string };

export type Oracle = (event: OracleEvent) => void;

/** Appends to `path`; every line carries the time, the process and the agent, so that many agents can share a file. */
export function createOracle(path: string | null, whose: { pid: number; agent: string }, now: () => number): Oracle {
  if (path === null) return () => {};
  return (event) => appendFileSync(path, `${JSON.stringify({ at: now(), ...whose, ...event })}\n`, { mode: 0o600 });
}
