// The door of the HTTP server: what is refused before any route sees it, the same for all of them. A port on loopback is
// no wall: every web page a person opens can send requests to it, and can make its own name resolve to 127.0.0.1. Who the
// caller is each route finds out for itself.

import { SignalboxError } from "../kernel/errors.ts";

/** Names under which people put secrets into query strings, where proxies, histories and logs keep them. */
const SECRET_PARAMETERS = new Set([
  "token",
  "access_token",
  "auth",
  "authorization",
  "bearer",
  "key",
  "api_key",
  "apikey",
  "secret",
  "password",
]);

/** A request as far as the door looks at it. */
export interface Visitor {
  method: string;
  /** The path with its query, or the whole URL. */
  url: string;
  header(name: string): string | null;
}

/** Why the request must not come in, as a status and an error; null when it may. `hosts` are the only names and ports
 *  this server answers to, as in a Host header. */
export function whyRefused(
  { method, url, header }: Visitor,
  hosts: ReadonlySet<string>,
): { status: 401 | 403; error: SignalboxError } | null {
  const host = header("host");
  if (host === null || !hosts.has(host.toLowerCase())) {
    return forbidden(
      "This server answers only under its own loopback address.",
      "Use the address that signalbox printed.",
    );
  }
  // A program that is no browser sends no Origin. "null" (sandboxed frames, files) is somebody we do not know.
  const origin = header("origin");
  if (origin !== null && !(origin.startsWith("http://") && hosts.has(origin.slice("http://".length).toLowerCase()))) {
    return forbidden("Requests of other web pages are refused.", "Use a program, not a web page.");
  }
  // Browsers leave Origin out of simple reads, but not this. Following a link is all right.
  const site = header("sec-fetch-site") ?? "none";
  const isLink = header("sec-fetch-mode") === "navigate" && method === "GET";
  if (site !== "none" && site !== "same-origin" && !isLink) {
    return forbidden("Requests of other web pages are refused.", "Use a program, not a web page.");
  }
  const query = url.indexOf("?");
  for (const name of query < 0 ? [] : new URLSearchParams(url.slice(query)).keys()) {
    if (!SECRET_PARAMETERS.has(name.toLowerCase())) continue;
    const message = "A token in the query string is refused, even a valid one.";
    const nextStep = "Send it in the Authorization header; revoke this one, for it may have been logged on its way.";
    return { status: 401, error: new SignalboxError("permission_denied", message, nextStep) };
  }
  return null;
}

/** Every way to write this server's loopback address in a Host header. */
export function loopbackHosts(host: string, port: number): Set<string> {
  const names = new Set(["127.0.0.1", "localhost", "[::1]", host.includes(":") ? `[${host}]` : host]);
  const written = new Set<string>();
  for (const name of names) {
    written.add(`${name}:${port}`);
    if (port === 80) written.add(name);
  }
  return written;
}

function forbidden(message: string, nextStep: string): { status: 403; error: SignalboxError } {
  return { status: 403, error: new SignalboxError("permission_denied", message, nextStep) };
}
