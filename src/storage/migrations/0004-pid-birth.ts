// A process number is given out again, at the latest after the machine has started anew: when the process began tells the two
// apart. Null for processes of before, and where the system does not say.

import type { Migration } from "../migrate.ts";

export const migration0004: Migration = { number: 4, sql: "ALTER TABLE agents ADD COLUMN pid_birth TEXT" };
