// Runs the simulator's command line as its users do, for tests.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface Simulation {
  exitCode: number;
  output: string;
  /** The lines below a heading of the summary. */
  section(title: string): string[];
}

const MAIN = fileURLToPath(new URL("./sim.main.ts", import.meta.url));
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

export function simulate(args: readonly string[]): Promise<Simulation> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { maxBuffer: OUTPUT_BYTES_MAX }, (error, stdout, stderr) => {
      const output = stdout + stderr;
      resolve({
        exitCode: error === null ? 0 : Number(error.code ?? 1),
        output,
        section(title) {
          const lines = output.split("\n");
          const begin = lines.indexOf(title) + 1;
          const end = lines.indexOf("", begin);
          return begin === 0 ? [] : lines.slice(begin, end);
        },
      });
    });
  });
}
