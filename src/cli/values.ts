// What a word of the command line must look like to be a number or a time. Checked before anything is called or started: a
// word that is neither is wrong usage. Limits are the daemon's.

import { InvalidArgumentError } from "commander";
import type { ValueKind } from "./verbs.ts";

/** How the words of these kinds are read; all others are taken as they are, and looked up or checked later. */
export const READERS: Partial<Record<ValueKind, (text: string) => string | number>> = {
  number: readNumber,
  duration: readDuration,
};

function readNumber(text: string): number {
  if (/^\d+(?:\.\d+)?$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Give a number in digits.");
}

const UNIT_S: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** `90s`, `15m`, `12h`, `30d` in seconds. */
function readDuration(text: string): number {
  const seconds = secondsOf(text);
  if (seconds !== null) return seconds;
  throw new InvalidArgumentError("Write it as 90s, 15m, 12h or 30d.");
}

function secondsOf(text: string): number | null {
  const found = /^(\d{1,9})([smhd])$/.exec(text);
  return found ? Number(found[1]) * (UNIT_S[found[2] ?? ""] ?? 1) : null;
}
