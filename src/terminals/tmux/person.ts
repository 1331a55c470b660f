// Whether a person has been at a pane with a tmux client of their own. tmux tells only the second of the wall clock in which its
// clients were last active, and that clock may be set.

/** `beforeS`: what tmux told at the last look; 0: nobody ever. A second that is not over counts each time: better a message held
 *  back than one on top of a draft. */
export function wasPersonActive({ atS, beforeS, nowS }: { atS: number; beforeS: number; nowS: number }): boolean {
  if (atS === 0) return false;
  // Not `later than`: after the clock was set back, what a person does now is earlier, and what they did lies ahead for hours.
  return atS !== beforeS || Math.abs(nowS - atS) <= 1;
}
