// One connection of the daemon to a terminal host: requests with their answers, and the host's events. It opens, it breaks,
// it is never mended; who wants to go on opens another. What a broken connection means is decided in host-client.ts.

import { connect, type Socket } from "node:net";
import type { Clock } from "../../kernel/clock.ts";
import { SignalboxError } from "../../kernel/errors.ts";
import { createFrameReader, encodeFrame } from "./frames.ts";
import {
  type HostEvent,
  PROTOCOL,
  type Reply,
  type RequestName,
  type Requests,
  type ViewerMessage,
} from "./protocol.ts";

export interface HostConnection {
  /** Which host answers: a new one under the same name has another. */
  readonly instance: string;
  readonly hostPid: number;
  ask<Name extends RequestName>(name: Name, ask: Requests[Name]["ask"]): Promise<Requests[Name]["answer"]>;
  tell(message: ViewerMessage): void;
  /** Back-pressure: while not reading, the host notices that this end is slow. */
  setReading(reading: boolean): void;
  close(): void;
}

export interface ConnectionEvents {
  event(event: HostEvent): void;
  closed(): void;
}

export type ConnectOutcome =
  | { is: "connected"; connection: HostConnection }
  /** Nobody listens: the host is certainly not there. */
  | { is: "absent" }
  | { is: "cannot_tell"; why: string };

/** A local host greets in a millisecond; one that does not is stopped or starved. */
const HELLO_PATIENCE_MS = 5_000;
/** Longer than the host itself waits for a program that does not read (10 s). */
const ANSWER_PATIENCE_MS = 15_000;

/** No listener behind the name: the file is missing, or was left by a host that was killed. */
const ABSENT_CODES = new Set(["ENOENT", "ECONNREFUSED", "ENOTDIR", "ENOTSOCK"]);

export function connectToHost(path: string, clock: Clock, events: ConnectionEvents): Promise<ConnectOutcome> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const patience = clock.after(HELLO_PATIENCE_MS, () => fail("the host does not greet"));
    const reader = createFrameReader();
    const pending = createPending(clock);
    let isGreeted = false;

    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (isGreeted) return; // "close" follows
      patience.cancel();
      resolve(ABSENT_CODES.has(error.code ?? "") ? { is: "absent" } : { is: "cannot_tell", why: error.message });
    });
    socket.on("close", () => {
      patience.cancel();
      if (!isGreeted) return resolve({ is: "absent" }); // it was on its way out and never took us in
      pending.failAll();
      events.closed();
    });
    socket.on("data", (chunk) => {
      try {
        for (const message of reader.push(chunk)) take(message as HostEvent | Reply);
      } catch {
        fail("the host does not speak this protocol");
      }
    });

    function take(message: HostEvent | Reply): void {
      if ("id" in message) pending.settle(message);
      else if (message.event !== "hello") events.event(message);
      else if (message.protocol !== PROTOCOL) fail(`the host speaks protocol ${message.protocol}, not ${PROTOCOL}`);
      else {
        isGreeted = true;
        patience.cancel();
        resolve({ is: "connected", connection: opened(socket, message) });
      }
    }

    function fail(why: string): void {
      if (!isGreeted) resolve({ is: "cannot_tell", why });
      socket.destroy();
    }

    function opened(open: Socket, hello: Extract<HostEvent, { event: "hello" }>): HostConnection {
      return {
        instance: hello.instance,
        hostPid: hello.pid,
        ask(name, ask) {
          if (open.destroyed) return Promise.reject(unanswered());
          return pending.add((id) => open.write(encodeFrame({ id, do: name, ...ask })));
        },
        tell: (message) => void (open.writable && open.write(encodeFrame(message))),
        setReading: (reading) => void (reading ? open.resume() : open.pause()),
        close: () => open.destroy(),
      };
    }
  });
}

interface Pending {
  add<Answer>(send: (id: number) => void): Promise<Answer>;
  settle(reply: Reply): void;
  failAll(): void;
}

function createPending(clock: Clock): Pending {
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let lastId = 0;
  return {
    add(send) {
      const id = ++lastId;
      return new Promise((resolve, reject) => {
        const timer = clock.after(ANSWER_PATIENCE_MS, () => finish(id)?.reject(unanswered()));
        waiting.set(id, {
          resolve: (value) => {
            timer.cancel();
            resolve(value as never);
          },
          reject: (error) => {
            timer.cancel();
            reject(error);
          },
        });
        send(id);
      });
    },
    settle(reply) {
      const asker = finish(reply.id);
      if ("ok" in reply) asker?.resolve(reply.ok);
      else asker?.reject(fromBody(reply.error));
    },
    failAll() {
      for (const id of [...waiting.keys()]) finish(id)?.reject(unanswered());
    },
  };

  function finish(id: number) {
    const asker = waiting.get(id);
    waiting.delete(id);
    return asker;
  }
}

function unanswered(): SignalboxError {
  return new SignalboxError(
    "terminal_unavailable",
    "The terminal host does not answer.",
    "Look at the session's status; its agents are resumed when the host has died.",
  );
}

function fromBody({
  code,
  message,
  next_step,
  retryable,
}: Extract<Reply, { error: unknown }>["error"]): SignalboxError {
  return new SignalboxError(code, message, next_step, { retryable });
}
