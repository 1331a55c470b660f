import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ATTEMPTS_MAX,
  isEnd,
  isReached,
  MESSAGE_MOVES,
  MESSAGE_STATES,
  type MessageState,
  resolveLate,
} from "./delivery.ts";

describe("a message's states", () => {
  it("can all be reached from queued", () => {
    const seen = new Set<MessageState>(["queued"]);
    for (const state of seen) for (const next of MESSAGE_MOVES[state]) seen.add(next);
    expect([...seen].sort()).toEqual([...MESSAGE_STATES].sort());
  });

  it("end in exactly one verdict, and never come back to the queue once delivered", () => {
    expect(MESSAGE_STATES.filter(isEnd).sort()).toEqual(["cancelled", "expired", "failed", "processed", "unknown"]);
    expect(MESSAGE_MOVES.delivered).toEqual(["processed"]);
  });

  it.each([
    ["queued", "accepted", true],
    ["queued", "delivered", false],
    ["sending", "delivered", false],
    ["delivered", "delivered", true],
    ["delivered", "processed", false],
    ["processed", "delivered", true],
    ["failed", "processed", true],
    ["unknown", "delivered", true],
  ] as const)("%s is enough for a caller who waits for %s: %s", (state, goal, expected) => {
    expect(isReached(state, goal)).toBe(expected);
  });
});

const sighting = fc.record({
  attempts: fc.integer({ min: 1, max: 9 }),
  enters: fc.integer({ min: 0, max: 9 }),
  sinceEnterMs: fc.integer({ min: 0, max: 100_000 }),
  waitedMs: fc.integer({ min: 0, max: 20_000 }),
  transcript: fc.option(fc.record({ hasMarker: fc.boolean() }), { nil: null }),
  noted: fc.constantFrom("no" as const, "yes" as const, "left" as const),
  mayBeUnseen: fc.boolean(),
  line: fc.option(
    fc.record({
      state: fc.constantFrom("ready" as const, "busy" as const),
      promptBox: fc.constantFrom("empty" as const, "draft" as const, "absent" as const),
      keysByPerson: fc.boolean(),
      hasDrawn: fc.boolean(),
    }),
    { nil: null },
  ),
});

describe("a confirmation that is late", () => {
  it("never sends a message back while its transcript holds it or cannot be read", () => {
    fc.assert(
      fc.property(sighting, (seen) => {
        const step = resolveLate(seen);
        if (step.do === "return" || step.do === "fail") expect(seen.transcript).toEqual({ hasMarker: false });
      }),
    );
  });

  it("never sends back what a process that is gone had noted, or may have taken unseen", () => {
    fc.assert(
      fc.property(sighting, (seen) => {
        const step = resolveLate({ ...seen, waitedMs: 8_000, line: null });
        if (seen.noted === "left") expect(step.do).toBe("confirm");
        else if (seen.mayBeUnseen && seen.transcript?.hasMarker !== true) expect(step.do).toBe("unknown");
      }),
    );
  });

  it("does not give up on a transcript because it cannot be read at once", () => {
    fc.assert(
      fc.property(sighting, (seen) => {
        const step = resolveLate({ ...seen, waitedMs: 7_999, transcript: null });
        expect(step.do).not.toBe("unknown");
      }),
    );
  });

  it("gives nothing back while the program stands still and its keys wait for it", () => {
    fc.assert(
      fc.property(sighting, (seen) => {
        if (seen.line === null || seen.line.hasDrawn) return;
        expect(["confirm", "wait", "press_enter"]).toContain(resolveLate(seen).do);
      }),
    );
  });

  it("presses Enter only on an idle prompt whose box nobody but us has touched", () => {
    fc.assert(
      fc.property(sighting, (seen) => {
        if (resolveLate(seen).do !== "press_enter") return;
        expect(seen.line).toMatchObject({ state: "ready", promptBox: "draft", keysByPerson: false });
      }),
    );
  });

  it("presses Enter more and more rarely at a letter that stands in the box", () => {
    const seen = {
      attempts: 1,
      waitedMs: 10_000,
      transcript: { hasMarker: false },
      noted: "no",
      mayBeUnseen: false,
      line: { state: "ready", promptBox: "draft", keysByPerson: false, hasDrawn: true },
    } as const;
    const pauseS = (enters: number) =>
      [0, 1, 2, 4, 8, 16, 32, 60].find((s) => resolveLate({ ...seen, enters, sinceEnterMs: s * 1_000 }).do !== "wait");
    expect([0, 1, 4, 5, 6, 7, 8, 9, 10, 50].map(pauseS)).toEqual([0, 0, 0, 4, 8, 16, 32, 60, 60, 60]);
  });

  it("gives up after so many attempts, and says that it certainly did not arrive", () => {
    const seen = {
      enters: 0,
      sinceEnterMs: 0,
      waitedMs: 10_000,
      transcript: { hasMarker: false },
      noted: "no",
      mayBeUnseen: false,
      line: { state: "ready", promptBox: "empty", keysByPerson: false, hasDrawn: true },
    } as const;
    expect(resolveLate({ ...seen, attempts: ATTEMPTS_MAX - 1 }).do).toBe("return");
    expect(resolveLate({ ...seen, attempts: ATTEMPTS_MAX }).do).toBe("fail");
  });
});
