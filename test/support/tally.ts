// The end of a test run in lines that a person or a script can take at their word: every test that was left out, with its
// reason, every one that failed, and how many passed, failed and were skipped.

import type { Reporter, TestCase, TestModule } from "vitest/node";

export default class Tally implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const count = (state: string) => tests.filter((test) => test.result().state === state).length;
    for (const test of tests)
      if (test.result().state === "skipped") console.log(`skipped: ${test.fullName}: ${reasonOf(test)}`);
    // Once more at the very end, where a person who sees only the last lines of a long log finds them.
    for (const test of tests)
      if (test.result().state === "failed") console.log(`failed: ${test.module.relativeModuleId}: ${test.fullName}`);
    for (const module of modules)
      if (module.errors().length > 0) console.log(`failed: ${module.relativeModuleId}: the file could not be run`);
    // A file that could not be loaded has no tests that could fail, yet nothing of it passed.
    const broken = modules.filter((module) => module.errors().length > 0).length + errors.length;
    console.log(`Tests: ${count("passed")} passed, ${count("failed") + broken} failed, ${count("skipped")} skipped`);
  }
}

function reasonOf(test: TestCase): string {
  const result = test.result();
  return (result.state === "skipped" && result.note) || "no reason given";
}
