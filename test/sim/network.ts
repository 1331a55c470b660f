// The loopback between the simulated programs and the daemon: what it does to one hook. The agent waits for the answer as
// long as its own timeout allows and then goes on by itself, as Claude Code does.

import type { AgentWorld } from "./agent-world.ts";
import type { Daemon } from "./daemon.ts";
import type { Sim } from "./sim.ts";

export function createNetwork(sim: Sim, daemon: Daemon): AgentWorld["postHook"] {
  const { random, clock } = sim;
  const sleep = (ms: number) => new Promise<void>((resolve) => void clock.after(ms, resolve));

  return async ({ secret, payload, timeoutMs, connection }) => {
    const name = String(payload.hook_event_name);
    const gaveUp = timeoutMs === null ? new Promise<null>(() => {}) : sleep(timeoutMs).then(() => null);
    const closed = new Promise<null>((resolve) => {
      connection.signal.addEventListener("abort", () => resolve(null), { once: true });
    });

    const carry = async (): Promise<Record<string, unknown> | null> => {
      await sleep(random.between(0.3, 3));
      if (sim.strikes("hook_lost", 0.3, name)) return random.chance(0.7) || timeoutMs === null ? null : await gaveUp;
      if (sim.strikes("hook_delayed", 0.3, name)) await sleep(random.between(50, 6_000));
      if (sim.strikes("hook_doubled", 0.4, name)) {
        void sleep(random.between(0, 500)).then(() => daemon.takeHook({ secret, payload, connection }));
      }
      const answer = await daemon.takeHook({ secret, payload, connection });
      const isLost = sim.strikes("hook_answer_lost", 0.3, name);
      const isLate = sim.strikes("hook_answer_late", 0.2, name);
      if (isLost) return null;
      if (isLate) await sleep((timeoutMs ?? 2_000) + random.between(1, 1_000));
      await sleep(random.between(0.3, 3));
      return answer;
    };

    const answer = await Promise.race([carry(), gaveUp, closed]);
    connection.abort("answered");
    return answer;
  };
}
