// Bundles src/ into dist/: the bridge as one small CommonJS file (node loads it without starting its module loader), main.js
// in pieces so that each process loads only its own, and each program that runs by itself as one file. Nothing half-built is
// ever seen: all is bundled first, then every file is replaced whole. `--sourcemap` adds source maps.

import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

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
};
const esm = {
  format: "esm",
  banner: { js: REQUIRE },
  // Its `main` is UMD, which loads its own parts in a way no bundler can follow.
  alias: { "jsonc-parser": "jsonc-parser/lib/esm/main.js" },
};

/** Resolves when dist/ is what src/ says. */
export async function build({ sourcemap = false } = {}) {
  const { build: bundle } = await import("esbuild");
  const options = { ...common, sourcemap };
  const bundles = [
    bundle({
      ...options,
      entryPoints: { bridge: "src/bridge/bridge.ts" },
      format: "cjs",
      outExtension: { ".js": ".cjs" },
      supported: { "dynamic-import": false },
    }),
    bundle({
      ...options,
      ...esm,
      entryPoints: { main: "src/main.ts" },
      splitting: true,
      // Beside the programs, because the daemon finds them beside itself.
      chunkNames: "[name]-[hash]",
    }),
    ...Object.entries(PROGRAMS).map(([name, file]) => bundle({ ...options, ...esm, entryPoints: { [name]: file } })),
  ];
  const files = (await Promise.all(bundles)).flatMap((result) => result.outputFiles);
  for (const { path, contents } of files) replaceFile(path, contents);
  removeAllBut(new Set(files.map(({ path }) => path)));
  return files.map(({ path, contents }) => ({ name: relative(root, path), bytes: contents.length }));
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
