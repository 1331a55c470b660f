// The operator's log: pino, to a file in the log directory and, in the foreground, to stderr. Never to stdout, which belongs to
// MCP. The file is private, and the last one is kept when it has grown too large. The lines of one turn of the event loop are
// written together; a kill may take those.

import { mkdirSync, openSync, renameSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { destination, multistream, pino, type StreamEntry } from "pino";
import { SignalboxError } from "../kernel/errors.ts";
import type { Log, LogFields } from "../kernel/log.ts";

/** Some weeks of eight busy agents; one older file is kept beside it. */
const LOG_BYTES_MAX = 16 * 1024 * 1024;

/** Written before the turn is over when it says this much (UTF-16 units). */
const HELD_MAX = 64 * 1024;

export interface DaemonLog extends Log {
  /** Writes out what is buffered. */
  flush(): void;
}

/** Opens `<logDir>/daemon.log` (0600 in a directory made 0700). */
export function openLog(options: { logDir: string; toStderr: boolean; level?: string }): DaemonLog {
  const file = join(options.logDir, "daemon.log");
  try {
    mkdirSync(options.logDir, { recursive: true, mode: 0o700 });
    if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > LOG_BYTES_MAX) renameSync(file, `${file}.1`);
    const toFile = appendByTurns(openSync(file, "a", 0o600));
    const streams: StreamEntry[] = [{ stream: toFile, level: "debug" as const }];
    if (options.toStderr) streams.push({ stream: destination({ dest: 2, sync: true }), level: "debug" as const });
    const logger = pino({ level: options.level ?? "info", base: null }, multistream(streams));
    const say = (level: "debug" | "info" | "warn" | "error") => (event: string, fields?: LogFields) =>
      logger[level](fields ?? {}, event);
    return {
      debug: say("debug"),
      info: say("info"),
      warn: say("warn"),
      error: say("error"),
      flush: toFile.flush,
    };
  } catch (error) {
    throw new SignalboxError(
      "storage_error",
      `The log directory cannot be written (${(error as NodeJS.ErrnoException).code ?? (error as Error).message}).`,
      "Choose another with --log-dir.",
      { cause: error },
    );
  }
}

/** pino's own stream writes each line by itself, or syncs the file with every flush; half a dozen lines a message made the one cost
 *  a twentieth of the daemon's time under load, and the other more (measured). */
function appendByTurns(descriptor: number): { write(line: string): void; flush(): void } {
  let held = "";
  const flush = () => {
    const lines = held;
    held = "";
    try {
      if (lines !== "") writeSync(descriptor, lines);
    } catch {
      // A full disk holds no log, and nobody's work may stop for it.
    }
  };
  return {
    write(line) {
      if (held === "") setImmediate(flush);
      held += line;
      if (held.length > HELD_MAX) flush();
    },
    flush,
  };
}
