// `signalbox status --watch`: the status again whenever it changes, until the daemon or the reader is gone.

import { sleep } from "../kernel/clock.ts";
import type { Link } from "./daemon-link.ts";
import { renderStatus, type Status } from "./status.ts";
import { jsonLine } from "./text.ts";
import { type Env, type Io, looksOf, type World } from "./world.ts";

/** The daemon has no call that tells of changes yet, so we ask: a person watches, and a second is soon enough for one. */
const ASK_AGAIN_MS = 1_000;

/** To the corner, and clear what was there: less flicker than clearing first. */
const HOME = "\u001b[H";
const CLEAR_BELOW = "\u001b[J";
const CLEAR_LINE_END = "\u001b[K";

/** Rejects when the daemon goes away; resolves when nobody reads any more. */
export async function watchStatus(watch: {
  io: Io;
  env: Env;
  world: World;
  isJson: boolean;
  link: Link;
  ask: () => Promise<Record<string, unknown>>;
}): Promise<void> {
  const { io, env, world } = watch;
  let shown = "";
  while (io.stdout.writable) {
    const status = await watch.ask();
    const looks = looksOf(io.stdout, env);
    // The width belongs to what is shown: a resized window is drawn anew.
    const seen = `${looks.width} ${JSON.stringify(status)}`;
    if (seen !== shown) {
      const text = watch.isJson
        ? `${jsonLine(status)}\n`
        : renderStatus(status as unknown as Status, looks, world.clock.now());
      io.stdout.write(io.stdout.isTTY === true && !watch.isJson ? redraw(text) : text);
    }
    shown = seen;
    await sleep(world.clock, ASK_AGAIN_MS);
  }
}

function redraw(text: string): string {
  return HOME + text.replaceAll("\n", `${CLEAR_LINE_END}\n`) + CLEAR_BELOW;
}
