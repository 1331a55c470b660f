// Bundles src/ into dist/: the bridge and the daemon as one CommonJS file each (node loads them without starting its module
// loader), main.js for everything else, and each program that runs by itself as one file. Beside the daemon lies its compiled
// code (bin/kept-code.js). Nothing half-built is ever seen: all is bundled first, then every file is replaced whole.
// `--sourcemap` adds source maps.

import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = join(root, "dist");

/** Native addons find their binaries beside themselves, so they stay packages. */
const EXTERNAL = ["better-sqlite3-multiple-ciphers", "@lydell/node-pty", "@napi-rs/keyring"];

const PROGRAMS = {
  "pty-host": "src/terminals/pty/host.ts",
  "hook-helper": "src/agents/kinds/claude-code/hook-helper.ts",
  "scripted-agent": "src/agents/kinds/scripted/program.ts",
};

/** Bundled CommonJS packages call `require`, which an ES module does not have. */
const REQUIRE =
  'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);';

/** The daemon has a bundle of its own; main.js finds it there. */
const daemonApart = {
  name: "daemon-apart",
  setup({ onResolve }) {
    onResolve({ filter: /daemon\/main\.ts$/ }, () => ({ path: `./${DAEMON}`, external: true }));
  },
};
const DAEMON = "daemon.cjs";

/** zod exports its words in fifty languages, a fifth of the daemon's bundle; nobody asks for one. */
const zodInEnglish = {
  name: "zod-in-english",
  setup({ onLoad }) {
    onLoad({ filter: /zod\/v4\/locales\/index\.js$/ }, () => ({
      contents: 'export { default as en } from "./en.js";',
    }));
  },
};

const common = {
  absWorkingDir: root,
  outdir: dist,
  bundle: true,
  write: false,
  platform: "node",
  target: "node22.19",
  external: EXTERNAL,
  legalComments: "none",
  logLevel: "warning",
  // Its `main` is UMD, which loads its own parts in a way no bundler can follow.
  alias: { "jsonc-parser": "jsonc-parser/lib/esm/main.js" },
};
const esm = { format: "esm", banner: { js: REQUIRE } };
/** `import()` becomes `require` as well: nothing then starts node's module loader. */
const cjs = { format: "cjs", outExtension: { ".js": ".cjs" }, supported: { "dynamic-import": false } };

/** Resolves when dist/ is what src/ says. */
export async function build({ sourcemap = false } = {}) {
  const { build: bundle } = await import("esbuild");
  const options = { ...common, sourcemap };
  const bundles = [
    bundle({ ...options, ...cjs, entryPoints: { bridge: "src/bridge/bridge.ts" } }),
    bundle({
      ...options,
      ...cjs,
      entryPoints: { daemon: "src/daemon/main.ts" },
      entryNames: "[name]-[hash]",
      plugins: [zodInEnglish],
      minifyWhitespace: true,
      minifySyntax: true,
      lineLimit: 200,
      banner: { js: 'const __url = require("node:url").pathToFileURL(__filename).href;' },
      define: { "import.meta.url": "__url" },
    }),
    bundle({
      ...options,
      ...esm,
      entryPoints: { main: "src/main.ts" },
      plugins: [daemonApart],
      splitting: true,
      // Beside the programs, because the daemon finds them beside itself.
      chunkNames: "[name]-[hash]",
    }),
    ...Object.entries(PROGRAMS).map(([name, file]) => bundle({ ...options, ...esm, entryPoints: { [name]: file } })),
  ];
  const files = (await Promise.all(bundles)).flatMap((result) => result.outputFiles);
  const daemon = files.find(({ path }) => /daemon-[^/]*\.cjs$/.test(path)).path;
  files.push({ path: join(dist, DAEMON), contents: Buffer.from(doorTo(basename(daemon))) });
  for (const { path, contents } of files) replaceFile(path, contents);
  removeAllBut(new Set(files.map(({ path }) => path)));
  await keepCode(daemon);
  return files.map(({ path, contents }) => ({ name: relative(root, path), bytes: contents.length }));
}

/** A name that stays, to a bundle whose name says what is in it. */
function doorTo(bundle) {
  return `"use strict";
exports.main = (verb, args) => require("../bin/kept-code.js").load(\`\${__dirname}/${bundle}\`).main(verb, args);
`;
}

/** For this Node and for the one that runs npm, which is more likely the person's own, if it is not too old. Without kept code
 *  all works as well, only later, so a machine where no daemon can run just now (no loopback, no addons) still gets its build. */
async function keepCode(daemon) {
  const nodes = new Set([process.execPath, process.env.npm_node_execpath ?? process.execPath]);
  const keep = (node) => promisify(execFile)(node, [join(root, "scripts/keep-code.ts"), daemon]);
  const [own] = await Promise.allSettled([...nodes].map(keep));
  if (own.status === "rejected") console.warn(`No compiled code is kept: ${own.reason.stderr || own.reason.message}`);
}

function replaceFile(path, contents) {
  const partial = `${path}.${process.pid}.partial`;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(partial, contents);
  renameSync(partial, path);
}

function removeAllBut(kept) {
  for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    // A partial file may belong to another build that is running now.
    if (entry.isFile() && !kept.has(path) && !path.endsWith(".partial")) rmSync(path, { force: true });
  }
}

async function main() {
  try {
    import.meta.resolve("esbuild");
  } catch {
    // `npm install --omit=dev` runs this as well, on a machine that has the package built already.
    if (existsSync(join(dist, "main.js"))) return console.log("esbuild is not installed; dist/ stays as it is.");
    throw new Error("esbuild is not installed: run npm ci without --omit=dev once.");
  }
  for (const { name, bytes } of await build({ sourcemap: process.argv.includes("--sourcemap") })) {
    console.log(`${String(Math.ceil(bytes / 1024)).padStart(6)} KiB  ${name}`);
  }
}

if (import.meta.main ?? process.argv[1] === fileURLToPath(import.meta.url)) await main();
