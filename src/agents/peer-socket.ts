// Writing one line to the socket at which a program takes messages of other agents. Nothing is read: the program answers by its
// hooks.

import { createConnection } from "node:net";

/** A local socket takes a megabyte in milliseconds; a program that does not read for this long is not going to. */
const WRITE_WITHIN_MS = 5_000;

/** Resolves when the line has been handed to the kernel and the connection closed; rejects when nobody listens. */
export function writeToPeerSocket(path: string, line: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path });
    socket.setTimeout(WRITE_WITHIN_MS, () => socket.destroy(new Error("the peer socket does not take the message")));
    socket.on("error", reject);
    socket.on("connect", () => socket.end(line));
    socket.on("close", (hadError) => {
      if (!hadError) resolve();
    });
    socket.resume();
  });
}
