// One thing at a time per key. Work on one agent queues up in the order it was asked for; different agents do not wait for
// each other. A piece of work that fails fails for its own caller only.

export interface Serial {
  /** Runs `work` after everything queued before it under the same key. */
  run<T>(key: string, work: () => Promise<T>): Promise<T>;
}

export function createSerial(): Serial {
  const tails = new Map<string, Promise<unknown>>();
  return {
    run(key, work) {
      const before = tails.get(key) ?? Promise.resolve();
      const result = before.then(work, work);
      const tail = result.then(
        () => undefined,
        () => undefined,
      );
      tails.set(key, tail);
      void tail.then(() => {
        if (tails.get(key) === tail) tails.delete(key);
      });
      return result;
    },
  };
}
