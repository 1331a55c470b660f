// Two ends of one real Unix socket, for tests that need a stream with half-close and backpressure as the daemon has it.

import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface SocketPair {
  client: Socket;
  server: Socket;
  close(): void;
}

export async function createSocketPair(): Promise<SocketPair> {
  const dir = mkdtempSync(join(tmpdir(), "sbx-pair-"));
  const listener = createServer({ allowHalfOpen: true });
  listener.listen(join(dir, "s"));
  await once(listener, "listening");
  const client = createConnection({ path: join(dir, "s"), allowHalfOpen: true });
  const [server] = (await once(listener, "connection")) as [Socket];
  listener.close();
  return {
    client,
    server,
    close() {
      client.destroy();
      server.destroy();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
