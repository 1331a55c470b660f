// A message that never arrived and was sent again says as which; and those that never arrived are found without reading all that did.

import type { Migration } from "../migrate.ts";

export const migration0008: Migration = {
  number: 8,
  sql: `
    ALTER TABLE messages ADD COLUMN resent_as TEXT;
    CREATE INDEX messages_dead ON messages (seq) WHERE ended_at IS NOT NULL AND processed_at IS NULL;
  `,
};
