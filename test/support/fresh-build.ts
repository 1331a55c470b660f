// End-to-end tests run what users run, dist/, so it must be what src/ says now.

import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

export default function freshBuild(): void {
  const script = fileURLToPath(new URL("../../scripts/build.mjs", import.meta.url));
  execFileSync(process.execPath, [script], { stdio: ["ignore", "ignore", "inherit"] });
}
