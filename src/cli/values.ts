// What a word of the command line must look like to be a number or a time. Checked before anything is called or started: a
// word that is neither is wrong usage. Limits are the daemon's.

import { InvalidArgumentError } from "commander";
import type { ValueKind } from "./verbs.ts";

/** How words of this kind are read; null for those that are taken as they are, and looked up or checked later. */
export function readerOf(kind: ValueKind, nowMs: () => number): ((text: string) => string | number) | null {
  switch (kind) {
    case "number":
      return readNumber;
    case "duration":
      return readDuration;
    case "moment":
      return (text) => readMoment(text, nowMs());
    default:
      return null;
  }
}

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

/** A duration ago, or a moment as ISO 8601 writes it; one without a zone is local time. Answers ISO 8601 UTC. */
function readMoment(text: string, nowMs: number): string {
  const seconds = secondsOf(text);
  const ms = seconds === null ? (/^\d{4}-\d\d/.test(text) ? Date.parse(text) : Number.NaN) : nowMs - seconds * 1_000;
  const moment = new Date(ms);
  if (!Number.isNaN(moment.getTime())) return moment.toISOString();
  throw new InvalidArgumentError("Write it as 15m, 12h or 30d (ago), or as 2026-01-31T00:00:00Z.");
}

function secondsOf(text: string): number | null {
  const found = /^(\d{1,9})([smhd])$/.exec(text);
  return found ? Number(found[1]) * (UNIT_S[found[2] ?? ""] ?? 1) : null;
}
