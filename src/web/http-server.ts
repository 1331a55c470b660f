// The daemon's HTTP server: one port on loopback, one door, a few routes that the daemon passes in. It knows time limits
// and connections; what a route does is none of its business.

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Hono } from "hono";
import { SignalboxError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import { loopbackHosts, whyRefused } from "./door.ts";
import { createFetchListener } from "./fetch-listener.ts";
import { answerHook, type HookHandler } from "./hooks.ts";

/** Honest clients on loopback send their headers in one piece; a client that drips them only holds a place. */
const HEADERS_WITHIN_MS = 5_000;

/** For the whole request to arrive; 8 MiB on loopback take well under a second. How long an answer takes has no limit. */
const REQUEST_WITHIN_MS = 30_000;

/** How often node looks for clients that are over their time. */
const LOOK_EVERY_MS = 1_000;

/** Longer than the pauses between an agent's hooks within a turn, so that they share a connection. */
const KEEP_ALIVE_MS = 60_000;

/** 16 agents with a held question, and their MCP connections are a tenth of it. */
const CONNECTIONS_MAX = 1_024;

export interface HttpEdge {
  /** Usually 127.0.0.1. */
  host: string;
  /** 0: any free port. */
  port: number;
  log: Log;
  hooks: HookHandler;
  mcp: (request: Request) => Promise<Response>;
}

export interface HttpServer {
  readonly port: number;
  /** Without a slash at its end. */
  readonly url: string;
  /** Takes no more requests and ends the running ones. */
  close(): Promise<void>;
}

/** Listens. Rejects with `conflict` when the port is taken, `permission_denied` when it may not be used. */
export async function listenHttp(edge: HttpEdge): Promise<HttpServer> {
  let hosts: ReadonlySet<string> = new Set();
  const app = createFetchListener(createApp(edge, () => hosts).fetch);
  const options = {
    headersTimeout: HEADERS_WITHIN_MS,
    requestTimeout: REQUEST_WITHIN_MS,
    connectionsCheckingInterval: LOOK_EVERY_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
  };
  const server = createServer(options, (request, response) => {
    if (isHook(request, hosts)) serveHook(edge, request, response);
    else app(request, response);
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.listen(edge.port, edge.host);
  try {
    await once(server, "listening");
  } catch (error) {
    throw cannotListen(edge, error as NodeJS.ErrnoException);
  }
  const { port } = server.address() as AddressInfo;
  hosts = loopbackHosts(edge.host, port);
  return {
    port,
    url: `http://${edge.host.includes(":") ? `[${edge.host}]` : edge.host}:${port}`,
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Hooks that may come in are taken here: there are two or more for each message, and building web requests and responses for
 *  them cost a tenth of the daemon's time under load (measured). All else, and whoever is refused at the door, is the app's. */
function isHook(request: IncomingMessage, hosts: ReadonlySet<string>): boolean {
  const { method = "", url = "" } = request;
  if (method !== "POST" || url.split("?")[0] !== "/hooks") return false;
  const header = (name: string) => request.headers[name]?.toString() ?? null;
  return whyRefused({ method, url, header }, hosts) === null;
}

function serveHook(edge: HttpEdge, request: IncomingMessage, response: ServerResponse): void {
  const gone = new AbortController();
  response.on("close", () => response.writableFinished || gone.abort());
  void answerHook(request, gone.signal, edge).then(({ status, body }) => {
    const text = JSON.stringify(body);
    const more = status === 401 ? CHALLENGE : request.complete ? {} : { Connection: "close" };
    response.writeHead(status, {
      "Content-Type": "application/json",
      "Content-Length": Buffer.byteLength(text),
      ...more,
    });
    response.end(text);
  });
}

const CHALLENGE = { "WWW-Authenticate": 'Bearer realm="signalbox"' };

function createApp(edge: HttpEdge, hosts: () => ReadonlySet<string>): Hono {
  const app = new Hono();
  app.use(async (context, next) => {
    const { method, url, headers } = context.req.raw;
    const refused = whyRefused({ method, url, header: (name) => headers.get(name) }, hosts());
    if (refused === null) return await next();
    edge.log.warn("http_refused_at_door", { status: refused.status });
    return refusal(refused.status, refused.error);
  });
  app.get("/healthz", () => Response.json({ ok: true }));
  app.all("/mcp", (context) => edge.mcp(context.req.raw));
  app.notFound(() => refusal(404, new SignalboxError("not_found", "There is nothing here.", "MCP is at /mcp.")));
  app.onError((thrown) => {
    edge.log.error("http_route_broke", { kind: thrown.name });
    return refusal(
      500,
      new SignalboxError("internal", "The request could not be answered.", "Look at the daemon's log."),
    );
  });
  return app;
}

function refusal(status: number, error: SignalboxError): Response {
  return Response.json({ error: error.toBody() }, { status, headers: status === 401 ? CHALLENGE : {} });
}

function cannotListen({ host, port }: HttpEdge, cause: NodeJS.ErrnoException): SignalboxError {
  if (cause.code === "EADDRINUSE") {
    const nextStep = "Choose another one with --port, or stop the program that uses it.";
    return new SignalboxError("conflict", `Port ${port} on ${host} is already in use.`, nextStep, { cause });
  }
  return new SignalboxError(
    "permission_denied",
    `Port ${port} on ${host} cannot be used (${cause.code}).`,
    "Choose another one with --port, or another address with --host.",
    { cause },
  );
}
