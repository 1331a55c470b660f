// `signalbox attach`: a person's own terminal becomes a window on an agent's, until Ctrl-] or the agent's end. However it
// ends, the person's terminal is left as a shell expects it.

import { parseFailure, readFrames, writeFrame } from "../local/attach-frames.ts";
import { errorFromBody, type LocalConnection } from "../local/client.ts";
import type { Io } from "./world.ts";

/** Ctrl-], as telnet and nc use it: no full-screen program we drive gives it a meaning. */
const DETACH_KEY = 0x1d;

/** A page of its own, so that the person's scrollback stays theirs. */
const ENTER = "\u001b[?1049h\u001b[H\u001b[2J";

/** Takes back what a full-screen program may have asked for: mouse (1000-1006), focus (1004) and paste (2004) reports,
 *  kitty and xterm key encodings, application keypad, no wrapping, a hidden cursor, colours; then the page itself. */
const LEAVE =
  "\u001b[?1000;1002;1003;1004;1005;1006;2004l\u001b[<u\u001b[>4;0m\u001b[?1l\u001b>\u001b[?7h\u001b[?25h\u001b[0m\u001b[?1049l";

/** Signals that would end us with the terminal still raw. */
const ENDING_SIGNALS = ["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT"] as const;

export type AttachEnd =
  | { is: "detached" }
  | { is: "exited"; exit: { exitCode: number | null; signal: string | null } | null }
  | { is: "disconnected" };

export function sizeOf(stdout: Io["stdout"]): { cols: number; rows: number } {
  return { cols: stdout.columns || 80, rows: stdout.rows || 24 };
}

/** Joins the terminal to an admitted connection. Both stdin and stdout are a TTY. Rejects with the daemon's error when the
 *  agent's terminal cannot be joined; the person's terminal is restored in every case. */
export async function attachTerminal({ socket }: LocalConnection, io: Io): Promise<AttachEnd> {
  const { stdin, stdout } = io;
  const undo: (() => void)[] = [];
  const listen = (emitter: NodeJS.EventEmitter, event: string, hear: (...args: never[]) => void) => {
    emitter.on(event, hear as (...args: unknown[]) => void);
    undo.push(() => emitter.off(event, hear as (...args: unknown[]) => void));
  };
  try {
    return await new Promise<AttachEnd>((resolve, reject) => {
      stdin.setRawMode?.(true);
      stdout.write(ENTER);
      undo.push(() => stdin.setRawMode?.(false));
      listen(stdout, "resize", () => void writeFrame(socket, "resize", JSON.stringify(sizeOf(stdout))));
      listen(stdin, "data", (chunk: Buffer) => {
        const keys = Buffer.from(chunk);
        const at = keys.indexOf(DETACH_KEY);
        if (at !== 0) writeFrame(socket, "input", at === -1 ? keys : keys.subarray(0, at));
        if (at !== -1) resolve({ is: "detached" });
      });
      listen(stdin, "end", () => resolve({ is: "detached" }));
      for (const signal of ENDING_SIGNALS) listen(process, signal, () => resolve({ is: "detached" }));
      socket.on("error", () => {}); // "close" follows
      socket.on("close", () => resolve({ is: "disconnected" }));
      socket.on("end", () => resolve({ is: "disconnected" }));
      readFrames(
        socket,
        (kind, payload) => {
          if (kind === "output" && !stdout.write(payload)) pauseUntilDrawn(io, socket);
          if (kind === "exited") resolve({ is: "exited", exit: JSON.parse(payload.toString("utf8")).exit });
          const failure = kind === "failed" ? parseFailure(payload) : null;
          if (failure !== null) reject(errorFromBody(failure));
        },
        () => resolve({ is: "disconnected" }),
      );
      stdin.resume();
      socket.resume();
    });
  } finally {
    for (const step of undo.reverse()) step();
    stdin.pause();
    stdout.write(LEAVE);
    socket.destroy();
  }
}

/** A slow terminal holds the agent's output back at the daemon, which has a bound for it, and not in our memory. */
function pauseUntilDrawn({ stdout }: Io, socket: LocalConnection["socket"]): void {
  socket.pause();
  stdout.once("drain", () => socket.resume());
}
