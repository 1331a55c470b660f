// A fetch handler as a listener of node:http. What makes Request objects out of requests is loaded with the first one: it takes a
// fifth of a daemon's start (measured), and a daemon without HTTP clients may never be asked.

import type { IncomingMessage, ServerResponse } from "node:http";

type Fetch = (request: Request) => Response | Promise<Response>;
type Listener = (incoming: IncomingMessage, outgoing: ServerResponse) => void;

export function createFetchListener(fetch: Fetch): Listener {
  let listener: Promise<Listener> | null = null;
  return async (incoming, outgoing) => {
    listener ??= loadListener(fetch);
    const listen = await listener;
    // Whoever went away meanwhile has asked nothing: the listener would miss that they are gone.
    if (!outgoing.destroyed) listen(incoming, outgoing);
  };
}

async function loadListener(fetch: Fetch): Promise<Listener> {
  const { getRequestListener } = await import("@hono/node-server");
  return getRequestListener(fetch, { overrideGlobalObjects: false });
}
