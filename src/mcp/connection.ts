// MCP over one connected stream, usually a socket that a bridge joined to its client's stdio. The SDK decides the protocol
// era from the first message; one server then serves the connection until it closes.

import type { Duplex } from "node:stream";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import type { Principal } from "../access/principal.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Log } from "../kernel/log.ts";
import { LineTransport } from "./line-transport.ts";
import type { McpServers } from "./server.ts";

export interface McpConnection {
  close(): Promise<void>;
}

/** Serves until either side ends the stream; running calls are then aborted. Never throws, whatever the client sends. */
export function serveMcpConnection(options: {
  stream: Duplex;
  servers: McpServers;
  principal: Principal;
  clock: Clock;
  log: Log;
}): McpConnection {
  const { stream, servers, principal, clock, log } = options;
  return serveStdio(() => servers.serverFor(principal), {
    transport: new LineTransport({ stream, clock, log }),
    onerror: (error) => log.debug("mcp_connection_error", { kind: error.name }),
  });
}
