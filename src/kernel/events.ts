// Doorbells. A ring carries an id and nothing else; whoever hears it reads the truth again from where it is kept.
// Losing a ring costs time, never truth (DESIGN section 3, invariant 3).

export type Topic = "agent" | "message" | "session";

export interface Events {
  ring(topic: Topic, id: string): void;
  /** Calls `hear` for each ring of the topic until the returned function is called. */
  on(topic: Topic, hear: (id: string) => void): () => void;
}

/** In-process doorbells. A listener that throws is reported and does not keep others from hearing. */
export function createEvents(onError: (error: unknown) => void): Events {
  const listeners = new Map<Topic, Set<(id: string) => void>>();
  return {
    ring(topic, id) {
      for (const hear of [...(listeners.get(topic) ?? [])]) {
        try {
          hear(id);
        } catch (error) {
          onError(error);
        }
      }
    },
    on(topic, hear) {
      const set = listeners.get(topic) ?? new Set();
      listeners.set(topic, set);
      set.add(hear);
      return () => set.delete(hear);
    },
  };
}
