// The promises of the HTTP server, over real connections: what the door refuses, hooks, time limits.

import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silentLog } from "../kernel/log.ts";
import type { HookCall, HookOutcome } from "./hooks.ts";
import { type HttpServer, listenHttp } from "./http-server.ts";

let server: HttpServer;
let calls: HookCall[];
let answerHook: (call: HookCall) => Promise<HookOutcome>;
let mcpRequests: Request[];

beforeEach(async () => {
  calls = [];
  mcpRequests = [];
  answerHook = async (call) =>
    call.secret === "good" ? { is: "answered", body: { heard: call.payload } } : { is: "unknown_secret" };
  server = await listenHttp({
    host: "127.0.0.1",
    port: 0,
    log: silentLog,
    hooks: (call) => {
      calls.push(call);
      return answerHook(call);
    },
    mcp: async (request) => {
      mcpRequests.push(request);
      return new Response("mcp");
    },
  });
});
afterEach(() => server.close());

interface Sent {
  method?: string;
  path?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
}

/** fetch() would not let a test lie about Host and Origin. */
async function send({ method = "POST", path = "/hooks", headers = {}, body = "{}" }: Sent) {
  const json = { authorization: "Bearer good", "content-type": "application/json" };
  const sent = httpRequest({ host: "127.0.0.1", port: server.port, method, path, headers: { ...json, ...headers } });
  sent.end(body);
  sent.on("error", () => {}); // a refused body is cut off behind its answer; before the answer, once() rejects
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  let text = "";
  for await (const chunk of answer) text += chunk;
  return { status: answer.statusCode, headers: answer.headers, text };
}

