// Reads exactly one line from a socket and leaves everything behind it unread, so that the socket can change hands after
// its preface. Used at both ends; knows nothing of what the line says.

import type { Socket } from "node:net";

const NEWLINE = 0x0a;

/** Calls back once with the first line, or null when it is longer than `bytesMax`; never when the socket closes before.
 *  The socket is paused then, with what came behind the line put back. */
export function readFirstLine(socket: Socket, bytesMax: number, then: (line: string | null) => void): void {
  let seen = Buffer.alloc(0);
  const onData = (chunk: Buffer) => {
    seen = Buffer.concat([seen, chunk]);
    const end = seen.indexOf(NEWLINE);
    if (end === -1 && seen.length <= bytesMax) return;
    socket.off("data", onData);
    socket.pause();
    if (end === -1 || end > bytesMax) return then(null);
    if (end + 1 < seen.length) socket.unshift(seen.subarray(end + 1));
    then(seen.toString("utf8", 0, end));
  };
  socket.on("data", onData);
}
