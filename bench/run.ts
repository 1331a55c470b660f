// `npm run bench`: measures everything once, a few minutes long, and writes BENCHMARKS.md. Names of parts as arguments run only
// those and print them without writing. The built program is measured, so build first.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { measureClaude } from "./claude.ts";
import { measureDelivery } from "./delivery.ts";
import { measureDisk } from "./disk.ts";
import { measureFlood } from "./flood.ts";
import { type Product, startProduct } from "./house.ts";
import { measureIdle } from "./idle.ts";
import { round } from "./measure.ts";
import { markdownOf, type Part, writeBenchmarks } from "./report.ts";
import { measureStart } from "./start.ts";
import { measureThroughput } from "./throughput.ts";

const PARTS: Record<string, () => Promise<Part>> = {
  start: () => withProduct(measureStart),
  delivery: () => withProduct(measureDelivery),
  claude: measureClaude,
  idle: () => withProduct(measureIdle),
  throughput: measureThroughput,
  flood: measureFlood,
  disk: measureDisk,
};

const root = new URL("..", import.meta.url);
const wanted = process.argv.slice(2);
const told: string[] = [];
for (const [name, measure] of Object.entries(PARTS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const load = `Load average (1 min) before and after this part: ${round(loadavg()[0] ?? 0)}`;
  const part = await measure();
  const text = markdownOf({ ...part, how: `${part.how} ${load}, ${round(loadavg()[0] ?? 0)}.` });
  console.log(text);
  told.push(text);
}
if (wanted.length === 0) writeBenchmarks(`${preface()}\n${told.join("\n")}`);

async function withProduct(measure: (product: Product) => Promise<Part>): Promise<Part> {
  const product = await startProduct();
  try {
    return await measure(product);
  } finally {
    await product.stop();
  }
}

function preface(): string {
  const output = (command: string, ...args: string[]) =>
    execFileSync(command, args, { cwd: root, encoding: "utf8" }).trim();
  const { version } = JSON.parse(readFileSync(new URL("package.json", root), "utf8"));
  const processors = cpus();
  return `# Benchmarks

Written by \`npm run bench\`, in one run, but for the last section, which is \`npm run soak\`'s. Not by hand: change \`bench/\`.

| | |
|---|---|
| when | ${new Date().toISOString()} |
| what | signalbox ${version}, commit ${output("git", "rev-parse", "--short", "HEAD")}, Node ${process.versions.node} |
| where | ${processors.length} x ${processors[0]?.model}, ${round(totalmem() / 2 ** 30)} GiB, Linux ${release()} |
| load | ${output("uptime")} |

How to read it: the machine is a virtual one whose cores are shared with others, and figures of the same code differ between runs by a
factor of 1.3 to 3. So nothing here is to be compared with a figure of another day; what is said as a ratio was measured side
by side, in turns, in this run. Its disk syncs in a fifth of a millisecond, which no laptop does; a laptop adds its own sync
time to every acceptance and every delivery, once each. The load behind each part tells how much others were using: with a load above
the number of cores every step waits for its turn, and figures in milliseconds grow with it. That excuses no ratio and not the
throughput, whose cost is the processor time per message in its table.
\`node -e 0\` takes 27 to 30 ms on this machine when nobody else uses it; "Start" says what it took in this run.

Not measured here: macOS and its slower syncs, tmux and iTerm2 as terminals, and several daemons.
What has no budget is there to be watched.
`;
}
