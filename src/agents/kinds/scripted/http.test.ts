import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer as createRawServer, type Socket } from "node:net";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { systemClock } from "../../../kernel/clock.ts";
import { createHttpClient, parseAnswer } from "./http.ts";

const WAIT = 5_000;

describe("the small HTTP client", () => {
  it("posts JSON with its headers and keeps the connection for the next one", async () => {
    const ports = new Set<number | undefined>();
    const url = await serve(async (request, response) => {
      ports.add(request.socket.remotePort);
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ got: JSON.parse(Buffer.concat(parts).toString()), key: request.headers["x-key"] }));
    });
    const { post } = createHttpClient(systemClock);
    for (const body of [{ a: "ü" }, { b: 2 }]) {
      const answer = await post({ url, headers: { "X-Key": "k" }, body, timeoutMs: WAIT });
      expect(answer).toMatchObject({ status: 200, contentType: "application/json" });
      expect(JSON.parse(answer.body)).toEqual({ got: body, key: "k" });
    }
    expect(ports.size).toBe(1);
  });

  it("has a second connection while the first one is held open", async () => {
    let release = () => {};
    const url = await serve((request, response) => {
      if (request.url?.endsWith("held")) release = () => response.end("late");
      else response.end("soon");
    });
    const { post } = createHttpClient(systemClock);
    const held = post({ url: `${url}held`, headers: {}, body: {}, timeoutMs: null });
    const soon = await post({ url, headers: {}, body: {}, timeoutMs: WAIT });
    expect(soon.body).toBe("soon");
    release();
    expect((await held).body).toBe("late");
  });

  it("tries once more on a fresh connection when the kept one was closed under its hands", async () => {
    const sockets: Socket[] = [];
    let answers = 0;
    const server = createRawServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => {});
      socket.on("data", () => {
        if (sockets.length === 1 && answers > 0) return socket.resetAndDestroy();
        answers += 1;
        return socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const { post } = createHttpClient(systemClock);
    const send = () => post({ url, headers: {}, body: {}, timeoutMs: WAIT });
    expect((await send()).body).toBe("ok");
    expect((await send()).body).toBe("ok");
    expect(sockets).toHaveLength(2);
  });

  it("gives up when no answer comes in time, and at once when nobody listens", async () => {
    const url = await serve(() => {});
    const { post } = createHttpClient(systemClock);
    await expect(post({ url, headers: {}, body: {}, timeoutMs: 20 })).rejects.toThrow("no answer in time");
    const dead = "http://127.0.0.1:9/";
    await expect(post({ url: dead, headers: {}, body: {}, timeoutMs: WAIT })).rejects.toThrow("ECONNREFUSED");
  });
});

describe("an HTTP answer", () => {
  const shapes: [string, string][] = [
    ["with a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"],
    ["in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n"],
    ["after an interim one", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"],
  ];
  it.each(shapes)("%s is incomplete until its last byte", (_what, text) => {
    const bytes = Buffer.from(text);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), (cut) => {
        expect(parseAnswer(bytes.subarray(0, cut), false)).toBeNull();
      }),
    );
    expect(parseAnswer(bytes, false)).toMatchObject({ answer: { status: 200, body: "hello" }, keepAlive: true });
  });

  it("without a length ends with the connection", () => {
    const bytes = Buffer.from("HTTP/1.1 500 Oh\r\n\r\nbad");
    expect(parseAnswer(bytes, false)).toBeNull();
    expect(parseAnswer(bytes, true)).toMatchObject({ answer: { status: 500, body: "bad" }, keepAlive: false });
  });

  it("that is no HTTP is an error", () => {
    expect(() => parseAnswer(Buffer.from("SSH-2.0\r\n\r\n"), false)).toThrow("not HTTP");
  });
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}
