// Where the demonstration happens: a temporary directory with a codebase, a state directory and a key, the way to signalbox
// through its public doors (an MCP client and the command line), and the clearing away of all of it.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

/** Short, because sockets have short names; the shell's own TMPDIR may be long. */
export function makeDirectory() {
  return realpathSync(mkdtempSync("/tmp/signalbox-demo-"));
}

/** What is just ending may still be writing its last lines. */
export function removeDirectory(dir) {
  rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

/** A git repository with something in it to work on. */
export function makeCodebase(dir, env) {
  const path = join(dir, "shop");
  mkdirSync(join(path, "build"), { recursive: true });
  writeFileSync(join(path, "README.md"), "# shop\n");
  writeFileSync(join(path, "build", "old.js"), "// old\n");
  const git = (...words) => execFileSync("git", words, { cwd: path, env, stdio: "ignore" });
  try {
    git("init", "--quiet");
    git("add", ".");
    git("-c", "user.name=demo", "-c", "user.email=demo@localhost", "commit", "--quiet", "-m", "A shop");
  } catch {
    // Without git it is a directory, which is all that a session needs.
  }
  return path;
}

/** `env` is all that signalbox and its agents see. */
export function openStage({ root, dir, env: own }) {
  const { PATH, SHELL, LANG, TERM } = process.env;
  const env = {
    PATH,
    ...(SHELL ? { SHELL } : {}),
    LANG: LANG ?? "C.UTF-8",
    TERM: TERM ?? "xterm-256color",
    ...own,
    SIGNALBOX_HOME: join(dir, "state"),
    SIGNALBOX_KEY_FILE: join(dir, "key"), // this machine's keychain is left alone
  };
  const signalbox = join(root, "bin", "signalbox");
  const run = (words, stdio) =>
    spawnSync(process.execPath, [signalbox, ...words], { cwd: dir, env, stdio, encoding: "utf8" });

  return {
    env,
    /** A client as editors and desktops have it; starts a daemon when none runs. */
    async connect() {
      const client = new Client({ name: "signalbox-demo", version: "1" });
      const transport = new StdioClientTransport({
        command: process.execPath,
        args: [signalbox, "mcp"],
        env,
        cwd: dir,
      });
      await client.connect(transport);
      await client.listTools();
      return {
        /** The structured answer. Rejects with what the tool said went wrong. */
        async call(name, input = {}) {
          const { isError, structuredContent } = await client.callTool({ name, arguments: input });
          if (!isError) return structuredContent;
          const { code, message, next_step } = structuredContent.error;
          throw new Error(`${name}: ${code}: ${message} ${next_step}`);
        },
        tools: async () => (await client.listTools()).tools,
        close: () => client.close(),
      };
    },
    /** Prints as a person would see it. */
    show: (...words) => run(words, "inherit"),
    /** Ends agents, terminals and daemon through the command line, which works however things stand. */
    clear() {
      const { stdout, status } = run(["status", "--json"], "pipe");
      const sessions = status === 0 ? JSON.parse(stdout).sessions : [];
      for (const { session_id } of sessions) run(["session", "delete", session_id, "--force"], "ignore");
      run(["stop"], "ignore");
    },
  };
}
