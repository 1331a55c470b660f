// Progress of one running call: what the command reports, and a sign of life whenever it has been silent, because clients
// take silence for a hang. Only for callers that asked for it with a progress token.

import type { ServerContext } from "@modelcontextprotocol/server";
import type { Clock, Timer } from "../kernel/clock.ts";

/** Clients give up after 30 to 60 silent seconds; several signs of life fit in even if one is late. */
export const SIGN_OF_LIFE_MS = 3_000;

export interface ProgressReporter {
  tell(message: string): void;
  stop(): void;
}

/** Reports until `stop` is called. A notification that cannot be sent is dropped: the call matters, not the report. */
export function startProgress(context: ServerContext, clock: Clock): ProgressReporter {
  const progressToken = context.mcpReq._meta?.progressToken;
  if (progressToken === undefined) return { tell() {}, stop() {} };
  let progress = 0;
  let lastMessage = "working";
  let timer: Timer;

  function send(message: string): void {
    progress += 1; // the protocol wants a number that grows; how much is left nobody knows
    const params = { progressToken, progress, message };
    context.mcpReq.notify({ method: "notifications/progress", params }).catch(() => {});
    timer = clock.after(SIGN_OF_LIFE_MS, () => send(lastMessage));
  }

  timer = clock.after(SIGN_OF_LIFE_MS, () => send(lastMessage));
  return {
    tell(message) {
      lastMessage = message;
      timer.cancel();
      send(message);
    },
    stop: () => timer.cancel(),
  };
}
