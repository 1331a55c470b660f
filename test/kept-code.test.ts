// bin/kept-code.js with a bundle of one function.

import { execFileSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { tempDir } from "./support/temp-dir.ts";

const KEPT_CODE = JSON.stringify(join(import.meta.dirname, "../bin/kept-code.js"));

interface Place {
  dir: string;
  cache: string;
  bundle: string;
}

function place(): Place {
  const dir = tempDir();
  const bundle = join(dir, "bundle-1.cjs");
  writeFileSync(bundle, 'exports.add = (a, b) => a + b;\nexports.found = require("node:path").basename(__filename);\n');
  return { dir, cache: tempDir(), bundle };
}

/** In a process of its own: V8 remembers what it has compiled once. */
function run({ bundle, cache }: Place, script: string): string {
  const code = `const kept = require(${KEPT_CODE}); const file = ${JSON.stringify(bundle)}; ${script}`;
  const env = { PATH: process.env.PATH, XDG_CACHE_HOME: cache };
  return execFileSync(process.execPath, ["-e", code], { env, encoding: "utf8" }).trim();
}

const KEEP = `
  const { script, run } = kept.compile(file);
  run().add(1, 2);
  require("fs").writeFileSync(kept.keptFileOf(file), script.createCachedData());`;
const LOAD = "const { add, found } = kept.load(file); console.log(add(1, 2), found);";
const SPOIL = 'require("fs").writeFileSync(kept.keptFileOf(file), "no code");';

it("runs a bundle with its kept code, and then writes nothing anywhere", () => {
  const here = place();
  run(here, KEEP);
  const before = readdirSync(here.dir);
  expect(run(here, LOAD)).toBe("3 bundle-1.cjs");
  expect(readdirSync(here.dir)).toEqual(before);
  expect(readdirSync(here.cache)).toEqual([]);
  const isRejected =
    "console.log(kept.compile(file, require('fs').readFileSync(kept.keptFileOf(file))).script.cachedDataRejected)";
  expect(run(here, isRejected)).toBe("false");
});

it("runs a bundle for which this V8 kept nothing, and then keeps code in the person's own cache", () => {
  const here = place();
  expect(run(here, LOAD)).toBe("3 bundle-1.cjs");
  expect(readdirSync(here.dir)).toEqual(["bundle-1.cjs"]);
  expect(readdirSync(here.cache)).toEqual(["signalbox"]);
});

it("runs a bundle whose kept code is none", () => {
  const here = place();
  run(here, SPOIL);
  expect(run(here, LOAD)).toBe("3 bundle-1.cjs");
});

const BEHIND_THE_DOOR: [what: string, argv: string[]][] = [
  ["a bundle", ["-e", `require(${KEPT_CODE}).load(process.env.BUNDLE)`]],
  ["the command line", [join(import.meta.dirname, "../bin/signalbox"), "--version"]],
];

it.each(BEHIND_THE_DOOR)("keeps nothing where the environment names no place for it: %s", (_what, argv) => {
  const { bundle } = place();
  const cwd = tempDir();
  execFileSync(process.execPath, argv, { cwd, env: { PATH: process.env.PATH, HOME: "", BUNDLE: bundle } });
  expect(readdirSync(cwd)).toEqual([]);
});
