import { expect, it } from "vitest";
import { wasPersonActive } from "./person.ts";

it.each([
  ["nobody was ever there", { atS: 0, beforeS: 0, nowS: 1_000 }, false],
  ["somebody came", { atS: 990, beforeS: 0, nowS: 1_000 }, true],
  ["nobody came since the last look", { atS: 990, beforeS: 990, nowS: 1_000 }, false],
  ["a second that is not over", { atS: 1_000, beforeS: 1_000, nowS: 1_000 }, true],
  ["a second that is just over", { atS: 999, beforeS: 999, nowS: 1_000 }, true],
  ["the clock was set back since", { atS: 4_600, beforeS: 4_600, nowS: 1_000 }, false],
  ["somebody came after the clock was set back", { atS: 1_000, beforeS: 4_600, nowS: 1_005 }, true],
])("%s", (_, seen, expected) => {
  expect(wasPersonActive(seen)).toBe(expected);
});
