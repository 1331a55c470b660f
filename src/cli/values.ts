// What a word of the command line must look like to be a number or a time that its flag takes. Checked before anything is
// called or started: a word that is neither is wrong usage.

import { InvalidArgumentError } from "commander";
import type { Flag, Range } from "./verbs.ts";

/** How the words of this flag are read; null for those that are taken as they are, and looked up or checked later. */
export function readerOf(
  { kind, range }: Pick<Flag, "kind" | "range">,
  nowMs: () => number,
): ((text: string) => string | number) | null {
  switch (kind) {
    case "number":
      return (text) => within(range, readNumber(text), numberWords);
    case "duration":
      return (text) => within(range, readDuration(text), durationWords);
    case "moment":
      return (text) => readMoment(text, nowMs());
    case "cursor":
      return readCursor;
    default:
      return null;
  }
}

function readNumber(text: string): number {
  if (/^\d+(?:\.\d+)?$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Give a number in digits.");
}

function within(range: Range | undefined, value: number, words: (range: Range) => string): number {
  if (range === undefined) return value;
  const { least, most, isAboveLeast, isWhole } = range;
  const isHighEnough = isAboveLeast ? value > least : value >= least;
  if (isHighEnough && value <= most && (!isWhole || Number.isInteger(value))) return value;
  throw new InvalidArgumentError(words(range));
}

function numberWords({ least, most, isAboveLeast, isWhole }: Range): string {
  return isAboveLeast
    ? `Give a number above ${least} and up to ${most}.`
    : `Give a ${isWhole ? "whole number" : "number"} from ${least} to ${most}.`;
}

function durationWords({ least, most }: Range): string {
  return `Give a time from ${inUnits(least)} to ${inUnits(most)}.`;
}

/** In the largest unit that leaves nothing over. */
function inUnits(seconds: number): string {
  const [unit, unitS] = Object.entries(UNIT_S).findLast(([, s]) => seconds % s === 0) ?? ["s", 1];
  return `${seconds / unitS}${unit}`;
}

function readCursor(text: string): string {
  if (/^\d{1,15}$/.test(text)) return text;
  throw new InvalidArgumentError("Give the number that `more: --cursor` named.");
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
