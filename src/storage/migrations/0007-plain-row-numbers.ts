// Messages numbered by SQLite's own row numbers. AUTOINCREMENT keeps the highest number in a table of its own, one more page for
// every message accepted (a tenth of what the database costs, measured), so that no number comes back after its row was deleted;
// no message is ever deleted.

import type { Migration } from "../migrate.ts";

export const migration0007: Migration = {
  number: 7,
  sql: `
    CREATE TABLE messages_new (
      seq INTEGER PRIMARY KEY,
      message_id TEXT NOT NULL UNIQUE,
      agent_id TEXT NOT NULL REFERENCES agents(agent_id),
      sender TEXT NOT NULL,
      sender_label TEXT NOT NULL,
      body TEXT NOT NULL,
      task_id TEXT,
      task_title TEXT,
      priority TEXT NOT NULL,
      hops INTEGER NOT NULL,
      state TEXT NOT NULL,
      accepted_at INTEGER NOT NULL,
      expires_at INTEGER,
      sent_at INTEGER,
      delivered_at INTEGER,
      processed_at INTEGER,
      ended_at INTEGER,
      channel TEXT,
      evidence TEXT,
      attempts INTEGER NOT NULL DEFAULT 0,
      generation INTEGER,
      conversation_id TEXT,
      reply TEXT,
      failure_code TEXT,
      failure_message TEXT,
      refused_prompts TEXT NOT NULL DEFAULT ''
    ) STRICT;
    INSERT INTO messages_new SELECT * FROM messages ORDER BY seq;
    DROP TABLE messages;
    ALTER TABLE messages_new RENAME TO messages;
    CREATE INDEX messages_open ON messages (agent_id, seq) WHERE ended_at IS NULL;
    CREATE INDEX messages_by_agent ON messages (agent_id, seq);
    CREATE INDEX messages_expiring ON messages (expires_at) WHERE ended_at IS NULL AND expires_at IS NOT NULL;
    CREATE INDEX messages_by_sender ON messages (sender, agent_id, accepted_at) WHERE hops > 0;
  `,
};
