// Ending one process for certain, and how an end is told in words.

import { type Clock, sleep } from "../kernel/clock.ts";
import type { ExitStatus, Terminal } from "../terminals/terminal.ts";

/** SIGTERM ends the real CLI within 0.25 s, 0.6 s in the middle of a tool (measured); after this we insist. */
const TERM_GRACE_MS = 3_000;

/** Resolves when the terminal's process is gone, with what it left behind in its process group. */
export async function endTerminal(terminal: Terminal, clock: Clock): Promise<void> {
  const gone = new Promise<void>((resolve) => {
    terminal.onExit(() => resolve());
  });
  const sweep = () => terminal.signal("SIGKILL", { group: true }).catch(() => undefined);
  let timer = clock.after(TERM_GRACE_MS, insist);
  function insist(): void {
    void sweep();
    timer = clock.after(TERM_GRACE_MS, insist); // Its host may not have heard us; until the end is heard we go on.
  }
  // A host that does not answer any more took the process with it, or the exit is heard; either way `gone` tells.
  await terminal.signal("SIGTERM").catch(() => undefined);
  await gone;
  timer.cancel();
  await sweep(); // Tool children it left behind.
}

/** SIGTERM within 150 ms (2.1.330) to 400 ms (2.1.197) of a turn's end cost the turn; none was lost later (measured). */
const TRANSCRIPT_FLUSH_MS = 600;

/** The last turn's lines reach the transcript a moment after its end; a program ended before that loses the whole turn. */
export async function untilTranscriptKept(clock: Clock, turnEndedMs: number | undefined): Promise<void> {
  const leftMs = (turnEndedMs ?? Number.NEGATIVE_INFINITY) + TRANSCRIPT_FLUSH_MS - clock.monotonicMs();
  if (leftMs > 0) await sleep(clock, leftMs);
}

export function describeExit(exit: ExitStatus | null): string {
  if (exit === null) return "its terminal died with it";
  if (exit.signal !== null) return `killed by ${exit.signal}`;
  return `exited with code ${exit.exitCode ?? "unknown"}`;
}

/** A reason is a sentence, not a screen. */
const LAST_WORDS_MAX = 300;

/** What the last lines of the terminal say, on one line; "" when there is nothing to read. */
export async function lastWords(terminal: Terminal): Promise<string> {
  const screen = await terminal.screen().catch(() => null);
  const lines = (screen?.lines ?? []).filter((line) => line.trim() !== "");
  return lines.slice(-3).join(" ").trim().slice(0, LAST_WORDS_MAX);
}
