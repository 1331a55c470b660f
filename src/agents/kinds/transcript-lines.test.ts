import { expect, it } from "vitest";
import { transcriptLines } from "./transcript-lines.ts";

const WHOLE = { type: "user", message: { content: [{ type: "text", text: 'says {"type":"x"} and goes' }] } };
const NEXT = { parentUuid: null, type: "assistant", message: { content: [{ type: "text", text: "done" }] } };
const whole = JSON.stringify(WHOLE);
const next = JSON.stringify(NEXT);

it("reads every line of a file that is whole", () => {
  expect(transcriptLines(`${whole}\n${next}\n`)).toEqual([WHOLE, NEXT]);
});

it("reads the line that is glued to one a power cut tore, wherever it was torn", () => {
  for (let at = 0; at < whole.length; at++) {
    expect(transcriptLines(`${whole}\n${whole.slice(0, at)}${next}\n`), `torn at ${at}`).toEqual([WHOLE, NEXT]);
  }
});

it("reads what follows pages that were never written", () => {
  expect(transcriptLines(`${whole}\n${whole.slice(0, 9)}${"\0".repeat(40)}${next}\n${whole}`)).toEqual([
    WHOLE,
    NEXT,
    WHOLE,
  ]);
});

it("says nothing of a last line that is not there yet", () => {
  expect(transcriptLines(`${whole}\n${next.slice(0, -3)}`)).toEqual([WHOLE]);
});
