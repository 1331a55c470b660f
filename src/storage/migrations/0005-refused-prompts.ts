// Agents' programs note down each prompt that they are about to take. Which of those the gate refused, only the gate knows: the
// program's own names of them, one blank between two.

import type { Migration } from "../migrate.ts";

export const migration0005: Migration = {
  number: 5,
  sql: "ALTER TABLE messages ADD COLUMN refused_prompts TEXT NOT NULL DEFAULT ''",
};
