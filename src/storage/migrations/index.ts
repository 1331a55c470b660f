// Every step of the schema, in order. A new one gets its own file and one line here.

import type { Migration } from "../migrate.ts";
import { migration0001 } from "./0001-first.ts";
import { migration0002 } from "./0002-worktrees.ts";
import { migration0003 } from "./0003-open-messages.ts";
import { migration0004 } from "./0004-pid-birth.ts";
import { migration0005 } from "./0005-refused-prompts.ts";
import { migration0006 } from "./0006-open-messages-by-age.ts";
import { migration0007 } from "./0007-plain-row-numbers.ts";
import { migration0008 } from "./0008-dead-letters.ts";

export const migrations: readonly Migration[] = [
  migration0001,
  migration0002,
  migration0003,
  migration0004,
  migration0005,
  migration0006,
  migration0007,
  migration0008,
];
