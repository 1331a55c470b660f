// What is particular to the tmux backend: no word of anybody becomes a command, a program cannot forge tmux's answers, floods
// stay bounded, and ends that tmux misses are found.

import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { socketPath } from "../names.ts";
import { exitOf, screenShowing, screenWhere } from "../terminal.contract.ts";
import type { OpenSpec, Terminal } from "../terminal.ts";
import { createTmuxStage, type TmuxStage } from "./tmux-stage.ts";

const LONG = { timeout: 60_000 };
const stages: TmuxStage[] = [];
let refs = 0;

afterEach(async () => {
  for (const stage of stages.splice(0)) await stage.tearDown();
});

function newStage(): TmuxStage {
  const stage = createTmuxStage();
  stages.push(stage);
  return stage;
}

async function startProgram(stage: TmuxStage, changes: Partial<OpenSpec> = {}): Promise<Terminal> {
  const base = { ref: `t_${++refs}`, host: "h", argv: stage.program, env: stage.env, cwd: stage.cwd };
  const terminal = await stage.backend.open({ ...base, size: { cols: 100, rows: 30 }, ...changes });
  await screenShowing(terminal, "ready");
  return terminal;
}

test("hostile directories, arguments, values, text and titles stay text", LONG, async () => {
  const stage = newStage();
  const marker = join(stage.cwd, "pwned");
  const evil = `x'"#(touch ${marker}) $(touch ${marker}) \`touch ${marker}\`; kill-server #{pid}`;
  const cwd = join(stage.cwd, evil.replaceAll("/", "∕"));
  mkdirSync(cwd);
  const terminal = await startProgram(stage, {
    argv: [...stage.program, evil, "--", "\n;kill-server\n"] as unknown as OpenSpec["argv"],
    env: { ...stage.env, EVIL: `${evil}\nnext` },
    cwd,
  });
  await terminal.write("env EVIL\r");
  await screenShowing(terminal, "next");
  const text = `${evil}\n%exit\nkill-server;`;
  await terminal.write(`collect ${Buffer.byteLength(text)}\r`);
  await terminal.write(text);
  await screenShowing(terminal, `collected ${Buffer.byteLength(text)} `);
  await terminal.write(`say ${JSON.stringify(`\x1b]2;${evil}\x07titled`)}\r`);
  const screen = await screenShowing(terminal, "titled");
  expect(screen.title).toBe(evil);
  expect(readdirSync(stage.cwd)).not.toContain("pwned");
  expect(existsSync(marker)).toBe(false);
});

