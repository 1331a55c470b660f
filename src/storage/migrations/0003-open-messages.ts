// Smaller indexes over messages. Each step of a message wrote its way through an index over everything ever sent, some twenty
// microseconds a page (measured); the few that are still open now have one of their own, and what only agents need holds only
// agents' messages. No index asks for a state: where one does, SQLite compiles each query with `state = ?` anew for each value.

export const migration0003 = {
  number: 3,
  sql: `
    DROP INDEX messages_open;
    CREATE INDEX messages_open ON messages (agent_id, state, seq) WHERE ended_at IS NULL;
    CREATE INDEX messages_by_agent ON messages (agent_id, seq);
    DROP INDEX messages_expiring;
    CREATE INDEX messages_expiring ON messages (expires_at) WHERE ended_at IS NULL AND expires_at IS NOT NULL;
    DROP INDEX messages_by_sender;
    CREATE INDEX messages_by_sender ON messages (sender, agent_id, accepted_at) WHERE hops > 0;
  `,
};
