// Everything but the bridge. A file of its own because `import()` is syntax that an old Node cannot read.

"use strict";

var args = process.argv.slice(2);
var isQuestion = args.includes("--help") || args.includes("-h") || args.includes("--version");
var isDaemon = (args[0] === "daemon" || args[0] === "serve") && !isQuestion;

// Found here and now, so that a missing build is told by ./signalbox in one sentence.
if (isDaemon) require("../dist/daemon.cjs").main(args[0], args.slice(1)).then(endWith);
else import(require("url").pathToFileURL(require.resolve("../dist/main.js")).href);

function endWith(code) {
  process.exitCode = code;
}
