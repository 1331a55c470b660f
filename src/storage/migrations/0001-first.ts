// The first schema: sessions and their agents, the mailbox, who may ask, what was asked, and a few settings. Times are wall
// milliseconds since the epoch. Everything here lies in one encrypted file, so bodies and names need no sealing of their own.

export const migration0001 = {
  number: 1,
  sql: `
    CREATE TABLE sessions (
      session_id TEXT PRIMARY KEY,
      name TEXT NOT NULL,
      root_path TEXT NOT NULL,
      security_level TEXT NOT NULL,
      terminal TEXT NOT NULL,
      workspace TEXT NOT NULL,
      trust INTEGER NOT NULL,
      created_at INTEGER NOT NULL,
      deleted_at INTEGER
    ) STRICT;

    CREATE TABLE agents (
      agent_id TEXT PRIMARY KEY,
      session_id TEXT NOT NULL REFERENCES sessions(session_id),
      name TEXT NOT NULL,
      kind TEXT NOT NULL,
      specialization TEXT,
      system_prompt TEXT,
      model TEXT,
      permission_mode TEXT NOT NULL,
      cwd TEXT NOT NULL,
      desired TEXT NOT NULL CHECK (desired IN ('running', 'closed')),
      conversation_id TEXT,
      generation INTEGER NOT NULL DEFAULT 0,
      terminal_ref TEXT,
      pid INTEGER,
      hook_secret_hash TEXT,
      exits TEXT NOT NULL DEFAULT '[]',
      rest TEXT NOT NULL DEFAULT 'none' CHECK (rest IN ('none', 'exited', 'crashed', 'failed')),
      rest_reason TEXT,
      state_since INTEGER NOT NULL,
      last_reply TEXT,
      model_seen TEXT,
      context_used_pct REAL,
      cost_usd REAL,
      created_at INTEGER NOT NULL,
      deleted_at INTEGER
    ) STRICT;
    CREATE INDEX agents_by_session ON agents (session_id, created_at);
    CREATE UNIQUE INDEX agents_by_hook_secret ON agents (hook_secret_hash) WHERE hook_secret_hash IS NOT NULL;
    CREATE UNIQUE INDEX agents_name ON agents (session_id, name) WHERE deleted_at IS NULL;

    CREATE TABLE messages (
      seq INTEGER PRIMARY KEY AUTOINCREMENT,
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
      failure_message TEXT
    ) STRICT;
    CREATE INDEX messages_open ON messages (agent_id, state, seq);
    CREATE INDEX messages_expiring ON messages (expires_at) WHERE state = 'queued' AND expires_at IS NOT NULL;
    CREATE INDEX messages_by_sender ON messages (sender, agent_id, accepted_at);

    CREATE TABLE tokens (
      id TEXT PRIMARY KEY,
      hash TEXT NOT NULL UNIQUE,
      role TEXT NOT NULL,
      session_id TEXT,
      agent_id TEXT,
      created_at INTEGER NOT NULL,
      expires_at INTEGER,
      revoked_at INTEGER
    ) STRICT;

    CREATE TABLE idempotency (
      scope TEXT NOT NULL,
      key TEXT NOT NULL,
      command TEXT NOT NULL,
      arguments_hash TEXT NOT NULL,
      target TEXT NOT NULL,
      answer TEXT,
      at INTEGER NOT NULL,
      PRIMARY KEY (scope, key)
    ) STRICT;

    CREATE TABLE audit (
      seq INTEGER PRIMARY KEY,
      at INTEGER NOT NULL,
      actor TEXT NOT NULL,
      role TEXT NOT NULL,
      tool TEXT NOT NULL,
      target TEXT,
      outcome TEXT NOT NULL,
      detail TEXT NOT NULL,
      hash TEXT NOT NULL
    ) STRICT;

    CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  `,
};