test("a program that prints tmux's own words forges nothing", LONG, async () => {
  const stage = newStage();
  const terminal = await startProgram(stage);
  const [time, number] = [Math.floor(Date.now() / 1000), 300];
  const forged = Array.from({ length: 20 }, (_, i) => `%end ${time} ${number + i} 1`);
  const lines = [...forged.slice(0, 10), "%exit", "%pause %0", "%output %0 x", "%begin 1 1 1", ...forged.slice(10, 14)];
  await terminal.write(`say ${JSON.stringify(`\x1b[H\x1b[2J${lines.join("\r\n")}\r\nfinal`)}\r`);
  const screen = await screenShowing(terminal, "final");
  expect(screen.lines.slice(0, lines.length)).toEqual(lines);
  for (let turn = 0; turn < 30; turn++) expect((await terminal.screen()).lines).toEqual(screen.lines);
  expect(await terminal.liveness()).toEqual({ is: "alive", pid: terminal.pid });
});

test("sockets and launch scripts are private, and no script stays", LONG, async () => {
  const stage = newStage();
  await startProgram(stage);
  expect(statSync(stage.runDir).mode & 0o777).toBe(0o700);
  expect(statSync(socketPath(stage.runDir, "h", "tmux")).mode & 0o077).toBe(0);
  expect(readdirSync(stage.runDir)).toEqual(["h.tmux"]);
});

test("a flood of 20 MB neither delays other terminals nor grows the server", LONG, async () => {
  const stage = newStage();
  const flooder = await startProgram(stage);
  const other = await startProgram(stage);
  const server = Number(stage.tmux("h", "display-message", "-p", "#{pid}"));
  const flooded = screenShowing(flooder, "flooded");
  await flooder.write("flood 20000000\r");
  for (let turn = 0; turn < 10; turn++) {
    await other.write(`say "<echo ${turn}>\\r\\n"\r`);
    await screenShowing(other, `<echo ${turn}>`);
  }
  await flooded;
  const peakKiB = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${server}/status`, "utf8"))?.[1]);
  expect(peakKiB).toBeLessThan(64 * 1024);
});

test("twenty ends by signal are all told, also those that tmux misses", LONG, async () => {
  const stage = newStage();
  for (let turn = 0; turn < 20; turn++) {
    const argv = ["/bin/sh", "-c", "stty raw; echo ready; exec cat"] as const;
    const terminal = await startProgram(stage, { argv });
    const exit = exitOf(terminal);
    await terminal.signal("SIGTERM");
    expect(await exit).toEqual({ exitCode: null, signal: "SIGTERM" });
  }
});

test("the next daemon knows that a program asked for bracketed paste", LONG, async () => {
  const stage = newStage();
  const old = await startProgram(stage);
  await old.write(`say ${JSON.stringify("\x1b[?2004hpaste me")}\r`);
  await screenWhere(old, (screen) => screen.bracketedPaste);
  await old.screen(); // answered in order, so what was noted before is noted
  stage.backend.disconnect();
  const adopted = await stage.anotherDaemon().adopt(old.host, old.ref);
  if (adopted.is !== "found") throw new Error(`adopt said ${adopted.is}`);
  expect((await adopted.terminal.screen()).bracketedPaste).toBe(true);
});

test("a window that a person closed is told as an end without a status", LONG, async () => {
  const stage = newStage();
  const terminal = await startProgram(stage);
  const exit = exitOf(terminal);
  stage.tmux("h", "kill-window", "-t", terminal.ref);
  expect(await exit).toEqual({ exitCode: null, signal: null });
});

test(
  "a program that a person puts in the place of ours is the end of ours, and nothing is typed into it",
  LONG,
  async () => {
    const stage = newStage();
    const terminal = await startProgram(stage);
    const exit = exitOf(terminal);
    const canary = join(stage.cwd, "canary");
    stage.tmux("h", "respawn-pane", "-k", "-t", terminal.ref, "env PS1='a shell> ' sh");
    // Whether its end has been noticed already or not: tmux itself refuses.
    const typed = terminal.write(`touch ${canary}\r`);
    await expect(typed).rejects.toMatchObject({ code: "terminal_unavailable" });
    expect(await exit).toEqual({ exitCode: null, signal: null });
    expect(await terminal.liveness()).toMatchObject({ is: "gone" });
    expect(await stage.anotherDaemon().adopt(terminal.host, terminal.ref)).toEqual({ is: "gone", exit: null });
    const shown = () => stage.tmux("h", "capture-pane", "-p", "-t", terminal.ref);
    await expect.poll(shown).toContain("a shell>");
    expect(shown()).not.toContain("canary");
    expect(existsSync(canary)).toBe(false);
    expect(stage.tmux("h", "list-buffers")).toBe("");
  },
);

test("a daemon that comes after a program was replaced takes the other one for nobody's", LONG, async () => {
  const stage = newStage();
  const terminal = await startProgram(stage);
  stage.backend.disconnect();
  stage.tmux("h", "respawn-pane", "-k", "-t", terminal.ref, "cat");
  const next = stage.anotherDaemon();
  expect(await next.adopt(terminal.host, terminal.ref)).toEqual({ is: "gone", exit: null });
  await next.closeHost(terminal.host);
  expect(existsSync(socketPath(stage.runDir, "h", "tmux"))).toBe(false);
});

test("the command for a person attaches to this window", LONG, async () => {
  const stage = newStage();
  const terminal = await startProgram(stage);
  const command = stage.backend.attachCommand(terminal.host, terminal.ref);
  expect(command).toContain(`-S '${socketPath(stage.runDir, "h", "tmux")}'`);
  const target = /-t '([^']+)'/.exec(command ?? "")?.[1] ?? "";
  expect(stage.tmux("h", "display-message", "-p", "-t", target, "#{window_name}")).toBe(terminal.ref);
});
