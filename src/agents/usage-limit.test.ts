import { describe, expect, it } from "vitest";
import { isUsageLimit, limitedUntil, resetTimeIn } from "./usage-limit.ts";

const now = Date.UTC(2026, 10, 22, 14, 30);
const at = (day: number, hour: number, minute = 0) => Date.UTC(2026, 10, day, hour, minute);

describe("a usage limit", () => {
  it.each([
    ["You've hit your limit · resets 3pm (UTC)", at(22, 15)],
    ["limit reached, resets at 2:15am (UTC)", at(23, 2, 15)],
    ["resets 14:30 (UTC)", at(23, 14, 30)],
    ["resets 12am (UTC)", at(23, 0)],
    ["resets 10am (America/New_York)", at(22, 15)],
    ["resets soon", null],
    ["resets 3:99pm (UTC)", null],
    ["resets 99pm (UTC)", null],
    ["resets 3pm (Nowhere/Else)", null],
  ])("is over when it says so: %s", (words, expected) => {
    expect(resetTimeIn(words, now)).toBe(expected);
  });

  it("without a time is tried again ever more rarely", () => {
    expect([0, 1, 2, 9].map((n) => (limitedUntil(now, "rate limited", n) - now) / 60_000)).toEqual([1, 2, 4, 15]);
  });

  it("is not what a bad request or a busy server is called", () => {
    expect(["rate_limit", "billing_error", "server_error", "unknown", "overloaded"].map(isUsageLimit)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
  });
});
