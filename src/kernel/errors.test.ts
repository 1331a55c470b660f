import { expect, test } from "vitest";
import { asSignalboxError, inSentences } from "./errors.ts";

test("what went wrong and the next step are two sentences, whoever wrote the first", () => {
  const both = (message: string) => inSentences({ message, nextStep: "Wait." });
  expect(both("It is gone.")).toBe("It is gone. Wait.");
  expect(both("Unknown command 'x'. (Did you mean y?)")).toBe("Unknown command 'x'. (Did you mean y?) Wait.");
  expect(both("EISDIR: illegal operation, open '/x'")).toBe("EISDIR: illegal operation, open '/x'. Wait.");
  expect(inSentences(asSignalboxError(new Error("boom")))).toContain("boom. Nothing was lost");
});
