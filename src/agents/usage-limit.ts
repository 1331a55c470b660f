// When a usage limit is over: from the program's own sentence where it names a time, else a pause that grows. Pure. A wrong guess
// costs time, never a message: the queue waits, and the next try tells.

/** Without a time of its own the limit is tried again after a minute, then ever more rarely. */
const PAUSE_MS = 60_000;
const PAUSE_MAX_MS = 15 * 60_000;
const HOUR_MS = 3_600_000;

/** StopFailure kinds that mean: not now, and not because of what was asked (named in 2.1.330's binary, not provoked). */
const LIMIT_KINDS = /^(rate_limit|billing_error|usage_limit)/;

export function isUsageLimit(error: string): boolean {
  return LIMIT_KINDS.test(error);
}

/** Wall time of the next try. `words` is what the program told the person, e.g. "limit reached, resets 3pm (UTC)". */
export function limitedUntil(now: number, words: string | null, limitsInARow: number): number {
  const named = words === null ? null : resetTimeIn(words, now);
  return named ?? now + Math.min(PAUSE_MS * 2 ** limitsInARow, PAUSE_MAX_MS);
}

/** The next time of day that the sentence names, or null. Times without a zone are this machine's own. */
export function resetTimeIn(words: string, now: number): number | null {
  const match = /\bresets?(?:\s+at)?\s+(\d{1,2})(?::(\d{2}))?\s*(am|pm)?\b(?:\s*\(([A-Za-z_/]+)\))?/i.exec(words);
  if (match === null) return null;
  const [, hourText = "", minuteText = "0", half, zone] = match;
  const isClock = half === undefined ? Number(hourText) <= 23 : Number(hourText) >= 1 && Number(hourText) <= 12;
  const hour = half === undefined ? Number(hourText) : (Number(hourText) % 12) + (half.toLowerCase() === "pm" ? 12 : 0);
  const offsetMs = zoneOffsetMs(zone, now);
  if (!isClock || Number(minuteText) > 59 || offsetMs === null) return null;
  const dayMs = 24 * HOUR_MS;
  const midnight = Math.floor((now + offsetMs) / dayMs) * dayMs - offsetMs;
  const today = midnight + hour * HOUR_MS + Number(minuteText) * 60_000;
  return today > now ? today : today + dayMs;
}

function zoneOffsetMs(zone: string | undefined, now: number): number | null {
  if (zone === undefined) return -new Date(now).getTimezoneOffset() * 60_000;
  try {
    const parts = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "longOffset" }).formatToParts(now);
    const text = parts.find((part) => part.type === "timeZoneName")?.value ?? "";
    const match = /^GMT(?:([+-])(\d{2}):(\d{2}))?$/.exec(text);
    if (match === null) return null;
    const [, sign = "+", hours = "0", minutes = "0"] = match;
    return (sign === "-" ? -1 : 1) * (Number(hours) * HOUR_MS + Number(minutes) * 60_000);
  } catch {
    return null; // Not a zone this machine knows.
  }
}
