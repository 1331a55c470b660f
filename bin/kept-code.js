// Loads a CommonJS bundle together with what V8 made of it when the package was built: the code of every function that its
// start takes, which this process then need not compile. Where nothing was kept for this V8 the bundle is loaded as any other.
// The build makes the kept code with the same functions (scripts/keep-code.ts).

"use strict";

const fs = require("node:fs");
const { createRequire, enableCompileCache } = require("node:module");
const { homedir } = require("node:os");
const { dirname, isAbsolute, join } = require("node:path");
const { Script } = require("node:vm");

exports.load = load;
exports.compile = compile;
exports.keptFileOf = keptFileOf;

/** The exports of `file`, whose name holds a hash of its content, so that kept code never meets another source. */
function load(file) {
  const kept = keptFileOf(file);
  if (fs.existsSync(kept)) return compile(file, fs.readFileSync(kept)).run();
  // In the person's own cache directory, because code found in a shared one could be anybody's.
  // Where the environment names none (an empty HOME), nothing is kept: a relative path would lie wherever the person stands.
  const caches = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  if (isAbsolute(caches)) enableCompileCache(join(caches, "signalbox"));
  return require(file);
}

/** The version is part of the name: what another one kept is not even opened. (V8's own tag says more, but takes a module that
 *  loads for 4 ms.) */
function keptFileOf(file) {
  return `${file}.v8-${process.versions.v8}-${process.arch}.code`;
}

/** Ready to `run` once. Kept code that V8 does not accept after all, for its flags or its processor, is as good as none. */
function compile(file, kept) {
  const wrapped = `(function (exports, require, module, __filename, __dirname) {${fs.readFileSync(file, "utf8")}\n})`;
  const script = new Script(wrapped, { filename: file, cachedData: kept });
  const run = () => {
    const module = { exports: {} };
    script.runInThisContext()(module.exports, createRequire(file), module, file, dirname(file));
    return module.exports;
  };
  return { script, run };
}
