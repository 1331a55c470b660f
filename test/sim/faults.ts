// Every kind of fault the simulator can bring, one line each. A seed switches some of them on; a kind that is on strikes with
// the chance that the place where it happens gives it. The table is also what the runner counts by.

import type { Random } from "./random.ts";

const FAULTS = {
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

/** Where programs have a socket of their own for what other agents write. */
const PEER_FAULTS = {
  peer_gone: "nobody listens at the socket that the session file names",
  peer_cut: "the connection breaks with half of the line written",
  peer_word_lost: "the program has the line, its writer is told that it has not",
  peer_dropped: "the program drops a message in silence",
  peer_unread: "the program hangs for seconds: it reads neither socket nor keys",
  peer_held: "bypassPermissions: the program asks a person before it takes a message",
} as const;

/** Where what is committed reaches the disk later. */
const POWER_FAULTS = {
  power_cut_any_time: "the machine loses its power at any moment",
  power_cut_after_commit: "... right after a commit, before it is synced",
  power_cut_in_sync: "... while the log is synced",
  power_cut_after_sync: "... when the log was synced and nobody has been told yet",
  power_cut_after_answer: "... right after an answer left",
  power_cut_tears: "the files that agents wrote last are cut, blank or back where they were",
  sync_slow: "the disk takes seconds to sync",
  sync_refused: "the disk refuses a sync: what it holds is unknown",
} as const;

/** Where terminals are of the sort that shows a person's keys to nobody (tmux with a client of the person's own). */
const TMUX_FAULTS = {
  person_amid: "a person types between the look at the screen and the keys",
} as const;

/** Where notes take their time as well. The second only helps the first to its moment: nobody answers the prompt's hook. */
const NOTE_FAULTS = {
  agent_killed_unwritten: "kill -9 of an agent when the model was asked and the transcript does not say so yet",
  daemon_killed_before_prompt: "kill -9 of the daemon when a prompt's hook has arrived and was not looked at",
} as const;

/** Where programs draw slowly. */
const FRAME_FAULTS = {
  frame_torn: "the screen is seen while the program is drawing its prompt box anew",
} as const;

export type FaultKind =
  | keyof typeof FAULTS
  | keyof typeof PEER_FAULTS
  | keyof typeof POWER_FAULTS
  | keyof typeof TMUX_FAULTS
  | keyof typeof NOTE_FAULTS
  | keyof typeof FRAME_FAULTS;

const kindsOf = (table: Partial<Record<FaultKind, string>>) => Object.keys(table) as FaultKind[];

export const FAULT_KINDS = [FAULTS, PEER_FAULTS, POWER_FAULTS, TMUX_FAULTS, NOTE_FAULTS, FRAME_FAULTS].flatMap(kindsOf);

/** What kind of machine a seed runs on. Drawn apart from everything else, so that a seed of the plain world, in which the first
 *  regressions were found, still means what it meant. */
export interface Variant {
  hasPeerSockets: boolean;
  /** False: what is committed is on the disk at once, and the power never fails. */
  syncsLater: boolean;
  /** False: nobody counts a person's keys where they land; a backend only notices that somebody was there. */
  countsKeys: boolean;
  /** False: a prompt is noted down in no time. Not drawn, so that a seed of before means what it meant. */
  notesLate: boolean;
  /** False: a screen is always seen whole. Not drawn either. */
  drawsSlowly: boolean;
}

export const PLAIN: Variant = {
  hasPeerSockets: false,
  syncsLater: false,
  countsKeys: true,
  notesLate: false,
  drawsSlowly: false,
};

export function chooseVariant(random: Random, seed: number): Variant {
  const drawn = { hasPeerSockets: random.chance(0.5), syncsLater: random.chance(0.5), countsKeys: random.chance(0.6) };
  return { ...drawn, notesLate: seed % 2 === 0, drawsSlowly: seed % 5 === 0 };
}

/** Which kinds a seed brings. A few at a time find more than all at once, because one fault does not hide another. */
export function chooseFaults(random: Random): Set<FaultKind> {
  const kinds = kindsOf(FAULTS);
  return choose(random, kinds, random.pick([0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 8, 12, 20]));
}

/** And which of those that only its variant has. */
export function chooseVariantFaults(random: Random, variant: Variant): Set<FaultKind> {
  const of = (isThere: boolean, table: Partial<Record<FaultKind, string>>) => {
    const kinds = isThere ? kindsOf(table) : [];
    return choose(random, kinds, Math.min(kinds.length, random.pick([0, 1, 1, 2, 3])));
  };
  const { hasPeerSockets, syncsLater, countsKeys, notesLate, drawsSlowly } = variant;
  return new Set([
    ...of(hasPeerSockets, PEER_FAULTS),
    ...of(syncsLater, POWER_FAULTS),
    ...of(!countsKeys, TMUX_FAULTS),
    ...of(notesLate, NOTE_FAULTS),
    ...(drawsSlowly ? kindsOf(FRAME_FAULTS) : []),
  ]);
}

function choose(random: Random, kinds: readonly FaultKind[], count: number): Set<FaultKind> {
  const chosen = new Set<FaultKind>();
  while (chosen.size < count) chosen.add(random.pick(kinds));
  return chosen;
}
