// What is particular to the embedded backend: hosts that outlive daemons, bounded memory under any flood, private sockets,
// and the ends of processes to the last byte.

import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { type Clock, systemClock, type Timer } from "../../kernel/clock.ts";
import { silentLog } from "../../kernel/log.ts";
import { socketPath } from "../names.ts";
import { exitOf, screenShowing } from "../terminal.contract.ts";
import type { OpenSpec, Terminal } from "../terminal.ts";
import { createPtyBackend } from "./backend.ts";
import { encodeFrame } from "./frames.ts";
import { createPtyStage, HOST_SCRIPT, type PtyStage } from "./pty-stage.ts";

const LONG = { timeout: 60_000 };
const stages: PtyStage[] = [];
let refs = 0;

afterEach(async () => {
  for (const stage of stages.splice(0)) await stage.tearDown();
});

function newStage(changes: { hostIdleMs?: number } = {}): PtyStage {
  const stage = createPtyStage(changes);
  stages.push(stage);
  return stage;
}

function specOf(stage: PtyStage, changes: Partial<OpenSpec> = {}): OpenSpec {
  const base = { ref: `t_${++refs}`, host: "h", argv: stage.program, env: stage.env, cwd: stage.cwd };
  return { ...base, size: { cols: 100, rows: 30 }, ...changes };
}

function shell(script: string): Pick<OpenSpec, "argv"> {
  return { argv: ["/bin/sh", "-c", script] };
}

async function startProgram(stage: PtyStage, changes: Partial<OpenSpec> = {}): Promise<Terminal> {
  const terminal = await stage.backend.open(specOf(stage, changes));
  await screenShowing(terminal, "ready");
  return terminal;
}

