// The helper as the program that it is: a process with stdin and stdout, and a daemon that is there, silent or away.

import { spawn } from "node:child_process";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";

const HELPER = join(import.meta.dirname, "hook-helper.ts");
const STATUS = JSON.stringify({
  session_name: "Agent_1",
  model: { display_name: "Opus" },
  context_window: { used_percentage: 12.4 },
  cost: { total_cost_usd: 0.034 },
});

let server: Server | null = null;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = null;
});

async function listen(handler: RequestListener): Promise<string> {
  const opened = createServer(handler);
  server = opened;
  await new Promise<void>((resolve) => opened.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(opened.address() as AddressInfo).port}/hooks`;
}

function runHelper(
  url: string | undefined,
  stdin: string,
  ...args: string[]
): Promise<{ code: number | null; out: string }> {
  const env = { ...(url === undefined ? {} : { SIGNALBOX_HOOKS_URL: url }), SIGNALBOX_HOOK_SECRET: "s3cret" };
  const child = spawn(process.execPath, [HELPER, ...args], { env, stdio: ["pipe", "pipe", "inherit"] });
  let out = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString("utf8");
  });
  child.stdin.on("error", () => undefined);
  child.stdin.end(stdin);
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, out })));
}

describe("the hook helper", () => {
  it("posts what it reads, with the secret, and prints the answer", async () => {
    const posted: { headers: IncomingMessage["headers"]; body: string }[] = [];
    const url = await listen((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => {
        body += chunk.toString("utf8");
      });
      request.on("end", () => {
        posted.push({ headers: request.headers, body });
        response.end('{"ok":true}');
      });
    });
    expect(await runHelper(url, '{"hook_event_name":"SessionStart","cwd":"/größe"}')).toEqual({
      code: 0,
      out: '{"ok":true}',
    });
    expect(await runHelper(url, STATUS, "status-line")).toEqual({ code: 0, out: "Agent_1 · Opus · 12 % · $0.03" });
    expect(posted.map(({ body }) => JSON.parse(body).cwd)).toEqual(["/größe", undefined]);
    expect(posted.map(({ headers }) => headers.authorization)).toEqual(["Bearer s3cret", "Bearer s3cret"]);
    expect(posted.map(({ headers }) => headers["x-signalbox-source"])).toEqual([undefined, "status-line"]);
  });

  it.each([
    ["is away", async () => "http://127.0.0.1:9/hooks"],
    ["does not answer", () => listen(() => undefined)],
    ["refuses", () => listen((_request, response) => response.writeHead(401).end("who?"))],
    ["was never named", async () => undefined],
    ["has no real address", async () => "not a url"],
  ])("is silent and ends well when the daemon %s", async (_how, open) => {
    expect(await runHelper(await open(), "{}")).toEqual({ code: 0, out: "" });
  });

  it("shows the status line without a daemon, and none for what it cannot read", async () => {
    expect(await runHelper("http://127.0.0.1:9/hooks", STATUS, "status-line")).toMatchObject({
      code: 0,
      out: expect.stringContaining("Agent_1"),
    });
    expect(await runHelper("http://127.0.0.1:9/hooks", "{", "status-line")).toEqual({ code: 0, out: "" });
  });
});
