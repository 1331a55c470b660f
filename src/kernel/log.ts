// What the rooms may say to the operator's log. Fields are ids, codes and numbers; never bodies, names, paths or
// secrets, because the log is not encrypted while everything else at rest is.

export type LogFields = Record<string, string | number | boolean | null | undefined>;

export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
