// JSON posts over plain HTTP/1.1 with connections kept open. Written on bare sockets because Node's own client costs an
// idle agent about 14 MB of memory and twice the start-up time, and all it has to talk to is a server on loopback.

import { connect, type Socket } from "node:net";
import type { Clock } from "../../../kernel/clock.ts";

export interface HttpAnswer {
  status: number;
  contentType: string;
  body: string;
}

export interface HttpClient {
  /** Resolves with any complete answer, whatever its status. Rejects when there is none in time. `timeoutMs: null`
   *  waits as long as the connection stands. */
  post(request: {
    url: string;
    headers: Readonly<Record<string, string>>;
    body: unknown;
    timeoutMs: number | null;
  }): Promise<HttpAnswer>;
}

/** Idle connections kept per client: a held-open permission request and the hook beside it, twice over. */
const IDLE_MAX = 4;
/** An answer is a decision or a tool's result; something larger is not for us. */
const ANSWER_BYTES_MAX = 8 * 1024 * 1024;

export function createHttpClient(clock: Clock): HttpClient {
  const idle = new Map<string, Socket[]>();

  function takeIdle(authority: string): Socket | null {
    return idle.get(authority)?.pop() ?? null;
  }

  function keep(authority: string, socket: Socket): void {
    const sockets = idle.get(authority) ?? [];
    if (sockets.length >= IDLE_MAX) {
      socket.destroy();
      return;
    }
    idle.set(authority, [...sockets, socket]);
    const forget = () => {
      idle.set(
        authority,
        (idle.get(authority) ?? []).filter((one) => one !== socket),
      );
    };
    socket.once("close", forget);
    socket.once("error", forget);
  }

  const post: HttpClient["post"] = async ({ url, headers, body, timeoutMs }) => {
    const { protocol, hostname, port, pathname, search, host } = new URL(url);
    if (protocol !== "http:") throw new Error(`only http is spoken here, not ${protocol}`);
    const payload = Buffer.from(JSON.stringify(body));
    const head = [
      `POST ${pathname}${search} HTTP/1.1`,
      `Host: ${host}`,
      "Content-Type: application/json",
      `Content-Length: ${payload.length}`,
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ].join("\r\n");
    const message = Buffer.concat([Buffer.from(`${head}\r\n\r\n`), payload]);
    const open = () => connect({ host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 80), noDelay: true });
    const done = (socket: Socket) => keep(host, socket);

    const old = takeIdle(host);
    if (old !== null) {
      // A server may close an idle connection just as we use it. Nothing was answered then, so one fresh try is due.
      try {
        return await exchange(old, message, timeoutMs, clock, done);
      } catch (error) {
        if (!(error instanceof ClosedUnanswered)) throw error;
      }
    }
    return await exchange(open(), message, timeoutMs, clock, done);
  };

  return { post };
}

class ClosedUnanswered extends Error {}

function exchange(
  socket: Socket,
  message: Buffer,
  timeoutMs: number | null,
  clock: Clock,
  done: (socket: Socket) => void,
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const timer = timeoutMs === null ? null : clock.after(timeoutMs, () => fail(new Error("no answer in time")));

    function settle(): void {
      timer?.cancel();
      socket.removeAllListeners();
    }
    function fail(error: Error): void {
      settle();
      socket.on("error", () => {}); // Whatever it still has to say, nobody waits for it.
      socket.destroy();
      reject(error);
    }
    function look(ended: boolean): void {
      let read: ParsedAnswer | null;
      try {
        read = parseAnswer(received, ended);
      } catch (error) {
        return fail(error instanceof Error ? error : new Error(String(error)));
      }
      if (read !== null) {
        settle();
        if (read.keepAlive && !ended) done(socket);
        else socket.destroy();
        resolve(read.answer);
      } else if (ended) {
        fail(received.length === 0 ? new ClosedUnanswered("connection closed") : new Error("answer was cut off"));
      }
    }

    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length > ANSWER_BYTES_MAX) fail(new Error("answer is too long"));
      else look(false);
    });
    socket.on("end", () => look(true));
    socket.on("close", () => look(true));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      const unanswered = received.length === 0 && (error.code === "ECONNRESET" || error.code === "EPIPE");
      fail(unanswered ? new ClosedUnanswered(error.message) : error);
    });
    socket.write(message);
  });
}

interface ParsedAnswer {
  answer: HttpAnswer;
  keepAlive: boolean;
}

/** The answer in `bytes`, or null while it is incomplete. Throws when it is no HTTP. */
export function parseAnswer(bytes: Buffer, ended: boolean): ParsedAnswer | null {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd < 0) return null;
  const [statusLine = "", ...headerLines] = bytes.toString("latin1", 0, headEnd).split("\r\n");
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(statusLine)?.[1] ?? Number.NaN);
  if (Number.isNaN(status)) throw new Error("answer is not HTTP");
  const headers = new Map<string, string>();
  for (const line of headerLines) {
    const colon = line.indexOf(":");
    headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  const rest = bytes.subarray(headEnd + 4);
  if (status >= 100 && status < 200) return parseAnswer(rest, ended);

  const length = headers.get("content-length");
  let body: Buffer | null;
  let untilClose = false;
  if (status === 204 || status === 304) body = Buffer.alloc(0);
  else if (headers.get("transfer-encoding")?.toLowerCase() === "chunked") body = joinChunks(rest);
  else if (length !== undefined) body = rest.length >= Number(length) ? rest.subarray(0, Number(length)) : null;
  else {
    untilClose = true;
    body = ended ? rest : null;
  }
  if (body === null) return null;
  return {
    answer: { status, contentType: headers.get("content-type") ?? "", body: body.toString("utf8") },
    keepAlive: !untilClose && headers.get("connection")?.toLowerCase() !== "close",
  };
}

function joinChunks(bytes: Buffer): Buffer | null {
  const parts: Buffer[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd < 0) return null;
    const size = Number.parseInt(bytes.toString("latin1", at, lineEnd), 16);
    if (Number.isNaN(size)) throw new Error("chunked answer is broken");
    const start = lineEnd + 2;
    if (size === 0) return bytes.indexOf("\r\n", start) < 0 ? null : Buffer.concat(parts);
    if (bytes.length < start + size + 2) return null;
    parts.push(bytes.subarray(start, start + size));
    at = start + size + 2;
  }
}
