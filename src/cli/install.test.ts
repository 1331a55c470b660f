import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CLIENTS, clientConfig } from "./client-configs.ts";
import { type InstallRequest, install, ownVariables, previewInstall } from "./install.ts";

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "signalbox-install-"));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

function request(change: Partial<InstallRequest> = {}): InstallRequest {
  return {
    client: "cursor",
    machine: { platform: "linux", env: {}, home },
    program: ["/usr/bin/node", "/opt/signalbox/bin/signalbox"],
    options: [],
    variables: {},
    ...change,
  };
}

const cursorFile = () => join(home, ".cursor", "mcp.json");
function writeConfig(text: string | Buffer, mode = 0o644): void {
  mkdirSync(dirname(cursorFile()), { recursive: true });
  writeFileSync(cursorFile(), text, { mode });
  chmodSync(cursorFile(), mode);
}

describe("the place of each client's configuration", () => {
  const linux = { platform: "linux", env: {}, home: "/home/ada" } as const;
  const mac = { platform: "darwin", env: {}, home: "/Users/ada" } as const;
  const windows = {
    platform: "win32",
    env: { APPDATA: "C:\\Users\\ada\\AppData\\Roaming" },
    home: "C:\\Users\\ada",
  } as const;
  test.each([
    ["claude-desktop", linux, "/home/ada/.config/Claude/claude_desktop_config.json"],
    ["claude-desktop", mac, "/Users/ada/Library/Application Support/Claude/claude_desktop_config.json"],
    ["claude-desktop", windows, "C:\\Users\\ada\\AppData\\Roaming\\Claude\\claude_desktop_config.json"],
    ["claude-code", linux, "/home/ada/.claude.json"],
    ["claude-code", { ...linux, env: { CLAUDE_CONFIG_DIR: "/home/ada/c" } }, "/home/ada/c/.claude.json"],
    ["claude-code", windows, "C:\\Users\\ada\\.claude.json"],
    ["cursor", mac, "/Users/ada/.cursor/mcp.json"],
    ["vscode", linux, "/home/ada/.config/Code/User/mcp.json"],
    ["vscode", { ...linux, env: { XDG_CONFIG_HOME: "/home/ada/etc" } }, "/home/ada/etc/Code/User/mcp.json"],
    ["vscode", mac, "/Users/ada/Library/Application Support/Code/User/mcp.json"],
    ["vscode", { ...windows, env: {} }, "C:\\Users\\ada\\AppData\\Roaming\\Code\\User\\mcp.json"],
  ] as const)("%s on %o", (client, machine, path) => {
    expect(clientConfig(client, machine).path).toBe(path);
  });
});

