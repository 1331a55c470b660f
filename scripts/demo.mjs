// `npm run demo`: a fresh clone becomes a running demonstration. This file only makes that possible (any Node can start it,
// what is missing is installed first, and the package's own Node takes over); what is shown is in demo/story.mjs.

import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const USAGE = `Shows signalbox at work: two agents on a codebase of their own in a temporary directory. Nothing of yours is changed.

  npm run demo                    with the real claude when it is on PATH, else with the built-in stand-in
  npm run demo -- --claude        with the real claude, fetched through npm into your cache directory where it is missing
  npm run demo -- --claude PATH   with this claude
  npm run demo -- --stand-in      with the built-in stand-in

The real claude talks to a scripted model on this machine: it needs no account and costs nothing.`;

const root = fileURLToPath(new URL("..", import.meta.url));
const ownNode = `${root}node_modules/node/bin/node`;

/** What the demonstration is written for; older ones start the package's own. */
const NODE_MAJOR = 24;

const asked = readArguments();
if (typeof asked === "string") console.log(asked);
else if (installWhatIsMissing()) {
  if (Number(process.versions.node.split(".")[0]) >= NODE_MAJOR) {
    const { showDemo } = await import("./demo/story.mjs");
    process.exitCode = await showDemo({ root, ...asked });
  } else runAgainWithOwnNode();
}

/** Which agents the person wants, or a text that is to be printed instead. */
function readArguments() {
  // `--claude` may stand alone, which parseArgs knows only of options without values.
  const args = process.argv
    .slice(2)
    .flatMap((word) => (word.startsWith("--claude=") ? word.split(/=(.*)/s, 2) : [word]));
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { claude: { type: "boolean" }, "stand-in": { type: "boolean" }, help: { type: "boolean", short: "h" } },
    });
    const isClear = positionals.length <= (values.claude ? 1 : 0) && !(values.claude && values["stand-in"]);
    if (values.help) return USAGE;
    if (isClear)
      return { agents: values.claude ? "claude" : values["stand-in"] ? "stand-in" : "any", path: positionals[0] };
  } catch {
    // said below
  }
  process.exitCode = 2;
  return USAGE;
}

/** False when it could not be done; npm has said why. */
function installWhatIsMissing() {
  const isInstalled = existsSync(ownNode);
  if (isInstalled && existsSync(`${root}dist/main.js`)) return true;
  const words = isInstalled ? ["run", "build"] : ["ci", "--no-audit", "--no-fund"];
  console.log(`First: npm ${words[0] === "ci" ? "ci, which takes about a minute" : "run build"}`);
  const { status } = spawnSync("npm", words, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  if (status !== 0) process.exitCode = 1;
  return status === 0;
}

function runAgainWithOwnNode() {
  const child = spawn(ownNode, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: "inherit" });
  // A terminal tells both of us of its Ctrl-C; the child cleans up, and we stay until it has.
  process.on("SIGINT", () => {});
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code) => {
    process.exitCode = code ?? 1;
  });
}
