// Where each MCP client keeps the servers of one person, and what an entry looks like there. Facts about other people's
// programs and nothing else, so that a new client is one more line of the table.

import { posix, win32 } from "node:path";

export const CLIENTS = ["claude-desktop", "claude-code", "cursor", "vscode"] as const;
export type ClientName = (typeof CLIENTS)[number];

export interface Machine {
  platform: NodeJS.Platform;
  env: Readonly<Record<string, string | undefined>>;
  /** The person's home directory. */
  home: string;
}

export interface ClientConfig {
  /** What people call the client. */
  title: string;
  path: string;
  /** The key below which the servers are. */
  group: "mcpServers" | "servers";
  /** Whether an entry names its transport; the others take a `command` to mean stdio. */
  namesTransport: boolean;
}

export function clientConfig(client: ClientName, machine: Machine): ClientConfig {
  const { join } = machine.platform === "win32" ? win32 : posix;
  const { home, env } = machine;
  switch (client) {
    case "claude-desktop": {
      const path = join(applicationData(machine), "Claude", "claude_desktop_config.json");
      return { title: "Claude Desktop", path, group: "mcpServers", namesTransport: false };
    }
    case "claude-code": {
      const path = join(env.CLAUDE_CONFIG_DIR || home, ".claude.json");
      return { title: "Claude Code", path, group: "mcpServers", namesTransport: true };
    }
    case "cursor":
      return { title: "Cursor", path: join(home, ".cursor", "mcp.json"), group: "mcpServers", namesTransport: false };
    case "vscode": {
      const path = join(applicationData(machine), "Code", "User", "mcp.json");
      return { title: "VS Code", path, group: "servers", namesTransport: true };
    }
  }
}

/** Where desktop programs of this platform keep their settings; an Electron program's `appData`. */
function applicationData({ platform, env, home }: Machine): string {
  if (platform === "win32") return env.APPDATA || win32.join(home, "AppData", "Roaming");
  if (platform === "darwin") return posix.join(home, "Library", "Application Support");
  return env.XDG_CONFIG_HOME || posix.join(home, ".config");
}
