// The promises of the MCP edge, kept towards the official clients of both SDK majors and both protocol eras over a real
// socket. The table of clients is data; what is promised is the same for each of them.

import { once } from "node:events";
import { Client as ModernClient } from "@modelcontextprotocol/client";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { CallToolResultSchema, ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import { afterEach, describe, expect, it } from "vitest";
import { createFakeCommands, type FakeCommands, observer, operator } from "../../test/support/fake-commands.ts";
import { createManualClock, type ManualClock } from "../../test/support/manual-clock.ts";
import { createSocketPair, type SocketPair } from "../../test/support/socket-pair.ts";
import { silentLog } from "../kernel/log.ts";
import { serveMcpConnection } from "./connection.ts";
import { MESSAGE_BYTES_MAX } from "./line-transport.ts";
import { SIGN_OF_LIFE_MS } from "./progress.ts";
import { createMcpServers } from "./server.ts";

interface House {
  pair: SocketPair;
  commands: FakeCommands;
  clock: ManualClock;
}

const houses: House[] = [];
afterEach(() => {
  for (const house of houses.splice(0)) house.pair.close();
});

async function open(principal = operator): Promise<House> {
  const house = { pair: await createSocketPair(), commands: createFakeCommands(), clock: createManualClock() };
  houses.push(house);
  const { commands, clock } = house;
  const mayCall = (who: typeof operator, command: { level: string }) =>
    who.role !== "observer" || command.level === "LOW";
  const servers = createMcpServers({ commands, clock, log: silentLog, version: "1.2.3", mayCall });
  serveMcpConnection({ stream: house.pair.server, servers, principal, clock, log: silentLog });
  return house;
}

/** Both majors share the shape of `Client` as far as it is used here. */
type AnyClient = Pick<ModernClient, "listTools" | "callTool" | "getInstructions" | "getServerVersion" | "close">;
type Elicit = () => { action: "accept" | "decline" | "cancel"; content?: Record<string, boolean> };

// The server side's line transport is symmetrical: it serves as a client's transport over a socket just as well.
const transportOver = (house: House) => new StdioServerTransport(house.pair.client, house.pair.client) as never;

async function modernClient(
  house: House,
  mode: "legacy" | "auto" | { pin: string },
  elicit?: Elicit,
): Promise<AnyClient> {
  const capabilities = elicit ? { elicitation: { form: {} } } : {};
  const client = new ModernClient({ name: "t", version: "0" }, { capabilities, versionNegotiation: { mode } });
  if (elicit) client.setRequestHandler("elicitation/create", async () => elicit());
  await client.connect(transportOver(house));
  return client;
}

async function oldClient(house: House, elicit?: Elicit): Promise<AnyClient> {
  const client = new OldClient({ name: "t", version: "0" }, { capabilities: elicit ? { elicitation: {} } : {} });
  if (elicit) client.setRequestHandler(ElicitRequestSchema, async () => elicit());
  await client.connect(transportOver(house));
  const callTool: AnyClient["callTool"] = (params: never, options: never) =>
    client.callTool(params, CallToolResultSchema, options) as never;
  return Object.assign(Object.create(client), { callTool }) as AnyClient;
}

const clients: [string, (house: House, elicit?: Elicit) => Promise<AnyClient>][] = [
  ["SDK 1, initialize", oldClient],
  ["SDK 2, initialize", (house, elicit) => modernClient(house, "legacy", elicit)],
  ["SDK 2, discover first", (house, elicit) => modernClient(house, "auto", elicit)],
  ["SDK 2, 2026-07-28 only", (house, elicit) => modernClient(house, { pin: "2026-07-28" }, elicit)],
];

describe.each(clients)("the MCP edge towards %s", (_name, connect) => {
  it("introduces itself and lists the tools of the command table", async () => {
    const client = await connect(await open());
    expect(client.getServerVersion()).toMatchObject({ name: "signalbox", version: "1.2.3" });
    expect(client.getInstructions()).toContain("create_agent");
    const { tools } = await client.listTools();
    expect(tools.map((tool) => tool.name)).toEqual(["read_thing", "wait_for_thing", "delete_thing"]);
    expect(tools[2]).toMatchObject({
      title: "Delete a thing",
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
      inputSchema: { type: "object", required: ["name"] },
      outputSchema: { type: "object", properties: { deleted: { type: "boolean" }, error: { type: "object" } } },
    });
  });

  it("lists to an observer what an observer may call", async () => {
    const client = await connect(await open(observer));
    const { tools } = await client.listTools();
    expect(tools.map((tool) => tool.name)).toEqual(["read_thing", "wait_for_thing"]);
  });

  it("answers with structured content and the same as text", async () => {
    const client = await connect(await open());
    await client.listTools();
    const result = await client.callTool({ name: "read_thing", arguments: { name: "lamp" } });
    expect(result.structuredContent).toEqual({ name: "lamp", length: 4 });
    expect(JSON.parse((result.content as { text: string }[])[0]?.text ?? "")).toEqual(result.structuredContent);
    expect(result.isError).toBeFalsy();
  });

  const wrongCalls: [string, { name: string; arguments?: never }, string][] = [
    ["a missing argument", { name: "read_thing", arguments: {} as never }, "invalid_input"],
    ["no arguments at all", { name: "read_thing" }, "invalid_input"],
    ["an argument of the wrong type", { name: "read_thing", arguments: { name: 7 } as never }, "invalid_input"],
    ["an unknown argument", { name: "read_thing", arguments: { name: "a", colour: "red" } as never }, "invalid_input"],
    ["arguments that are a text", { name: "read_thing", arguments: "lamp" as never }, "invalid_input"],
    ["arguments that are a list", { name: "read_thing", arguments: ["lamp"] as never }, "invalid_input"],
    ["an unknown tool", { name: "no_such_tool", arguments: {} as never }, "invalid_input"],
    ["a command that is no tool", { name: "rotate_thing", arguments: {} as never }, "invalid_input"],
    [
      "a body that is too long",
      { name: "read_thing", arguments: { name: "x".repeat(2_000_000) } as never },
      "invalid_input",
    ],
    ["a refusal of the command", { name: "delete_thing", arguments: { name: "a" } as never }, "confirmation_required"],
  ];
  it.each(wrongCalls)("answers %s with a tool result that explains the error", async (_what, call, code) => {
    const house = await open();
    const client = await connect(house);
    await client.listTools(); // from here on the client checks results against the output schemas
    const result = await client.callTool(call);
    expect(result.isError).toBe(true);
    const { error } = result.structuredContent as { error: Record<string, unknown> };
    expect(error).toEqual({ code, message: expect.any(String), retryable: false, next_step: expect.any(String) });
    expect(JSON.parse((result.content as { text: string }[])[0]?.text ?? "")).toEqual({ error });
    expect(house.commands.ran.filter((ran) => ran.name !== "delete_thing")).toEqual([]);
  });

  it("gives __proto__ no power", async () => {
    const house = await open();
    const client = await connect(house);
    const input = JSON.parse('{"name":"a","__proto__":{"force":true}}');
    const result = await client.callTool({ name: "delete_thing", arguments: input });
    expect(result).toMatchObject({ isError: true });
    expect(({} as { force?: boolean }).force).toBeUndefined();
  });

  it("reports progress while a call waits, and a sign of life when the command is silent", async () => {
    const house = await open();
    const client = await connect(house);
    const heard: { progress: number; message?: string | undefined }[] = [];
    const hearers: (() => void)[] = [];
    const onprogress = (progress: { progress: number; message?: string | undefined }) => {
      heard.push({ progress: progress.progress, message: progress.message });
      for (const tell of hearers.splice(0)) tell();
    };
    const heardAtLeast = async (count: number) => {
      while (heard.length < count) await new Promise<void>((tell) => hearers.push(tell));
    };
    const call = client.callTool({ name: "wait_for_thing", arguments: { announce: "queued" } }, { onprogress });
    await heardAtLeast(1);
    house.clock.advance(SIGN_OF_LIFE_MS);
    await heardAtLeast(2);
    house.clock.advance(SIGN_OF_LIFE_MS);
    await heardAtLeast(3);
    expect(heard).toEqual([
      { progress: 1, message: "queued" },
      { progress: 2, message: "queued" },
      { progress: 3, message: "queued" },
    ]);
    await house.commands.happen();
    expect((await call).structuredContent).toEqual({ happened: true });
  });

  it("stops waiting when the client cancels", async () => {
    const house = await open();
    const client = await connect(house);
    const abort = new AbortController();
    const call = client.callTool({ name: "wait_for_thing", arguments: {} }, { signal: abort.signal });
    call.catch(() => {});
    await house.commands.waiting();
    abort.abort();
    await house.commands.aborted();
    await expect(call).rejects.toThrow();
    expect((await client.callTool({ name: "read_thing", arguments: { name: "on" } })).structuredContent).toBeDefined();
  });

  it("stops waiting when the connection is gone", async () => {
    const house = await open();
    const client = await connect(house);
    client.callTool({ name: "wait_for_thing", arguments: {} }).catch(() => {});
    await house.commands.waiting();
    house.pair.client.destroy();
    await once(house.pair.server, "end");
    house.clock.advance(60_000); // the time for last answers
    await house.commands.aborted();
  });

  it("asks the person before work is lost, and goes on when they agree", async () => {
    const house = await open();
    const client = await connect(house, () => ({ action: "accept", content: { confirm: true } }));
    const result = await client.callTool({ name: "delete_thing", arguments: { name: "a" } });
    expect(result.structuredContent).toEqual({ deleted: true });
    expect(house.commands.ran.map((ran) => ran.input)).toEqual([{ name: "a" }, { name: "a", force: true }]);
  });

  const refusals: [string, Elicit][] = [
    ["declines", () => ({ action: "decline" })],
    ["closes the question", () => ({ action: "cancel" })],
    ["does not tick the box", () => ({ action: "accept", content: { confirm: false } })],
  ];
  it.each(refusals)("leaves everything as it is when the person %s", async (_how, elicit) => {
    const house = await open();
    const client = await connect(house, elicit);
    const result = await client.callTool({ name: "delete_thing", arguments: { name: "a" } });
    expect(result).toMatchObject({ isError: true, structuredContent: { error: { code: "confirmation_required" } } });
    expect(house.commands.ran.map((ran) => ran.input)).toEqual([{ name: "a" }]);
  });
});

describe("a connection that misbehaves", () => {
  const initialize = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "0" } };
  const line = (message: object) => `${JSON.stringify(message)}\n`;
  const hello = line({ jsonrpc: "2.0", id: 1, method: "initialize", params: initialize });
  const call = (id: number | string, input: object) =>
    line({ jsonrpc: "2.0", id, method: "tools/call", params: { name: "read_thing", arguments: input } });

  /** Everything the server writes, parsed, as it comes. */
  function answersOf({ client }: SocketPair) {
    const seen: Record<string, unknown>[] = [];
    const hearers: (() => void)[] = [];
    let rest = "";
    client.on("data", (chunk: Buffer) => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      seen.push(...lines.map((text) => JSON.parse(text)));
      for (const tell of hearers.splice(0)) tell();
    });
    return async (count: number) => {
      while (seen.length < count) await new Promise<void>((tell) => hearers.push(tell));
      return seen;
    };
  }

  const junk: [string, string | Buffer, object][] = [
    ["half of a JSON text", '{"jsonrpc":"2.0","id":5,\n', { id: null, error: { code: -32700 } }],
    ["binary junk", Buffer.from([0xff, 0xfe, 0x00, 0x80, 0x0a]), { id: null, error: { code: -32700 } }],
    ["a JSON text that is no message", '{"id":5,"hello":1}\n', { id: 5, error: { code: -32600 } }],
    ["a batch", "[]\n", { id: null, error: { code: -32600 } }],
    ["a number", "17\n", { id: null, error: { code: -32600 } }],
    ["deep nesting", `${"[".repeat(100_000)}\n`, { id: null, error: { code: -32700 } }],
  ];
  it.each(junk)("is answered and lives on after %s", async (_what, bytes, expected) => {
    const { pair } = await open();
    const answers = answersOf(pair);
    pair.client.write(bytes);
    pair.client.write(hello);
    const seen = await answers(2);
    expect(seen[0]).toMatchObject(expected);
    expect(seen[1]).toMatchObject({ id: 1, result: { protocolVersion: "2025-11-25" } });
  });

  it("hears from the command itself when 12 MiB of text are within the protocol's bound", async () => {
    const { pair } = await open();
    const answers = answersOf(pair);
    pair.client.write(hello + call(2, { name: "x".repeat(12 * 1024 * 1024) }) + call(3, { name: "lamp" }));
    const seen = await answers(3);
    expect(seen.find(({ id }) => id === 2)).toMatchObject({
      result: { isError: true, structuredContent: { error: { code: "invalid_input" } } },
    });
    expect(seen.find(({ id }) => id === 3)).toMatchObject({ result: { structuredContent: { length: 4 } } });
  });

  const writers: [string, (id: number, filler: string) => string][] = [
    ["first", (id, filler) => line({ jsonrpc: "2.0", id, method: "tools/call", params: { filler } })],
    [
      "last",
      (id, filler) =>
        line({ method: "tools/call", params: { id: 99, filler, nested: { id: 98 } }, jsonrpc: "2.0", id }),
    ],
  ];
  it.each(writers)(
    "has an oversized message refused under its own id, written %s, and is read on",
    async (_where, write) => {
      const { pair } = await open();
      const answers = answersOf(pair);
      pair.client.write(hello);
      pair.client.write(write(42, "x".repeat(MESSAGE_BYTES_MAX)));
      pair.client.write(call(3, { name: "lamp" }));
      const seen = await answers(3);
      expect(seen.find(({ id }) => id === 42)).toMatchObject({ error: { code: -32600 } });
      expect(seen.find(({ id }) => id === 3)).toMatchObject({ result: { structuredContent: { length: 4 } } });
    },
  );

  it("holds no more than one message of the allowed length", async () => {
    const { pair } = await open();
    const answers = answersOf(pair);
    const before = process.memoryUsage.rss();
    const megabyte = Buffer.alloc(1024 * 1024, "x");
    for (let sent = 0; sent < 200; sent++) {
      if (!pair.client.write(megabyte)) await once(pair.client, "drain");
    }
    pair.client.write("\n");
    expect((await answers(1))[0]).toMatchObject({ id: null, error: { code: -32600 } });
    expect(process.memoryUsage.rss() - before).toBeLessThan(120 * 1024 * 1024);
  });

  it("is dropped when it asks and asks and never reads", async () => {
    const { pair } = await open();
    pair.client.on("error", () => {});
    const closed = once(pair.server, "close");
    pair.client.write(hello);
    const longRefusal = { [`colour${"x".repeat(1024 * 1024)}`]: 1 }; // its name comes back in the error, twice
    for (let id = 2; id < 60 && !pair.server.destroyed; id++) {
      if (!pair.client.write(call(id, longRefusal))) await Promise.race([once(pair.client, "drain"), closed]);
    }
    await closed;
  });

  it("still gets its answers when it closes its side right after asking", async () => {
    const { pair } = await open();
    const answers = answersOf(pair);
    pair.client.end(hello + call(2, { name: "lamp" }));
    expect((await answers(2)).map(({ id }) => id)).toEqual([1, 2]);
    await once(pair.client, "end");
  });
});