describe("the entry", () => {
  test.each(CLIENTS)("%s gets it under its own key, in a new file readable by its owner only", (client) => {
    const wanted = request({ client, options: ["--role", "observer"] });
    const result = install(wanted);
    expect(result).toMatchObject({ client, outcome: "added", backup: null });
    const { path, content } = previewInstall(wanted);
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual(content);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const server = {
      command: "/usr/bin/node",
      args: ["/opt/signalbox/bin/signalbox", "mcp", "--role", "observer"],
    };
    const isNamed = client === "vscode" || client === "claude-code";
    const group = client === "vscode" ? "servers" : "mcpServers";
    expect(content).toEqual({ [group]: { signalbox: isNamed ? { type: "stdio", ...server } : server } });
  });

  test("has signalbox's own variables of this shell, paths absolute, beside what the person put there", () => {
    const set = { SIGNALBOX_HOME: "state", SIGNALBOX_KEY_FILE: "/k", SIGNALBOX_CLAUDE: "claude-next", PATH: "/bin" };
    const variables = ownVariables(set, "/here");
    expect(variables).toEqual({
      SIGNALBOX_HOME: "/here/state",
      SIGNALBOX_KEY_FILE: "/k",
      SIGNALBOX_CLAUDE: "claude-next",
    });
    expect(ownVariables({ SIGNALBOX_HOME: "", SIGNALBOX_CLAUDE: "bin/claude" }, "/here")).toEqual({
      SIGNALBOX_CLAUDE: "/here/bin/claude",
    });
    writeConfig('{"mcpServers": {"signalbox": {"command": "x", "env": {"MINE": "1", "SIGNALBOX_KEY_FILE": "/old"}}}}');
    install(request({ variables }));
    const { env } = JSON.parse(readFileSync(cursorFile(), "utf8")).mcpServers.signalbox;
    expect(env).toEqual({ MINE: "1", ...variables });
    expect(install(request({ variables }))).toMatchObject({ outcome: "already_there" });
  });

  test("comes with a private backup of what was there, and the file keeps its mode", () => {
    writeConfig('{\n  // mine\n  "mcpServers": {}\n}\n', 0o640);
    const before = readFileSync(cursorFile());
    const result = install(request());
    expect(result.backup).toBe(`${cursorFile()}.signalbox-backup-1`);
    expect(readFileSync(result.backup ?? "")).toEqual(before);
    expect(statSync(result.backup ?? "").mode & 0o777).toBe(0o600);
    expect(statSync(cursorFile()).mode & 0o777).toBe(0o640);
    expect(readFileSync(cursorFile(), "utf8")).toContain("// mine");
  });

  test("asked for twice changes nothing the second time; asked for otherwise keeps both backups", () => {
    writeConfig("{}");
    install(request());
    const once = readFileSync(cursorFile());
    const inode = statSync(cursorFile()).ino;
    expect(install(request())).toMatchObject({ outcome: "already_there", backup: null });
    expect(readFileSync(cursorFile())).toEqual(once);
    expect(statSync(cursorFile()).ino).toBe(inode);
    expect(install(request({ options: ["--security-level", "HIGH"] }))).toMatchObject({
      outcome: "updated",
      backup: `${cursorFile()}.signalbox-backup-2`,
    });
    expect(readdirSync(dirname(cursorFile())).sort()).toEqual([
      "mcp.json",
      "mcp.json.signalbox-backup-1",
      "mcp.json.signalbox-backup-2",
    ]);
  });

  test("reaches the file behind a symbolic link, and the link stays one", () => {
    mkdirSync(join(home, ".cursor"));
    symlinkSync("../dotfiles/cursor.json", cursorFile());
    install(request());
    expect(lstatSync(cursorFile()).isSymbolicLink()).toBe(true);
    expect(JSON.parse(readFileSync(join(home, "dotfiles", "cursor.json"), "utf8"))).toHaveProperty(
      "mcpServers.signalbox",
    );
  });
});

describe("nothing is touched", () => {
  test.each([
    ["malformed JSON", Buffer.from('{\n  "a": 1,,\n}'), "line 2, column 10"],
    ["bytes that are no UTF-8", Buffer.from([0x7b, 0xff, 0x7d]), "it is not UTF-8"],
    ["a group that is no object", Buffer.from('{"mcpServers": 3}'), "line 1, column 16"],
  ])("%s", (_, bytes, words) => {
    writeConfig(bytes);
    expect(() => install(request())).toThrow(
      expect.objectContaining({ code: "invalid_input", message: expect.stringContaining(words) }),
    );
    expect(readFileSync(cursorFile())).toEqual(bytes);
    expect(readdirSync(dirname(cursorFile()))).toEqual(["mcp.json"]);
  });

  test("a circle of links", () => {
    mkdirSync(join(home, ".cursor"));
    symlinkSync("mcp.json", cursorFile());
    expect(() => install(request())).toThrow(expect.objectContaining({ code: "invalid_input" }));
  });

  test("a directory where the file should be", () => {
    mkdirSync(cursorFile(), { recursive: true });
    expect(() => install(request())).toThrow(expect.objectContaining({ code: "storage_error" }));
    expect(existsSync(`${cursorFile()}.signalbox-backup-1`)).toBe(false);
  });
});
