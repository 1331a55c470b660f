// Every kind of fault the simulator can bring, one line each. A seed switches some of them on; a kind that is on strikes with
// the chance that the place where it happens gives it. The table is also what the runner counts by.

import type { Random } from "./random.ts";

export const FAULTS = {
  daemon_killed_before_commit: "kill -9 of the daemon inside a transaction",
  daemon_killed_after_commit: "kill -9 of the daemon right after a commit",
  daemon_killed_before_write: "kill -9 between the lease and the keys",
  daemon_killed_after_write: "kill -9 after the keys, before the confirmation",
  daemon_killed_before_hook: "kill -9 when a hook has arrived and was not looked at",
  daemon_killed_before_answer: "kill -9 after a hook was taken in, before its answer left",
  daemon_killed_at_open: "kill -9 around the start of a terminal",
  daemon_killed_at_look: "kill -9 while the screen is read",
  daemon_killed_any_time: "kill -9 at any moment",
  daemon_stalled: "the daemon gets no CPU for seconds; the agents do",
  host_killed: "the terminal host dies, its agents get SIGHUP",
  host_unreachable: "nobody can tell anything about a terminal host for a while",
  open_refused: "a terminal cannot be opened",
  agent_killed_starting: "kill -9 of an agent before its prompt is there",
  agent_killed_idle: "kill -9 of an idle agent",
  agent_killed_mid_turn: "kill -9 of an agent in a turn",
  agent_killed_mid_paste: "kill -9 of an agent while keys arrive",
  agent_killed_with_queue: "kill -9 of an agent that holds a prompt in its own queue",
  agent_leaves: "a person types /exit",
  hook_lost: "a hook never arrives",
  hook_doubled: "a hook arrives twice",
  hook_delayed: "a hook arrives seconds late, perhaps after later ones",
  hook_answer_late: "a hook's answer comes after the agent stopped waiting",
  hook_answer_lost: "a hook was taken in, its answer is lost",
  enter_swallowed: "the Enter behind a paste is lost",
  write_refused: "keys are refused and nothing was written",
  write_late: "the program does not read: keys are reported late and arrive later",
  write_split: "keys arrive in two pieces",
  write_cut: "the terminal host dies with half of the keys written",
  file_event_lost: "a change of the session file is noticed by the sweep only",
  file_late: "the session file is written late",
  file_torn: "the session file is seen half written",
  transcript_late: "the transcript is flushed up to a second late",
  transcript_unreadable: "the transcript cannot be read for a while",
  dialog_trust: "the program asks whether the directory is trusted",
  dialog_upsell: "an offer opens at start-up, a moment after `idle`",
  dialog_idle: "an offer opens at any moment",
  dialog_permission: "a tool asks for permission",
  turn_from_inside: "a background task starts a turn by itself",
  person_drafts: "a person leaves half a sentence in the box",
  person_submits: "a person types a prompt and submits it",
  person_unseen: "a person types where no viewer counts the keys",
  person_interrupts: "a person presses Escape in a turn",
  person_clears: "a person types /clear",
  api_error: "the model's API fails and the turn ends",
  api_retry: "the model's API fails and is retried for seconds",
  clock_forward: "the wall clock jumps forward",
  clock_back: "the wall clock jumps back",
  suspend: "the machine sleeps: only the wall clock goes on",
  disk_full: "SQLITE_FULL on every write for a while",
  answer_lost: "the caller hears no answer and asks again with the same key",
  cancel_race: "a message is cancelled about when it is sent",
  expiry: "a message expires about when it is sent",
  operator_interrupts: "the operator interrupts a turn",
  agent_closed: "the conversation is closed amid deliveries and started again later",
  agent_deleted: "the agent is deleted amid deliveries",
} as const;

export type FaultKind = keyof typeof FAULTS;

export const FAULT_KINDS = Object.keys(FAULTS) as FaultKind[];

/** Which kinds a seed brings. A few at a time find more than all at once, because one fault does not hide another. */
export function chooseFaults(random: Random): Set<FaultKind> {
  const count = random.pick([0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 8, 12, 20]);
  const chosen = new Set<FaultKind>();
  while (chosen.size < count) chosen.add(random.pick(FAULT_KINDS));
  return chosen;
}
