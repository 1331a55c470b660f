// What the demonstration prints: headed steps, short lines, tables. Nothing is decided here.

import { styleText } from "node:util";

const isPlain = !process.stdout.isTTY || Boolean(process.env.NO_COLOR);
const style = (how, text) => (isPlain ? text : styleText(how, text));

let steps = 0;

export function title(text) {
  console.log(`\n${style("bold", text)}`);
}

export function step(text) {
  steps += 1;
  console.log(`\n${style("bold", `${steps}  ${text}`)}`);
}

export function say(text = "") {
  console.log(text === "" ? "" : `   ${text}`);
}

export function aside(text) {
  console.log(style("dim", `   ${text}`));
}

export function complain(text) {
  console.error(style("red", `   ${text}`));
}

const STATE_COLOURS = { queued: "yellow", sending: "cyan", delivered: "blue", processed: "green" };

/** One move of a message; `atMs` is null where the receipt has no time for it. */
export function receipt({ atMs, from, to, state, detail }) {
  const time = style("dim", atMs === null ? " ".repeat(9) : `${String(atMs).padStart(6)} ms`);
  const who = `${from} -> ${to}`.padEnd(18);
  console.log(`   ${time}  ${who}  ${style(STATE_COLOURS[state] ?? "red", state.padEnd(9))}  ${detail}`);
}

/** A piece of an agent's screen. */
export function screen(lines) {
  for (const line of lines) console.log(style("dim", `   | ${line}`));
}

export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => String(row[column]).length)));
  for (const [index, row] of rows.entries()) {
    const line = row.map((cell, column) => String(cell).padEnd(widths[column])).join("  ");
    console.log(`   ${index === 0 ? style("dim", line.trimEnd()) : line.trimEnd()}`);
  }
}
