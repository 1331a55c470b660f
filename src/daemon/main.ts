// `signalbox serve` and the daemon that clients start: command line in, exit code out.

import { asSignalboxError, inSentences } from "../kernel/errors.ts";
import { readConfig } from "./config.ts";
import { runDaemon } from "./daemon.ts";

/** Resolves to the exit code of CONTRACT section 1 when the daemon has ended. */
export async function main(verb: "serve" | "daemon", args: readonly string[]): Promise<number> {
  const config = (() => {
    try {
      return readConfig(verb, args, process.env, process.platform);
    } catch (error) {
      return asSignalboxError(error);
    }
  })();
  if (config instanceof Error) return complain(config, 2);
  try {
    await runDaemon(config, process.env);
    return 0;
  } catch (error) {
    return complain(asSignalboxError(error), 1);
  }
}

function complain(error: { message: string; nextStep: string }, exitCode: number): number {
  process.stderr.write(`signalbox: ${inSentences(error)}\n`);
  return exitCode;
}
