// An agent's state, derived from three witnesses and never stored: the process table, the program's own session file, and
// its hooks. Hooks are quick but silent on Esc, API retries and SIGKILL; the session file is right in all of those but
// SIGKILL; the process table is right in that one (DESIGN section 4). Pure: everything arrives as an argument.
//
//   starting  a process lives and has not shown an empty prompt yet; ends with the first settled idle, a dialog, or its death
//   ready     the prompt waits for input; ends when a turn or a dialog begins
//   working   a turn runs; ends with idle or a dialog
//   waiting   a person must answer something; ends when the dialog is gone
//   closed    the conversation was cleared on request; ends with start_new_agent_conversation
//   exited    the program left by itself and cleanly; ends as closed does
//   crashed   the program died; ends with its restart, or by giving up
//   failed    it could not be started or crashed too often; ends when a person starts it again

import type { DialogSeen, RegistryEntry, ScreenReading } from "./kind.ts";
import type { AgentRow } from "./registry.ts";

export const AGENT_STATES = [
  "starting",
  "ready",
  "working",
  "waiting",
  "closed",
  "exited",
  "crashed",
  "failed",
] as const;
export type AgentState = (typeof AGENT_STATES)[number];

/** Where each state may lead. A test checks that every state is reachable and that nothing else is ever observed. */
export const MOVES: Record<AgentState, readonly AgentState[]> = {
  starting: ["ready", "working", "waiting", "crashed", "exited", "failed", "closed"],
  ready: ["working", "waiting", "crashed", "exited", "closed", "failed", "starting"],
  working: ["ready", "waiting", "crashed", "exited", "closed", "failed", "starting"],
  waiting: ["ready", "working", "starting", "crashed", "exited", "closed", "failed"],
  closed: ["starting", "failed"],
  exited: ["starting", "closed", "failed"],
  crashed: ["starting", "failed", "closed"],
  failed: ["starting", "closed"],
};

/** States of a running process. The next daemon sees them begin when it finds the process again, so since when an agent is in them
 *  is kept in memory only: two commits per message less. */
export const SEEN_ANEW: ReadonlySet<AgentState> = new Set<AgentState>(["ready", "working", "waiting"]);

/** A question that stands open, with the id a person answers by. */
export interface OpenRequest {
  requestId: string;
  dialog: DialogSeen;
  /** hook: the program waits for our answer as well. screen: only keys can answer. */
  via: "hook" | "screen";
}

/** What the witnesses of one running process said last. */
export interface RunFacts {
  /** False once the terminal said the process is gone. */
  alive: boolean;
  /** True once an idle prompt has been seen; from then on a lone `idle` is believed. */
  settled: boolean;
  /** The program's session file, or null while it has written none. */
  file: RegistryEntry | null;
  /** A hook newer than the session file: a turn began, or a dialog opened. Cleared when the file catches up. */
  hookSays: "working" | null;
  request: OpenRequest | null;
  screen: ScreenReading | null;
  /** What the model's API answers while it fails, in words. */
  apiTrouble: string | null;
  /** Wall time until which nothing is delivered, because a usage limit was met; null: no limit is known. */
  limitedUntilMs: number | null;
  /** Why the last turn failed, in words; null when it did not, or another has begun. */
  lastFailure: string | null;
}

export interface Derived {
  state: AgentState;
  reason: string | null;
  /** Which witnesses the state rests on. */
  evidence: string;
  request: OpenRequest | null;
}

/** The state of an agent, from its row and, where a process runs, from what is known of it. */
export function deriveState(row: Pick<AgentRow, "desired" | "rest" | "rest_reason">, run: RunFacts | null): Derived {
  if (run === null || !run.alive) return atRest(row);
  if (run.request !== null) {
    return { state: "waiting", reason: run.request.dialog.summary, evidence: run.request.via, request: run.request };
  }
  if (run.file === null) return plain("starting", "the program has not reported yet", "process");
  // The file tells of a dialog a moment before its hook or the screen says which one it is. `waiting` is said together
  // with what a person can answer, so until then the turn counts as running; nothing is typed in either state.
  if (run.file.status === "waiting")
    return plain(run.settled ? "working" : "starting", run.file.waitingFor, "session file");
  if (run.file.status === "busy" || run.hookSays === "working") {
    const evidence = run.file.status === "busy" ? "session file" : "hook";
    return plain("working", run.apiTrouble, evidence);
  }
  if (!run.settled) return plain("starting", "the prompt has not settled yet", "session file");
  if (run.limitedUntilMs !== null) {
    const until = new Date(run.limitedUntilMs).toISOString();
    return plain("ready", `usage limit (${run.apiTrouble}); the queue waits until ${until}`, "hook");
  }
  return plain("ready", whyReady(run), "session file");
}

function whyReady({ screen, lastFailure }: RunFacts): string | null {
  if (screen?.promptBox === "draft")
    return `a draft stands in the prompt${screen.isStashed ? ", and another is put aside already" : ""}`;
  if (screen?.promptBox === "absent") return "its prompt is not in sight (another view, or suspended): attach and look";
  return lastFailure === null ? null : `the last turn failed: ${lastFailure}`;
}

function atRest(row: Pick<AgentRow, "desired" | "rest" | "rest_reason">): Derived {
  if (row.desired === "closed" && row.rest !== "failed") return plain("closed", row.rest_reason, "process");
  if (row.rest === "none") return plain("starting", "the process is being started", "process");
  return plain(row.rest, row.rest_reason, "process");
}

function plain(state: AgentState, reason: string | null, evidence: string): Derived {
  return { state, reason, evidence, request: null };
}