async function becomesTrue(what: string, isTrue: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 15_000; !isTrue(); ) {
    if (Date.now() > deadline) throw new Error(`never came true: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !readFileSync(`/proc/${pid}/stat`, "latin1").includes(") Z ");
  } catch {
    return false;
  }
}

function memoryMiB(pid: number, field: "VmRSS" | "VmHWM"): number {
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

test("terminals survive the kill -9 of the daemon that opened them", LONG, async () => {
  const stage = newStage();
  const spec = specOf(stage);
  const script = join(stage.cwd, "daemon.ts");
  const options = { runDir: stage.runDir, hostScript: HOST_SCRIPT, node: process.execPath };
  writeFileSync(
    script,
    `import { createPtyBackend } from ${JSON.stringify(join(import.meta.dirname, "backend.ts"))};
     import { systemClock } from ${JSON.stringify(join(import.meta.dirname, "../../kernel/clock.ts"))};
     const log = { debug() {}, info() {}, warn() {}, error() {} };
     const backend = createPtyBackend({ ...${JSON.stringify(options)}, clock: systemClock, log });
     const terminal = await backend.open(${JSON.stringify(spec)});
     process.stdout.write(terminal.pid + "\\n");`,
  );
  const daemon: ChildProcess = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"], env: {} });
  const pid = await new Promise<number>((resolve) => daemon.stdout?.once("data", (text) => resolve(Number(text))));
  const died = new Promise((resolve) => daemon.once("exit", resolve));
  daemon.kill("SIGKILL");
  await died;

  const adopted = await stage.backend.adopt(spec.host, spec.ref);
  if (adopted.is !== "found") throw new Error(`adopt said ${adopted.is}`);
  expect(adopted.terminal.pid).toBe(pid);
  await screenShowing(adopted.terminal, "ready");
  await adopted.terminal.write('say "still here"\r');
  await screenShowing(adopted.terminal, "still here");
});

test("the kill -9 of a host ends its programs too", LONG, async () => {
  const stage = newStage();
  const terminal = await startProgram(stage);
  const exit = exitOf(terminal);
  await stage.killHost("h");
  expect(await exit).toBeNull();
  await becomesTrue("the program is gone", () => !isRunning(terminal.pid));
  expect(await terminal.liveness()).toEqual({ is: "gone", exit: null });
  await expect(terminal.write("x")).rejects.toMatchObject({ code: "terminal_unavailable" });
});

test("a program that outlives its host is not called gone, and can still be ended", LONG, async () => {
  const stage = newStage();
  const stubborn = shell("trap '' HUP; echo ready; while :; do sleep 0.05; done");
  const terminal = await startProgram(stage, stubborn);
  const exit = exitOf(terminal);
  await stage.killHost("h");
  expect(await exit).toBeNull();
  expect((await terminal.liveness()).is).toBe("cannot_tell");
  await terminal.signal("SIGKILL", { group: true });
  await becomesTrue("the program is gone", () => !isRunning(terminal.pid));
  expect((await terminal.liveness()).is).toBe("gone");
});

test("two opens at once start one host", LONG, async () => {
  const stage = newStage();
  const [first, second] = await Promise.all([startProgram(stage), startProgram(stage)]);
  const parentOf = (pid: number) => /PPid:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  expect(parentOf(first.pid)).toBe(parentOf(second.pid));
});

test("a flood of 20 MB neither delays other terminals nor grows the host", LONG, async () => {
  const stage = newStage();
  const [flooder, other] = await Promise.all([startProgram(stage), startProgram(stage)]);
  const host = await stage.hostPid("h");
  const before = memoryMiB(host, "VmRSS");
  const flooded = screenShowing(flooder, "flooded");
  await flooder.write("flood 20000000\r");
  const echoes: number[] = [];
  for (let turn = 0; turn < 20; turn++) {
    const begun = performance.now();
    await other.write(`say "<echo ${turn}>\\r\\n"\r`);
    await screenShowing(other, `<echo ${turn}>`);
    echoes.push(performance.now() - begun);
  }
  await flooded;
  const median = echoes.sort((a, b) => a - b)[10] ?? Number.NaN;
  // Quiet: 4 ms. The bounds are far off what happens when output is buffered: seconds, and hundreds of MiB.
  expect(median).toBeLessThan(500);
  expect(memoryMiB(host, "VmHWM") - before).toBeLessThan(120);
});

test("a viewer that does not keep up misses output, then gets the whole screen", LONG, async () => {
  const stage = newStage();
  const terminal = await startProgram(stage);
  const host = await stage.hostPid("h");
  let text = "";
  let release = () => {};
  const stuck = new Promise<void>((resolve) => {
    release = resolve;
  });
  let look = () => {};
  await terminal.attach(
    {
      output(data) {
        text += Buffer.from(data).toString("utf8");
        look();
        return stuck;
      },
      exited() {},
    },
    { cols: 100, rows: 30 },
  );
  const before = memoryMiB(host, "VmRSS");
  await terminal.write("flood 20000000\r");
  await screenShowing(terminal, "flooded");
  expect(memoryMiB(host, "VmHWM") - before).toBeLessThan(120);
  const seen = new Promise<void>((resolve) => {
    look = () => text.includes("flooded") && resolve();
  });
  release();
  await seen;
  expect(text.length).toBeLessThan(5_000_000);
});

test("a program that does not read gets no more than it can hold, and nobody waits for ever", LONG, async () => {
  const stage = newStage();
  const terminal = await startProgram(stage, shell("stty raw -echo; echo ready; sleep 1000"));
  const first = terminal.write("x".repeat(3 * 1024 * 1024));
  first.catch(() => {});
  await expect(terminal.write("y".repeat(2 * 1024 * 1024))).rejects.toMatchObject({ code: "terminal_unavailable" });
  await expect(first).rejects.toMatchObject({ code: "timeout" });
  expect((await terminal.liveness()).is).toBe("alive");
});

test("fifty quick ends lose no byte of output", LONG, async () => {
  const stage = newStage();
  const script = "i=0; while [ $i -lt 40 ]; do printf '%0100d\\n' $i; i=$((i+1)); done; printf 'last words'; exit 9";
  const expectedBytes = 40 * 102 + 10; // the terminal turns each newline into two bytes
  for (let round = 0; round < 5; round++) {
    const terminals = await Promise.all(
      Array.from({ length: 10 }, () => stage.backend.open(specOf(stage, shell(script)))),
    );
    for (const terminal of terminals) {
      expect(await exitOf(terminal)).toEqual({ exitCode: 9, signal: null });
      const tail = await terminal.tail(0);
      expect(tail.next).toBe(expectedBytes);
      expect(tail.text.endsWith("last words")).toBe(true);
    }
  }
});

test("output that the emulator had not yet parsed is not lost at the end", LONG, async () => {
  const stage = newStage();
  const terminal = await stage.backend.open(specOf(stage, shell("head -c 6000000 /dev/zero | tr '\\0' x; printf end")));
  await exitOf(terminal);
  const tail = await terminal.tail(0);
  expect(tail.next).toBe(6_000_003);
  expect(tail.text.endsWith("xend")).toBe(true);
});

test("a process left in the background does not hide the end of the program", LONG, async () => {
  const stage = newStage();
  const terminal = await stage.backend.open(specOf(stage, shell("trap '' HUP; sleep 5 & printf 'last words'; exit 2")));
  expect(await exitOf(terminal)).toEqual({ exitCode: 2, signal: null });
  expect((await terminal.tail(0)).text).toBe("last words");
});

test("socket and directory are private, and the program's own mask is not ours", LONG, async () => {
  const stage = newStage();
  const terminal = await startProgram(stage, shell("umask; ls /proc/self/fd | tr '\\n' ' '; echo ready; sleep 100"));
  expect(statSync(stage.runDir).mode & 0o777).toBe(0o700);
  expect(statSync(socketPath(stage.runDir, "h", "sock")).mode & 0o777).toBe(0o600);
  const [mask, descriptors] = (await terminal.screen()).lines;
  const ours = process.umask(0o022);
  process.umask(ours);
  expect(Number.parseInt(mask ?? "", 8)).toBe(ours);
  expect(descriptors).toBe("0 1 2 3 ready"); // 3 is the listing's own
});

test("a run directory that others can enter is closed before a host starts", LONG, async () => {
  const stage = newStage();
  await startProgram(stage);
  chmodSync(stage.runDir, 0o755);
  await startProgram(stage, { host: "h2" });
  expect(statSync(stage.runDir).mode & 0o777).toBe(0o700);
});

test("a program deaf to SIGHUP is killed when its host is closed", LONG, async () => {
  const stage = newStage();
  const terminal = await startProgram(stage, shell("trap '' HUP TERM; echo ready; while :; do sleep 0.05; done"));
  const exit = exitOf(terminal);
  await stage.backend.closeHost("h");
  expect(isRunning(terminal.pid)).toBe(false);
  expect(await exit).toEqual({ exitCode: null, signal: "SIGKILL" });
  expect(existsSync(socketPath(stage.runDir, "h", "sock"))).toBe(false);
});

test("a host that nobody can reach any more ends with its programs", LONG, async () => {
  const stage = newStage();
  const terminal = await startProgram(stage);
  const host = await stage.hostPid("h");
  rmSync(stage.runDir, { recursive: true });
  await becomesTrue("host and program are gone", () => !isRunning(host) && !isRunning(terminal.pid));
});

test("a host without terminals and without a daemon ends by itself", LONG, async () => {
  const stage = newStage({ hostIdleMs: 50 });
  const terminal = await startProgram(stage);
  const exit = exitOf(terminal);
  await terminal.write("exit 0\r");
  await exit;
  const host = await stage.hostPid("h");
  expect(isRunning(host)).toBe(true); // its daemon is still there
  stage.backend.disconnect();
  await becomesTrue("the host is gone", () => !isRunning(host));
  expect(existsSync(socketPath(stage.runDir, "h", "sock"))).toBe(false);
});

test("at the limit of open files a terminal is refused, and the others live on", LONG, async () => {
  const stage = newStage();
  const fewFiles = join(stage.cwd, "node-with-few-files");
  writeFileSync(fewFiles, `#!/bin/sh\nulimit -n 48\nexec ${process.execPath} "$@"\n`, { mode: 0o755 });
  const backend = createPtyBackend({
    runDir: stage.runDir,
    hostScript: HOST_SCRIPT,
    node: fewFiles,
    clock: systemClock,
    log: silentLog,
  });
  const opened: Terminal[] = [];
  const refusal = await (async () => {
    for (let turn = 0; turn < 48; turn++) opened.push(await backend.open(specOf(stage, shell("sleep 1000"))));
  })().catch((error: unknown) => error);
  expect(refusal).toMatchObject({ code: "terminal_unavailable", retryable: true });
  expect(opened.length).toBeGreaterThan(3);
  for (const terminal of opened) expect((await terminal.liveness()).is).toBe("alive");
  await backend.closeHost("h");
  backend.disconnect();
});

