// The index over open messages without their state: only acceptance and the end of a message write it now, no longer each step in
// between. Those open for one agent are few, and what a queue of a thousand holds is read anew only when it has changed.

import type { Migration } from "../migrate.ts";

export const migration0006: Migration = {
  number: 6,
  sql: `
    DROP INDEX messages_open;
    CREATE INDEX messages_open ON messages (agent_id, seq) WHERE ended_at IS NULL;
  `,
};
