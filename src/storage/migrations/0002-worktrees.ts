// Worktrees of agents: where each is, and how far its making or removal has come. A row goes when nothing of it is left.

export const migration0002 = {
  number: 2,
  sql: `
    CREATE TABLE worktrees (
      agent_id TEXT PRIMARY KEY REFERENCES agents(agent_id) DEFERRABLE INITIALLY DEFERRED,
      repository TEXT NOT NULL,
      path TEXT NOT NULL,
      branch TEXT NOT NULL,
      base TEXT NOT NULL,
      state TEXT NOT NULL CHECK (state IN ('planned', 'made', 'leaving'))
    ) STRICT;
  `,
};
