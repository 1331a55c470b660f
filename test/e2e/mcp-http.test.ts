// MCP over HTTP as a client meets it: the real server, the real door, the real handler, official clients of both SDK majors,
// and the attacks that other servers of this kind have fallen to.

import { Client as ModernClient, StreamableHTTPClientTransport as ModernHttp } from "@modelcontextprotocol/client";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OldHttp } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { CallToolResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Principal } from "../../src/access/principal.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import { silentLog } from "../../src/kernel/log.ts";
import { createMcpHttpHandler, type McpHttp } from "../../src/mcp/http.ts";
import { type HttpServer, listenHttp } from "../../src/web/http-server.ts";
import { createFakeCommands, type FakeCommands, observer, operator } from "../support/fake-commands.ts";

const HOLDERS: Record<string, Principal> = {
  "operators-token": { ...operator, actor: "token:1" },
  "observers-token": { ...observer, actor: "token:2" },
};

let commands: FakeCommands;
let mcp: McpHttp;
let server: HttpServer;

beforeEach(async () => {
  commands = createFakeCommands();
  mcp = createMcpHttpHandler({
    commands,
    clock: systemClock,
    log: silentLog,
    version: "1.2.3",
    mayCall: (who, command) => who.role !== "observer" || command.level === "LOW",
    authenticate: (token) => (Object.hasOwn(HOLDERS, token) ? (HOLDERS[token] ?? null) : null),
  });
  const hooks = async () => ({ is: "unknown_secret" }) as const;
  server = await listenHttp({ host: "127.0.0.1", port: 0, log: silentLog, hooks, mcp: mcp.fetch });
});
afterEach(async () => {
  await server.close();
  await mcp.close();
});

type AnyClient = Pick<ModernClient, "listTools" | "callTool" | "close">;

function bearer(token: string) {
  return { requestInit: { headers: { Authorization: `Bearer ${token}` } } };
}

async function modern(token: string, mode: "legacy" | { pin: string }): Promise<AnyClient> {
  const capabilities = { elicitation: { form: {} } };
  const client = new ModernClient({ name: "t", version: "0" }, { capabilities, versionNegotiation: { mode } });
  client.setRequestHandler("elicitation/create", async () => ({ action: "accept", content: { confirm: true } }));
  await client.connect(new ModernHttp(new URL(`${server.url}/mcp`), bearer(token)));
  return client;
}

async function old(token: string): Promise<AnyClient> {
  const client = new OldClient({ name: "t", version: "0" });
  await client.connect(new OldHttp(new URL(`${server.url}/mcp`), bearer(token)) as never);
  const callTool: AnyClient["callTool"] = (params: never, options: never) =>
    client.callTool(params, CallToolResultSchema, options) as never;
  return Object.assign(Object.create(client), { callTool }) as AnyClient;
}

const clients: [string, (token: string) => Promise<AnyClient>][] = [
  ["SDK 1", old],
  ["SDK 2, initialize", (token) => modern(token, "legacy")],
  ["SDK 2, 2026-07-28", (token) => modern(token, { pin: "2026-07-28" })],
];

describe.each(clients)("MCP over HTTP towards %s", (_name, connect) => {
  it("works, as the holder of the token", async () => {
    const client = await connect("observers-token");
    expect((await client.listTools()).tools.map((tool) => tool.name)).toEqual(["read_thing", "wait_for_thing"]);
    const result = await client.callTool({ name: "read_thing", arguments: { name: "lamp" } });
    expect(result.structuredContent).toEqual({ name: "lamp", length: 4 });
    expect(commands.ran).toEqual([{ actor: "token:2", name: "read_thing", input: { name: "lamp" } }]);
    await client.close();
  });

  it("answers wrong arguments with a tool result", async () => {
    const client = await connect("operators-token");
    await client.listTools();
    for (const input of [{}, { name: 7 }, "lamp", null, ["lamp"]]) {
      const result = await client.callTool({ name: "read_thing", arguments: input as never });
      expect(result).toMatchObject({ isError: true, structuredContent: { error: { code: "invalid_input" } } });
    }
    expect(commands.ran).toEqual([]);
    await client.close();
  });

  it("reports progress, and stops waiting when the client cancels", async () => {
    const client = await connect("operators-token");
    const abort = new AbortController();
    const call = new Promise<void>((heard) => {
      const how = { signal: abort.signal, onprogress: () => heard() };
      client.callTool({ name: "wait_for_thing", arguments: { announce: "queued" } }, how).catch(() => {});
    });
    await call;
    abort.abort();
    await client.close();
    await commands.aborted();
  });
});

it("asks the person over HTTP where the protocol can", async () => {
  const client = await modern("operators-token", { pin: "2026-07-28" });
  const result = await client.callTool({ name: "delete_thing", arguments: { name: "a" } });
  expect(result.structuredContent).toEqual({ deleted: true });
  await client.close();
});

describe("MCP over HTTP refuses", () => {
  const call = {
    jsonrpc: "2.0",
    id: 1,
    method: "tools/call",
    params: { name: "read_thing", arguments: { name: "a" } },
  };
  const headers = {
    authorization: "Bearer operators-token",
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
  };
  const attacks: [string, RequestInit & { path?: string }, number][] = [
    ["no token", { headers: { ...headers, authorization: "" } }, 401],
    ["a wrong token", { headers: { ...headers, authorization: "Bearer wrong" } }, 401],
    [
      "a token that is a property of every object",
      { headers: { ...headers, authorization: "Bearer constructor" } },
      401,
    ],
    [
      "a valid token in the query string",
      { path: "/mcp?token=operators-token", headers: { ...headers, authorization: "" } },
      401,
    ],
    ["a valid token in both places", { path: "/mcp?access_token=operators-token" }, 401],
    ["an evil origin", { headers: { ...headers, origin: "http://evil.example" } }, 403],
    ["a null origin", { headers: { ...headers, origin: "null" } }, 403],
    ["text/plain", { headers: { ...headers, "content-type": "text/plain" } }, 415],
    ["a form", { headers: { ...headers, "content-type": "application/x-www-form-urlencoded" } }, 415],
    ["a body over the limit", { body: JSON.stringify({ ...call, filler: "x".repeat(9 * 1024 * 1024) }) }, 413],
    ["half of a JSON text", { body: '{"jsonrpc":' }, 400],
    ["a revision that never was", { headers: { ...headers, "mcp-protocol-version": "1999-01-01" } }, 400],
    ["GET", { method: "GET", body: null }, 405],
    ["DELETE", { method: "DELETE", body: null }, 405],
    ["GET without a token", { method: "GET", body: null, headers: { accept: "text/event-stream" } }, 401],
    [
      "OPTIONS, as a browser asks before it posts",
      { method: "OPTIONS", body: null, headers: { origin: "http://evil.example" } },
      403,
    ],
  ];
  it.each(attacks)("%s, and does nothing", async (_what, { path = "/mcp", ...init }, status) => {
    const answer = await fetch(`${server.url}${path}`, {
      method: "POST",
      headers,
      body: JSON.stringify(call),
      ...init,
    });
    expect(answer.status).toBe(status);
    if (status === 401) expect(answer.headers.get("www-authenticate")).toContain("Bearer");
    expect(answer.headers.get("access-control-allow-origin")).toBeNull();
    expect(commands.ran).toEqual([]);
  });

  it("nothing of this when the same call is in order", async () => {
    const answer = await fetch(`${server.url}/mcp`, { method: "POST", headers, body: JSON.stringify(call) });
    expect(answer.status).toBe(200);
    expect(commands.ran).toHaveLength(1);
  });
});