test("a long host name gets a short socket, and a run directory that leaves no room is refused", async () => {
  const name = "h".repeat(120);
  expect(Buffer.byteLength(socketPath("/run/user/1000/signalbox", name, "sock"))).toBeLessThan(104);
  expect(() => socketPath(`/${"deep/".repeat(25)}`, "h", "sock")).toThrow(/too long/);
  expect(() => socketPath("/run", "../evil", "sock")).toThrow(/letters/);
});

/** For a clock on which everything is due after 50 ms. */
function soon(run: () => void): Timer {
  const handle = setTimeout(run, 50);
  return { cancel: () => clearTimeout(handle) };
}

test.each([
  ["speaks another protocol", { event: "hello", protocol: 99, host: "h", pid: 1, instance: "x" }],
  ["speaks no protocol of ours", "hello"],
  ["does not greet", null],
])("of a host that %s nothing can be told", async (_, greeting) => {
  const stage = newStage();
  const hasty: Clock = { now: () => 0, monotonicMs: () => 0, after: (_delay, run) => soon(run) };
  const backend = createPtyBackend({
    runDir: stage.cwd,
    hostScript: HOST_SCRIPT,
    node: process.execPath,
    clock: hasty,
    log: silentLog,
  });
  const server: Server = createServer((socket) => {
    socket.on("error", () => {});
    if (greeting !== null) socket.write(greeting === "hello" ? "hello\n" : encodeFrame(greeting));
  });
  await new Promise<void>((resolve) => server.listen(socketPath(stage.cwd, "h", "sock"), resolve));
  expect((await backend.adopt("h", "t_any")).is).toBe("cannot_tell");
  await expect(backend.open(specOf(stage))).rejects.toMatchObject({ code: "terminal_unavailable" });
  server.close();
});
