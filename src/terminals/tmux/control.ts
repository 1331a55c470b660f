// One control-mode connection to a tmux server: command lines go in, blocks of answers and notifications come out. No text
// of a person, an agent or a program is ever part of a command; that is the callers' duty, and the types here help a little:
// what is put into a line is a name of ours, a number or a pane id.

import { spawn } from "node:child_process";
import type { Clock } from "../../kernel/clock.ts";
import { SignalboxError } from "../../kernel/errors.ts";

/** As tmux names panes. Everything that claims to be one is checked before it goes into a command. */
export type PaneId = `%${number}`;

export interface ControlEvents {
  /** Output of a pane, as bytes. */
  output(pane: PaneId, bytes: Buffer): void;
  /** tmux has stopped sending the pane's output until `continue`; what came meanwhile is on the pane's screen only. */
  paused(pane: PaneId): void;
  closed(): void;
}

export interface Control {
  readonly clientPid: number;
  /**
   * Runs one line of commands and gives the lines of each command's answer, in order. Rejects with `terminal_unavailable`
   * when one of them fails or the connection ends. `screenRows` is for a last command that prints a screen: so many lines
   * are its text whatever stands in them, so that a program cannot forge the end of the answer by printing one.
   */
  run(line: string, commands: number, screenRows?: (earlier: string[][]) => number): Promise<string[][]>;
  close(): void;
}

export interface ControlStart {
  tmux: string;
  socketPath: string;
  /** The server's and its sessions' working directory; relative names in commands mean files here. */
  cwd: string;
  /** What the client does first: attach, or make the session. */
  first: readonly string[];
}

/** A tmux that does not answer is stopped or starved; every command here takes milliseconds. */
const ANSWER_PATIENCE_MS = 10_000;
/** A line of output is at most some KiB; more than this without an end is no control mode. */
const LINE_BYTES_MAX = 4 * 1024 * 1024;

interface Asked {
  missing: number;
  answers: string[][];
  screenRows: ((earlier: string[][]) => number) | undefined;
  resolve(answers: string[][]): void;
  reject(error: Error): void;
}

/** Starts the client and resolves when tmux has taken it in; rejects when there is no server or session to be had. */
export function openControl(start: ControlStart, clock: Clock, events: ControlEvents): Promise<Control> {
  // An empty environment but for what tmux needs: it becomes the environment of the server and names no outer tmux.
  const client = spawn(start.tmux, ["-S", start.socketPath, "-f", "/dev/null", "-u", "-C", ...start.first], {
    cwd: start.cwd,
    env: { PATH: "/usr/local/bin:/usr/bin:/bin", TERM: "screen-256color" },
    stdio: ["pipe", "pipe", "ignore"],
  });
  const asked: Asked[] = [];
  let block: { stamp: string; isOurs: boolean; lines: string[]; rowsMin: number } | null = null;
  let held: Buffer[] = [];
  let heldBytes = 0;
  let isTakenIn = false;

  return new Promise((resolve, reject) => {
    const patience = clock.after(ANSWER_PATIENCE_MS, () => client.kill("SIGKILL"));
    client.once("error", (cause) => reject(failed("tmux cannot be started", cause)));
    client.stdin.on("error", () => {}); // "close" follows
    client.stdout.on("data", takeChunk);
    client.once("close", () => {
      patience.cancel();
      for (const one of asked.splice(0)) one.reject(failed("the connection to tmux ended"));
      if (isTakenIn) events.closed();
      else reject(failed("there is no tmux server or it did not answer"));
    });

    function takeChunk(chunk: Buffer): void {
      let from = 0;
      for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
        held.push(chunk.subarray(from, end));
        const line = Buffer.concat(held).toString("latin1"); // bytes one by one; UTF-8 is decoded where text is wanted
        held = [];
        heldBytes = 0;
        from = end + 1;
        takeLine(line);
      }
      if (from < chunk.length) held.push(chunk.subarray(from));
      heldBytes += chunk.length - from;
      if (heldBytes > LINE_BYTES_MAX) client.kill("SIGKILL");
    }

    function takeLine(line: string): void {
      if (block) {
        const isEnd = line === `%end ${block.stamp}` || line === `%error ${block.stamp}`;
        // A command that waits (load-buffer reads its file) lets notices in between; where no screen is expected they are real.
        if (block.rowsMin === 0 && notice(line)) return;
        if (!isEnd || block.lines.length < block.rowsMin) block.lines.push(line);
        else endBlock(line.startsWith("%error"));
      } else if (line.startsWith("%begin ")) {
        const stamp = line.slice("%begin ".length);
        const isOurs = stamp.endsWith(" 1"); // commands that hooks or other clients run have another flag
        const one = isOurs ? asked[0] : undefined;
        const rowsMin = one?.missing === 1 ? (one.screenRows?.(one.answers) ?? 0) : 0;
        block = { stamp, isOurs, lines: [], rowsMin };
      } else notice(line);
    }

    function endBlock(isError: boolean): void {
      const { isOurs, lines } = block as NonNullable<typeof block>;
      block = null;
      if (!isTakenIn) {
        // The answer to `first`. A failed one is followed by the end of the client.
        if (isError) return;
        isTakenIn = true;
        patience.cancel();
        resolve({ clientPid: client.pid ?? 0, run, close: () => void client.kill("SIGKILL") });
        return;
      }
      const one = asked[0];
      if (!isOurs || !one) return;
      one.answers.push(lines);
      one.missing--;
      if (!isError && one.missing > 0) return;
      asked.shift();
      if (isError) one.reject(failed(`tmux refused a command: ${lines.join(" ").slice(0, 200)}`));
      else one.resolve(one.answers);
    }
  });

  function run(line: string, commands: number, screenRows?: (earlier: string[][]) => number): Promise<string[][]> {
    if (line.includes("\n")) throw new Error("invariant broken: one line is one line");
    return new Promise((resolve, reject) => {
      if (!client.stdin.writable) return reject(failed("the connection to tmux ended"));
      const patience = clock.after(ANSWER_PATIENCE_MS, () => client.kill("SIGKILL")); // what it says later fits no question
      asked.push({
        missing: commands,
        answers: [],
        screenRows,
        resolve: (answers) => {
          patience.cancel();
          resolve(answers);
        },
        reject: (error) => {
          patience.cancel();
          reject(error);
        },
      });
      client.stdin.write(`${line}\n`);
    });
  }

  /** Returns false when the line is none of those we heed. */
  function notice(line: string): boolean {
    const output = /^%(?:output (%\d+) |extended-output (%\d+) [^:]*: )/.exec(line);
    if (output) events.output((output[1] ?? output[2]) as PaneId, unescapeOctal(line.slice(output[0].length)));
    const pause = /^%pause (%\d+)$/.exec(line);
    if (pause) events.paused(pause[1] as PaneId);
    return output !== null || pause !== null;
  }
}

/** tmux writes control characters and the backslash as three octal digits. */
function unescapeOctal(text: string): Buffer {
  const plain = text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
  return Buffer.from(plain, "latin1");
}

function failed(what: string, cause?: unknown): SignalboxError {
  return new SignalboxError("terminal_unavailable", `${what}.`, "Look at the session's status, then try again.", {
    cause,
  });
}
