// MCP over HTTP, one request at a time, for holders of a token. Host, Origin and query strings are judged before a request
// comes here, in web/door.ts, for this and every other route; never mount this without that door.

import { createMcpHandler } from "@modelcontextprotocol/server";
import type { Principal } from "../access/principal.ts";
import { createMcpServers, type McpEdge } from "./server.ts";

/** A body of 1 MiB may be six times that when every byte is escaped. */
const BODY_BYTES_MAX = 8 * 1024 * 1024;

export interface McpHttpEdge extends McpEdge {
  /** Who holds this token; null when nobody does (unknown, expired, revoked). */
  authenticate(bearer: string): Principal | null | Promise<Principal | null>;
}

export interface McpHttp {
  fetch(request: Request): Promise<Response>;
  /** Aborts what is running. */
  close(): Promise<void>;
}

export function createMcpHttpHandler(edge: McpHttpEdge): McpHttp {
  const servers = createMcpServers(edge);
  const handler = createMcpHandler(({ authInfo }) => servers.serverFor(authInfo?.extra?.principal as Principal), {
    maxRequestBodySize: BODY_BYTES_MAX,
    onerror: (error) => edge.log.debug("mcp_http_error", { kind: error.name }),
  });
  return {
    async fetch(request) {
      const bearer = /^Bearer ([\x21-\x7e]+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
      if (bearer === undefined) return unauthorized("A bearer token is needed.", "");
      const principal = await edge.authenticate(bearer);
      if (principal === null) return unauthorized("This token is not valid (any more).", ', error="invalid_token"');
      // The SDK hands `extra` to the factory untouched. The token itself stops here.
      return handler.fetch(request, {
        authInfo: { token: "", clientId: principal.actor, scopes: [], extra: { principal } },
      });
    },
    close: () => handler.close(),
  };
}

function unauthorized(message: string, detail: string): Response {
  return Response.json(
    { jsonrpc: "2.0", error: { code: -32001, message }, id: null },
    { status: 401, headers: { "WWW-Authenticate": `Bearer realm="signalbox"${detail}` } },
  );
}
