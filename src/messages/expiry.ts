// When a queued message's time runs out. One that may have been handed over expires only when it is seen to be away.

import type { Clock, Timer } from "../kernel/clock.ts";
import { type Ledger, verdict } from "./ledger.ts";
import type { Mailbox, MessageRow } from "./mailbox.ts";
import type { Whereabouts } from "./traces.ts";

/** Where it cannot be told yet whether a message has arrived, it is looked for again after this. */
const LOOK_AGAIN_MS = 1_000;
/** Expiry is in wall time, so look again within the hour even when the clock was set back. */
const LOOK_MAX_MS = 3_600_000;

export interface Expiry {
  /** Ends what is due; cheap when nothing is. */
  endDue(): void;
  /** True when the message was due, and has expired. */
  endIfDue(message: MessageRow): boolean;
  /** The message may be the next to expire. */
  expect(message: MessageRow): void;
  detach(): void;
}

export function createExpiry(deps: {
  mailbox: Mailbox;
  ledger: Ledger;
  clock: Clock;
  /** Where a queued message is; one that has arrived is no longer queued afterwards. */
  locate: (message: MessageRow) => Whereabouts["is"];
}): Expiry {
  const { mailbox, ledger, clock, locate } = deps;
  let timer: Timer | null = null;
  /** No queued message expires before this wall time. */
  let nextAt = 0;
  let isDetached = false;

  const end = (message: MessageRow) => {
    ledger.move(message, "expired", verdict(clock.now(), "expired", "its time ran out"));
  };

  const isDue = (message: MessageRow) => message.expires_at !== null && message.expires_at <= clock.now();

  const endDue = () => {
    const now = clock.now();
    if (now < nextAt) return;
    let isAnyOpen = false;
    for (const row of mailbox.expired(now)) {
      const where = locate(row);
      if (where === "away") end(row);
      if (where === "open") isAnyOpen = true;
    }
    arm(isAnyOpen ? now + LOOK_AGAIN_MS : 0);
  };

  const arm = (notBefore = 0) => {
    timer?.cancel();
    nextAt = Math.max(mailbox.nextExpiry() ?? Number.POSITIVE_INFINITY, notBefore);
    const waitMs = Math.min(Math.max(0, nextAt - clock.now()), LOOK_MAX_MS);
    timer = nextAt === Number.POSITIVE_INFINITY || isDetached ? null : clock.after(waitMs, look);
  };

  const look = () => {
    if (clock.now() < nextAt)
      arm(); // The clock was set back, or it was only time to look.
    else endDue();
  };

  return {
    endDue,
    endIfDue(message) {
      if (!isDue(message)) return false;
      end(message);
      return true;
    },
    expect(message) {
      if (message.expires_at !== null && message.state === "queued") arm();
    },
    detach() {
      isDetached = true;
      timer?.cancel();
    },
  };
}
