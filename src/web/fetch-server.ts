// A node:http server that answers with a fetch handler. What makes Request objects out of its requests is loaded with the first
// one: it takes a fifth of a daemon's start (measured), and a daemon without agents may never be asked.

import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from "node:http";

type Fetch = (request: Request) => Response | Promise<Response>;
type Listener = (incoming: IncomingMessage, outgoing: ServerResponse) => void;

/** Not listening yet. */
export function createFetchServer(fetch: Fetch, options: ServerOptions): Server {
  let listener: Promise<Listener> | null = null;
  return createServer(options, async (incoming, outgoing) => {
    listener ??= loadListener(fetch);
    const listen = await listener;
    // Whoever went away meanwhile has asked nothing: the listener would miss that they are gone.
    if (!outgoing.destroyed) listen(incoming, outgoing);
  });
}

async function loadListener(fetch: Fetch): Promise<Listener> {
  const { getRequestListener } = await import("@hono/node-server");
  return getRequestListener(fetch, { overrideGlobalObjects: false });
}
