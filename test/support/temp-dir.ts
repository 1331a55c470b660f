// A directory of its own for each test, gone when the test is.

import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** An empty directory (0700), its path resolved and short enough to hold sockets. */
export function tempDir(): string {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "sbx-")));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
