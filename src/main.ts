// Picks the process by the first argument and loads nothing else: the bridge must be ready at node's own start-up time.

import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

const [verb = "", ...rest] = process.argv.slice(2);

/** Compiled code is kept between starts: of a daemon's 300 ms to be ready, some 80 were compiling (measured; the built daemon comes
 *  with its code, see bin/kept-code.js). In the person's own cache directory, because code found in a shared one could be
 *  anybody's. */
function keepCompiledCode(): void {
  const caches = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  // As in bin/kept-code.js: where the environment names no place, nothing is kept.
  if (isAbsolute(caches)) enableCompileCache(join(caches, "signalbox"));
}

/** Help and version are told by the command line, for every process. */
const isQuestion = ["--help", "-h", "--version"].some((option) => rest.includes(option));

if (verb === "mcp" && !isQuestion) {
  const { runBridge } = await import("./bridge/bridge.ts");
  await runBridge(rest);
} else if ((verb === "serve" || verb === "daemon") && !isQuestion) {
  keepCompiledCode();
  const { main } = await import("./daemon/main.ts");
  process.exitCode = await main(verb, rest);
} else {
  keepCompiledCode();
  const { runCli } = await import("./cli/cli.ts");
  process.exitCode = await runCli(process.argv.slice(2), process.env, process);
}
