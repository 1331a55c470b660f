import { describe, expect, it } from "vitest";
import { runDirFor, socketPathFor, stateDirFor } from "./paths.ts";

describe("the state directory", () => {
  const cases: [string, Record<string, string>, NodeJS.Platform, string | undefined, string][] = [
    ["--state-dir wins over everything", { HOME: "/h", SIGNALBOX_HOME: "/s" }, "linux", "/o", "/o"],
    ["SIGNALBOX_HOME wins over the platform", { HOME: "/h", SIGNALBOX_HOME: "/s/" }, "darwin", undefined, "/s"],
    ["Linux keeps to XDG", { HOME: "/h", XDG_STATE_HOME: "/x" }, "linux", undefined, "/x/signalbox"],
    ["a relative XDG path is ignored", { HOME: "/h", XDG_STATE_HOME: "x" }, "linux", "", "/h/.local/state/signalbox"],
    ["Linux without XDG", { HOME: "/h" }, "linux", undefined, "/h/.local/state/signalbox"],
    ["macOS", { HOME: "/h" }, "darwin", undefined, "/h/Library/Application Support/signalbox"],
  ];
  it.each(cases)("%s", (_promise, env, platform, override, expected) => {
    expect(stateDirFor(env, platform, override)).toBe(expected);
  });

  it("is absolute even when named by a relative path", () => {
    expect(stateDirFor({}, "linux", "here")).toBe(`${process.cwd()}/here`);
  });
});

describe("the daemon's socket", () => {
  it("lies in the state directory when the path fits into a socket address", () => {
    expect(socketPathFor("/home/a/.local/state/signalbox")).toBe("/home/a/.local/state/signalbox/run/daemon.sock");
  });

  it("moves to a short directory of the user's own when it does not fit", () => {
    const deep = `/home/${"d".repeat(120)}`;
    expect(socketPathFor(deep).length).toBeLessThanOrEqual(100);
    expect(runDirFor(deep, 501)).toMatch(/^\/tmp\/signalbox-501-[0-9a-f]{16}$/);
    expect(runDirFor(deep, 501)).not.toBe(runDirFor(`${deep}x`, 501));
    expect(runDirFor(deep, 501)).not.toBe(runDirFor(deep, 502));
  });
});
