// The bridge as a process of its own for tests, with a daemon that is not the real one: the path of the daemon's script is
// the first argument, the rest is the command line behind `mcp`.

import { bridge } from "../../src/bridge/bridge.ts";

const { env, platform, stdin, stdout, stderr } = process;
const [daemonScript = "", ...argv] = process.argv.slice(2);
process.exit(
  await bridge({ argv, env, platform, stdin, stdout, stderr, daemonCommand: [process.execPath, daemonScript] }),
);
