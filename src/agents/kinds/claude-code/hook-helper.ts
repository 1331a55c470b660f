// A process of its own, started by Claude Code for what it cannot post itself: the SessionStart hook and the status line.
// Reads the payload from stdin, posts it to the daemon, prints what it answers. It depends on nothing but node and never
// fails: an agent must not notice that the daemon is away.

import { request } from "node:http";

/** From start to exit; a status line that comes later than this would hold the next one up. */
const DEADLINE_MS = 1_000;

const isStatusLine = process.argv[2] === "status-line";
const url = process.env.SIGNALBOX_HOOKS_URL;
const secret = process.env.SIGNALBOX_HOOK_SECRET;

setTimeout(() => process.exit(0), DEADLINE_MS);
process.on("uncaughtException", () => process.exit(0));
for (const stream of [process.stdin, process.stdout]) stream.on("error", () => process.exit(0));

const chunks: Buffer[] = [];
process.stdin.on("data", (chunk: Buffer) => chunks.push(chunk));
process.stdin.on("end", () => {
  const payload = Buffer.concat(chunks);
  // The person at the terminal gets the line at once, daemon or not.
  if (isStatusLine) process.stdout.write(statusLineOf(payload.toString("utf8")));
  post(payload);
});

function post(payload: Buffer): void {
  if (!url || !secret) process.exit(0);
  const headers = {
    "content-type": "application/json",
    "content-length": payload.length,
    authorization: `Bearer ${secret}`,
    ...(isStatusLine ? { "x-signalbox-source": "status-line" } : {}),
  };
  const call = request(url, { method: "POST", headers, agent: false }, (response) => {
    const answer: Buffer[] = [];
    response.on("data", (chunk: Buffer) => answer.push(chunk));
    response.on("error", () => process.exit(0));
    response.on("end", () => {
      const body = Buffer.concat(answer);
      if (isStatusLine || response.statusCode !== 200 || body.length === 0) process.exit(0);
      process.stdout.write(body, () => process.exit(0));
    });
  });
  call.on("error", () => process.exit(0));
  call.end(payload);
}

interface StatusPayload {
  session_name?: string;
  model?: { display_name?: string };
  context_window?: { used_percentage?: number | null };
  cost?: { total_cost_usd?: number };
}

/** e.g. "Agent_1 · Opus 5.5 · 12 % · $0.03"; what is not known is left out. */
function statusLineOf(json: string): string {
  let status: StatusPayload | null;
  try {
    status = JSON.parse(json) as StatusPayload | null;
  } catch {
    return "";
  }
  const used = status?.context_window?.used_percentage;
  const cost = status?.cost?.total_cost_usd;
  const words = [
    status?.session_name,
    status?.model?.display_name,
    typeof used === "number" ? `${Math.round(used)} %` : undefined,
    typeof cost === "number" ? `$${cost.toFixed(2)}` : undefined,
  ];
  return words.filter((word) => typeof word === "string" && word !== "").join(" · ");
}
