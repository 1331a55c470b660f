// One program in a real pseudo-terminal, for tests that look at an agent program without the daemon: keys in, screens out,
// and waiting for a screen that fits. The screens are made by the emulator that production uses.

import { type IPty, spawn } from "@lydell/node-pty";
import { createEmulator } from "../../src/terminals/emulator.ts";
import { DEFAULT_SIZE, type Screen } from "../../src/terminals/terminal.ts";

export interface AgentTerminal {
  readonly pid: number;
  /** Resolves with the exit code (128 + signal when killed by one). */
  readonly exited: Promise<number>;
  write(keys: string): void;
  screen(): Promise<Screen>;
  /** Resolves with the first screen that fits; rejects after `timeoutMs` with the screen that stood there instead. */
  waitForScreen(fits: (screen: Screen) => boolean, what: string, timeoutMs?: number): Promise<Screen>;
  /** Ends the program and everything it started. */
  end(): Promise<void>;
}

export function openAgentTerminal(options: {
  argv: readonly [string, ...string[]];
  env: Readonly<Record<string, string>>;
  cwd: string;
}): AgentTerminal {
  const [file, ...args] = options.argv;
  const pty: IPty = spawn(file, args, { ...DEFAULT_SIZE, cwd: options.cwd, env: { ...options.env }, encoding: null });
  let outputBytes = 0;
  let isGone = false;
  const changed = new Set<() => void>();
  const emulator = createEmulator({
    size: DEFAULT_SIZE,
    scrollbackLines: 100,
    answer: (bytes) => {
      if (!isGone) pty.write(bytes);
    },
  });
  pty.onData((data) => {
    const bytes = data as unknown as Uint8Array;
    outputBytes += bytes.length;
    emulator.write(bytes, () => {
      if (!emulator.isMidFrame()) for (const hear of [...changed]) hear();
    });
  });
  const exited = new Promise<number>((resolve) => {
    pty.onExit(({ exitCode, signal }) => {
      isGone = true;
      resolve(signal ? 128 + signal : exitCode);
    });
  });
  const screenNow = () => emulator.screen({ outputBytes, viewerInputs: 0 });
  const screen = () => new Promise<Screen>((resolve) => emulator.whenParsed(() => resolve(screenNow())));

  return {
    pid: pty.pid,
    exited,
    write: (keys) => pty.write(keys),
    screen,
    waitForScreen(fits, what, timeoutMs = 20_000) {
      return new Promise((resolve, reject) => {
        const settle = (error: Error | null, found?: Screen) => {
          clearTimeout(timer);
          changed.delete(look);
          if (found) resolve(found);
          else reject(error);
        };
        const timer = setTimeout(() => {
          settle(new Error(`${what}: not within ${timeoutMs} ms; the screen:\n${screenNow().lines.join("\n").trim()}`));
        }, timeoutMs);
        const look = () => {
          const now = screenNow();
          if (fits(now)) settle(null, now);
        };
        changed.add(look);
        look();
      });
    },
    async end() {
      if (!isGone) pty.kill("SIGTERM");
      const insist = setTimeout(() => {
        if (!isGone) pty.kill("SIGKILL");
      }, 3_000);
      await exited;
      clearTimeout(insist);
      try {
        process.kill(-pty.pid, "SIGKILL"); // Tool children it left behind.
      } catch {
        // The group is empty: nothing was left.
      }
    },
  };
}
