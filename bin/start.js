// Everything but the bridge. A file of its own because `import()` is syntax that an old Node cannot read.

"use strict";

// Found here and now, so that a missing build is told by ./signalbox in one sentence.
import(require("url").pathToFileURL(require.resolve("../dist/main.js")).href);
