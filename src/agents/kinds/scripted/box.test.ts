import { describe, expect, it } from "vitest";
import { type Box, createBox, unwrapPasted } from "./box.ts";

const box = () => createBox("5ff6");

describe("the input box", () => {
  it("gives the draft away on Enter, without trailing blanks", () => {
    const it = box();
    it.type("hello \n ");
    expect(it.enter()).toBe("hello");
    expect(it.draft()).toBe("");
  });

  it("submits nothing when nothing stands in it", () => {
    const it = box();
    it.type("  ");
    expect(it.enter()).toBeNull();
  });

  it("folds a long paste in the box and marks it in the prompt", () => {
    const it = box();
    const long = "line\n".repeat(4).trim();
    it.type("look: ");
    it.paste(long);
    expect(it.draft()).toBe("look: [Pasted text #1 +3 lines]");
    expect(it.enter()).toBe(`look: \n\n<pasted_content id="5ff6">\n${long}\n</pasted_content id="5ff6">`);
  });

  it("gives the author's words back out of a marked prompt", () => {
    const it = box();
    const long = "x".repeat(801);
    it.paste(long);
    expect(unwrapPasted(it.enter() ?? "")).toBe(long);
    expect(unwrapPasted("plain")).toBe("plain");
  });

  it("strips control characters from a paste, widens tabs and joins line ends", () => {
    const it = box();
    it.paste("a\tb\r\nc\x07\x1b[Ad");
    expect(it.draft()).toBe("a    b\nc[Ad");
  });

  it("loses the Enter after a paste with invisible characters", () => {
    const it = box();
    it.paste("a\u202eb");
    expect(it.notice()).toContain("Removed 1 invisible");
    expect(it.enter()).toBeNull();
    expect(it.enter()).toBe("ab");
  });

  it("breaks the line on backslash and Enter", () => {
    const it = box();
    it.type("a\\");
    expect(it.enter()).toBeNull();
    expect(it.draft()).toBe("a\n");
  });

  it("clears one line at a time", () => {
    const it = box();
    it.type("one\ntwo");
    const seen = [1, 2, 3].map(() => {
      it.clearLine();
      return it.draft();
    });
    expect(seen).toEqual(["one\n", "one", ""]);
  });

  it("puts a draft aside and brings it back once", () => {
    const it = box();
    it.type("mine");
    it.stash();
    expect([it.draft(), it.isStashed()]).toEqual(["", true]);
    it.restoreStash();
    expect([it.draft(), it.isStashed()]).toEqual(["mine", false]);
  });

  it("never writes a stashed draft over what was typed since", () => {
    const it = stashed("mine");
    it.type("new");
    it.restoreStash();
    expect(it.draft()).toBe("new");
    expect(it.isStashed()).toBe(true);
  });

  it("glues a prompt that was put back to what was typed meanwhile", () => {
    const it = box();
    it.type("later");
    it.putBack("first ");
    expect(it.draft()).toBe("first later");
  });
});

function stashed(text: string): Box {
  const it = box();
  it.type(text);
  it.stash();
  return it;
}
