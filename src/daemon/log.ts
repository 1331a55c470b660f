// The operator's log: pino, to a file in the log directory and, in the foreground, to stderr. Never to stdout, which belongs to
// MCP. The file is private, and the last one is kept when it has grown too large. It is written off the event loop, all lines
// together that came meanwhile; what a kill takes of it no promise rests on.

import { mkdirSync, openSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { destination, multistream, pino } from "pino";
import { SignalboxError } from "../kernel/errors.ts";
import type { Log, LogFields } from "../kernel/log.ts";

/** Some weeks of eight busy agents; one older file is kept beside it. */
const LOG_BYTES_MAX = 16 * 1024 * 1024;

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
    const toFile = destination({ fd: openSync(file, "a", 0o600), sync: false });
    const streams = [{ stream: toFile, level: "debug" as const }];
    if (options.toStderr) streams.push({ stream: destination({ dest: 2, sync: true }), level: "debug" as const });
    const logger = pino({ level: options.level ?? "info", base: null }, multistream(streams));
    const say = (level: "debug" | "info" | "warn" | "error") => (event: string, fields?: LogFields) =>
      logger[level](fields ?? {}, event);
    return {
      debug: say("debug"),
      info: say("info"),
      warn: say("warn"),
      error: say("error"),
      flush: () => toFile.flushSync(),
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