describe("the door, for every route alike,", () => {
  const refused: [string, Sent, number][] = [
    ["another web page", { headers: { origin: "http://evil.example" } }, 403],
    ["a page on another port of this machine", { headers: { origin: "http://127.0.0.1:1" } }, 403],
    ["a secure page of the same name", { headers: { origin: "https://127.0.0.1:PORT" } }, 403],
    ["a sandboxed frame or a file", { headers: { origin: "null" } }, 403],
    ["a browser extension", { headers: { origin: "chrome-extension://abcdef" } }, 403],
    ["an origin with something before the name", { headers: { origin: "http://127.0.0.1:PORT.evil.example" } }, 403],
    ["a name that resolves to this machine", { headers: { host: "evil.example:PORT" } }, 403],
    ["our address without its port", { headers: { host: "127.0.0.1" } }, 403],
    ["a host with a user in front", { headers: { host: "127.0.0.1:PORT@evil.example" } }, 400],
    ["the address of all interfaces", { headers: { host: "0.0.0.0:PORT" } }, 403],
    [
      "a cross-site read without Origin",
      { headers: { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" } },
      403,
    ],
    ["a cross-site form", { headers: { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" } }, 403],
    ["a valid token in the query string", { path: "PATH?token=good" }, 401],
    ["a token under another name", { path: "PATH?a=1&Access_Token=good" }, 401],
  ];
  describe.each([["/hooks"], ["/mcp"], ["/healthz"], ["/nothing"]])("refuses at %s", (route) => {
    it.each(refused)("%s", async (_who, sent, status) => {
      const fill = (text: string) => text.replace("PORT", String(server.port)).replace("PATH", route);
      const headers = Object.fromEntries(
        Object.entries(sent.headers ?? {}).map(([name, value]) => [name, fill(value)]),
      );
      const answer = await send({ path: fill(sent.path ?? route), headers });
      expect(answer.status).toBe(status);
      expect([...calls, ...mcpRequests]).toEqual([]);
    });
  });

  it.each([["127.0.0.1"], ["localhost"], ["[::1]"]])("lets in who calls it %s, and its own pages", async (name) => {
    const host = `${name}:${server.port}`;
    expect((await send({ headers: { host } })).status).toBe(200);
    expect((await send({ headers: { host, origin: `http://${host}` } })).status).toBe(200);
  });

  const aliases = ["/sse", "/messages", "/mcp/", "/MCP", "/hooks/", "//hooks", "/api/v0", "/..%2fhooks"];
  it.each(aliases.map((path) => [path]))("has nothing behind %s", async (path) => {
    expect((await send({ path })).status).toBe(404);
    expect([...calls, ...mcpRequests]).toEqual([]);
  });

  it("answers a health check and nothing more", async () => {
    expect(await send({ method: "GET", path: "/healthz", body: "" })).toMatchObject({
      status: 200,
      text: '{"ok":true}',
    });
  });

  it("does not upgrade", async () => {
    const headers = {
      connection: "upgrade",
      upgrade: "websocket",
      "sec-websocket-key": "x",
      "sec-websocket-version": "13",
    };
    expect((await send({ method: "GET", path: "/terminal", headers, body: "" })).status).toBe(404);
  });
});

describe("the hooks endpoint", () => {
  it("hands over secret, source and payload, and gives back the answer", async () => {
    const answer = await send({ headers: { "x-signalbox-source": "helper" }, body: '{"a":1}' });
    expect(answer).toMatchObject({ status: 200, text: '{"heard":{"a":1}}' });
    expect(calls[0]).toMatchObject({ secret: "good", source: "helper", payload: { a: 1 } });
    expect((await send({})).status).toBe(200);
    expect(calls[1]?.source).toBeNull();
  });

  const refused: [string, Sent, number][] = [
    ["a wrong secret", { headers: { authorization: "Bearer bad" } }, 401],
    ["no secret", { headers: { authorization: "" } }, 401],
    ["another scheme", { headers: { authorization: "Basic Z29vZA==" } }, 401],
    ["a form, as any page can send it", { headers: { "content-type": "application/x-www-form-urlencoded" } }, 415],
    ["plain text, as any page can send it", { headers: { "content-type": "text/plain" } }, 415],
    ["half of a JSON text", { body: '{"a":' }, 400],
    ["an empty body", { body: "" }, 400],
    ["a body over the limit", { body: Buffer.alloc(8 * 1024 * 1024 + 1, 0x20) }, 413],
    ["GET", { method: "GET", body: "" }, 404],
    ["a method in a header", { method: "GET", body: "", headers: { "x-http-method-override": "POST" } }, 404],
  ];
  it.each(refused)("refuses %s", async (_what, sent, status) => {
    const answer = await send(sent);
    expect(answer.status).toBe(status);
    if (status === 401) expect(answer.headers["www-authenticate"]).toContain("Bearer");
    expect(calls.every((call) => call.secret === "bad")).toBe(true);
  });

  it("takes a body of eight megabytes", async () => {
    const filler = "x".repeat(8 * 1024 * 1024 - 2);
    expect((await send({ body: JSON.stringify(filler) })).status).toBe(200);
  });

  it("refuses a chunked body at the limit, without waiting for its end", async () => {
    const socket = connect(server.port, "127.0.0.1");
    const head = ["POST /hooks HTTP/1.1", `Host: 127.0.0.1:${server.port}`, "Authorization: Bearer good"];
    socket.write([...head, "Content-Type: application/json", "Transfer-Encoding: chunked", "", ""].join("\r\n"));
    const megabyte = Buffer.alloc(1024 * 1024, 0x20);
    const chunk = Buffer.concat([Buffer.from("100000\r\n"), megabyte, Buffer.from("\r\n")]);
    socket.on("error", () => {});
    for (let sent = 0; sent < 9; sent++) socket.write(chunk);
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(String(answer)).toMatch(/^HTTP\/1\.1 413 /);
    socket.destroy();
  });

  it("says so when its handler breaks, without the details", async () => {
    answerHook = async () => {
      throw new Error("secret detail");
    };
    const answer = await send({});
    expect(answer.status).toBe(500);
  });

  it("holds an answer for as long as the agent waits, and notices when it stops", async () => {
    let arrived = () => {};
    const here = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    answerHook = (call) => {
      arrived();
      return new Promise((resolve) =>
        call.signal.addEventListener("abort", () => resolve({ is: "answered", body: {} })),
      );
    };
    const held = httpRequest({
      host: "127.0.0.1",
      port: server.port,
      method: "POST",
      path: "/hooks",
      headers: { authorization: "Bearer good", "content-type": "application/json" },
    });
    held.on("error", () => {});
    held.end("{}");
    await here;
    const aborted = once(calls[0]?.signal as AbortSignal, "abort");
    held.destroy();
    await aborted;
  });
});

describe("the server", () => {
  it("says in one sentence that a port is taken", async () => {
    const edge = {
      host: "127.0.0.1",
      port: server.port,
      log: silentLog,
      hooks: answerHook,
      mcp: async () => new Response(),
    };
    await expect(listenHttp(edge)).rejects.toMatchObject({
      code: "conflict",
      message: `Port ${server.port} on 127.0.0.1 is already in use.`,
    });
  });

  it("listens on loopback only", async () => {
    const { networkInterfaces } = await import("node:os");
    const others = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    const outside = others.find((address) => !address.internal && address.family === "IPv4");
    if (outside === undefined) return;
    const socket = connect(server.port, outside.address);
    const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException];
    expect(error.code).toBe("ECONNREFUSED");
  });

  it("cuts off a client that drips its headers, while a held hook lives on", { timeout: 30_000 }, async () => {
    let answerHeld = (_outcome: HookOutcome) => {};
    answerHook = () =>
      new Promise((resolve) => {
        answerHeld = resolve;
      });
    const held = send({});
    const slow = connect(server.port, "127.0.0.1");
    slow.write("POST /hooks HTTP/1.1\r\nHost: x\r\n");
    slow.on("error", () => {});
    const drip = setInterval(() => slow.write("X-A: b\r\n"), 500);
    slow.on("data", () => {});
    await once(slow, "close");
    clearInterval(drip);
    answerHeld({ is: "answered", body: { late: true } });
    expect(await held).toMatchObject({ status: 200, text: '{"late":true}' });
  });
});
