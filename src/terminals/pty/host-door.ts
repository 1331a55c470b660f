// One connection at a host's socket: a daemon with its requests, or, after `attach`, a viewer with its keys. A viewer that
// is slow, in reading or because the program does not read, costs itself and nobody else.

import type { Socket } from "node:net";
import { asSignalboxError } from "../../kernel/errors.ts";
import { createViewerInputFilter } from "../viewer-input.ts";
import { createFrameReader, encodeFrame } from "./frames.ts";
import type { HostedTerminal, ViewerSeat } from "./hosted-terminal.ts";
import type { HostEvent, Reply, Request, Requests, ViewerMessage } from "./protocol.ts";

export interface Connection {
  /** A viewer hears of its terminal only. */
  isViewer: boolean;
  send(message: Reply | HostEvent): void;
}

export interface HostDoorNeeds {
  hello: HostEvent;
  obey(request: Exclude<Request, { do: "attach" }>): Promise<unknown>;
  find(ref: string): HostedTerminal;
  joined(connection: Connection): void;
  left(connection: Connection): void;
}

/** A viewer with more than this on its way gets a repaint when it has caught up. A dozen full redraws. */
const VIEWER_BEHIND_BYTES = 256 * 1024;
/** Keys of one viewer waiting for a program that does not read; then the viewer's socket is not read either. */
const VIEWER_KEYS_WAITING_BYTES = 64 * 1024;

export function serveConnection(socket: Socket, { hello, obey, find, joined, left }: HostDoorNeeds): void {
  const connection: Connection = {
    isViewer: false,
    send: (message) => void (socket.writable && socket.write(encodeFrame(message))),
  };
  const reader = createFrameReader();
  let seat: ViewerSeat | null = null;
  const filter = createViewerInputFilter();
  let waitingKeys = 0;
  let isBehind = false;

  joined(connection);
  socket.on("error", () => {}); // a daemon killed in mid-sentence; "close" follows
  socket.on("close", () => {
    seat?.leave();
    left(connection);
  });
  socket.on("data", (chunk) => {
    try {
      for (const message of reader.push(chunk)) take(message as Request | ViewerMessage);
    } catch {
      socket.destroy(); // not our protocol; nothing that follows can be understood
    }
  });
  socket.on("drain", () => {
    if (isBehind) seat?.catchUp();
    isBehind = false;
  });
  connection.send(hello);

  function take(message: Request | ViewerMessage): void {
    if (message.do === "keys") keys(Buffer.from(message.data, "base64"));
    else if (message.do === "viewer_size") seat?.resize(message.size);
    else {
      const { id } = message;
      const answer = message.do === "attach" ? attach(message) : obey(message);
      answer.then(
        (ok) => connection.send({ id, ok }),
        (error) => connection.send({ id, error: asSignalboxError(error).toBody() }),
      );
    }
  }

  async function attach({ ref, size }: Requests["attach"]["ask"]): Promise<null> {
    const terminal = find(ref);
    connection.isViewer = true;
    seat = terminal.attach(
      {
        output(data) {
          connection.send({ event: "output", data: Buffer.from(data).toString("base64") });
          if (socket.writableLength <= VIEWER_BEHIND_BYTES) return;
          isBehind = true;
          seat?.skip();
        },
        exited(exit) {
          connection.send({ event: "exit", ref, exit });
          socket.end();
        },
      },
      size,
    );
    return null;
  }

  function keys(bytes: Buffer): void {
    const input = filter.push(bytes);
    waitingKeys += input.bytes.length;
    if (waitingKeys > VIEWER_KEYS_WAITING_BYTES) socket.pause();
    void seat?.keys(input).then(() => {
      waitingKeys -= input.bytes.length;
      if (waitingKeys <= VIEWER_KEYS_WAITING_BYTES) socket.resume();
    });
  }
}
