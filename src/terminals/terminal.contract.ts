// What every terminal backend promises, as tests that run against each of them. A backend that cannot keep a promise says
// so with a reason; nothing is left out in silence. What is particular to one backend is tested beside it.

import { afterAll, beforeAll, expect, describe as suite, test } from "vitest";
import { describe as describeBytes } from "./contract-program.ts";
import type { ExitStatus, OpenSpec, Screen, Terminal, TerminalBackend } from "./terminal.ts";

/** A backend with what the contract needs around it. */
export interface ContractStage {
  backend: TerminalBackend;
  /** What a daemon sees that has started after the first one died. */
  anotherDaemon(): TerminalBackend;
  /** argv of the contract program, absolute. */
  program: readonly [string, ...string[]];
  env: Readonly<Record<string, string>>;
  cwd: string;
  /** Kills the host from outside, as by kill -9. */
  killHost(host: string): Promise<void>;
  tearDown(): Promise<void>;
}

export interface ContractSubject {
  name: string;
  setUp(): Promise<ContractStage>;
  /** Promise -> why this backend cannot keep it. */
  skips?: Partial<Record<PromiseName, string>>;
}

/** A failure, never a measure: everything below happens in milliseconds on an idle machine. */
const PATIENCE_MS = 20_000;

let refs = 0;

/** Waits until the screen is as wanted, looking only when the doorbell rings. */
export async function screenWhere(terminal: Terminal, isWanted: (screen: Screen) => boolean): Promise<Screen> {
  let screen: Screen | null = null;
  const deadline = Date.now() + PATIENCE_MS;
  while (Date.now() < deadline) {
    let stopListening = () => {};
    const rang = new Promise<"rang">((resolve) => {
      stopListening = terminal.onActivity(() => resolve("rang"));
    });
    screen = await terminal.screen();
    if (isWanted(screen)) {
      stopListening();
      return screen;
    }
    await Promise.race([rang, new Promise((resolve) => setTimeout(resolve, deadline - Date.now()))]);
    stopListening();
  }
  throw new Error(`the screen never was as wanted; last seen:\n${screen?.lines.join("\n").trimEnd()}`);
}

export function screenShowing(terminal: Terminal, text: string): Promise<Screen> {
  return screenWhere(terminal, (screen) => screen.lines.join("\n").includes(text));
}

export function exitOf(terminal: Terminal): Promise<ExitStatus | null> {
  return new Promise((resolve, reject) => {
    const patience = setTimeout(() => reject(new Error("no exit was told")), PATIENCE_MS);
    terminal.onExit((exit) => {
      clearTimeout(patience);
      resolve(exit);
    });
  });
}

interface Given {
  stage: ContractStage;
  spec(changes?: Partial<OpenSpec>): OpenSpec;
  /** The contract program, started and ready. */
  started(changes?: Partial<OpenSpec>): Promise<Terminal>;
}

const PROMISES = {
  async "what the program wrote stands on the screen"({ started }: Given) {
    const terminal = await started();
    await say(terminal, "grüße 日本 \x1b[31mred\x1b[0m\r\n");
    const screen = await screenShowing(terminal, "red");
    expect(screen.lines).toContain("grüße 日本 red");
    expect(screen.lines).toHaveLength(screen.size.rows);
    expect(screen.outputBytes).toBeGreaterThan(0);
    expect(screen.cursor).toMatchObject({ col: 0, visible: true });
  },

  async "dim cells are blank in the bright lines"({ started }: Given) {
    const terminal = await started();
    await say(terminal, "> typed\x1b[2m ghost 日\x1b[22m end\r\n");
    const screen = await screenShowing(terminal, "ghost");
    expect(screen.lines).toContain("> typed ghost 日 end");
    expect(screen.brightLines).toContain(`> typed${" ".repeat(9)} end`);
  },

  async "modes, title and cursor are seen"({ started }: Given) {
    const terminal = await started();
    expect(await terminal.screen()).toMatchObject({ bracketedPaste: false, alternate: false });
    await say(terminal, "\x1b]2;a title\x07\x1b[?1049h\x1b[?2004h\x1b[?25l\x1b[H\x1b[2Jfull screen\x1b[3;5H");
    const screen = await screenWhere(terminal, (seen) => seen.alternate && seen.cursor.row === 2);
    expect(screen).toMatchObject({
      bracketedPaste: true,
      title: "a title",
      cursor: { row: 2, col: 4, visible: false },
    });
    expect(screen.lines[0]).toBe("full screen");
  },

  async "the program's questions are answered once"({ started }: Given) {
    const terminal = await started();
    await terminal.write(`ask ${JSON.stringify("\x1b[1;1H\x1b[6n\x1b[cwaiting")}\r`);
    await screenShowing(terminal, "waiting");
    await terminal.write("!");
    const screen = await screenShowing(terminal, "answered");
    const answer = screen.lines.join("");
    expect(answer.match(/\[1;1R/g)).toHaveLength(1);
    expect(answer.match(/\[\?[0-9;]*c/g)).toHaveLength(1);
  },

  async "one MiB is written whole and in order"({ started }: Given) {
    const terminal = await started();
    const paste = `\x1b[200~${"äbc;'\"$(x)\\ ".repeat(80_000)}\x1b[201~`;
    const bytes = Buffer.from(paste, "utf8").toString("latin1");
    expect(bytes.length).toBeGreaterThan(1024 * 1024 - 50_000);
    await terminal.write(`collect ${bytes.length}\r`);
    await terminal.write(paste);
    const screen = await screenShowing(terminal, "collected");
    expect(screen.lines.join("")).toContain(describeBytes(bytes).split(" ", 2).join(" "));
  },

  async "two writers never mix"({ started }: Given) {
    const terminal = await started();
    await terminal.write("collect 300000\r");
    await Promise.all(["a", "b", "c"].map((letter) => terminal.write(letter.repeat(100_000))));
    const screen = await screenShowing(terminal, "collected");
    expect(screen.lines.join("")).toContain("a100000,b100000,c100000");
  },

  async "the doorbell rings once, and again after a look"({ started }: Given) {
    const terminal = await started();
    await terminal.screen();
    let rings = 0;
    const first = new Promise<void>((resolve) => {
      terminal.onActivity(() => {
        rings++;
        resolve();
      });
    });
    await say(terminal, "one\r\n");
    await first;
    for (const text of ["two\r\n", "three\r\n"]) await say(terminal, text);
    await tailHolding(terminal, "three");
    expect(rings).toBe(1);
    await terminal.screen();
    await say(terminal, "four\r\n");
    await screenShowing(terminal, "four");
    expect(rings).toBeGreaterThanOrEqual(2);
  },

  async "the tail goes on where it was left"({ started }: Given) {
    const terminal = await started();
    const before = await tailHolding(terminal, "ready");
    await say(terminal, "grüße\r\n");
    const after = await tailHolding(terminal, "grüße", before.next);
    expect(after.text).not.toContain("ready");
    expect(await terminal.tail(after.next)).toEqual({ text: "", next: after.next });
  },

  async "an exit is told with its code, after the last output"({ started }: Given) {
    const terminal = await started();
    const exit = exitOf(terminal);
    await terminal.write(`say ${JSON.stringify("x".repeat(3000))}\rsay "last words"\rexit 7\r`);
    expect(await exit).toEqual({ exitCode: 7, signal: null });
    expect(await terminal.liveness()).toEqual({ is: "gone", exit: { exitCode: 7, signal: null } });
    expect((await terminal.tail(0)).text).toContain("last words");
    expect((await terminal.screen()).lines.join("\n")).toContain("last words");
    expect(await exitOf(terminal)).toEqual({ exitCode: 7, signal: null }); // also for who listens late
  },

  async "an end by signal is told with its name"({ started }: Given) {
    const terminal = await started();
    const exit = exitOf(terminal);
    await terminal.signal("SIGTERM");
    expect(await exit).toEqual({ exitCode: null, signal: "SIGTERM" });
  },

  async "an ended terminal takes no bytes, and nothing else hurts it"({ started }: Given) {
    const terminal = await started();
    const exit = exitOf(terminal);
    await terminal.write("exit 0\r");
    await exit;
    await expect(terminal.write("x")).rejects.toMatchObject({ code: "terminal_unavailable" });
    await terminal.resize({ cols: 70, rows: 20 });
    await terminal.signal("SIGKILL", { group: true });
  },

  async "a program that cannot start is refused with the reason"({ stage, spec }: Given) {
    const missing = spec({ argv: ["/nonexistent/program"] });
    await expect(stage.backend.open(missing)).rejects.toMatchObject({ code: "terminal_unavailable" });
    const lost = spec({ cwd: "/nonexistent/directory" });
    await expect(stage.backend.open(lost)).rejects.toMatchObject({ code: "terminal_unavailable" });
    expect((await stage.backend.adopt(missing.host, missing.ref)).is).toBe("gone");
  },

  async "a ref is never given out twice"({ stage, spec, started }: Given) {
    const terminal = await started();
    const again = spec({ ref: terminal.ref, host: terminal.host });
    await expect(stage.backend.open(again)).rejects.toMatchObject({ code: "conflict" });
    expect(await terminal.liveness()).toEqual({ is: "alive", pid: terminal.pid });
  },

  async "a new size reaches screen and program"({ started }: Given) {
    const terminal = await started({ size: { cols: 90, rows: 30 } });
    await terminal.write("size\r");
    await screenShowing(terminal, "size=90x30");
    await terminal.resize({ cols: 61, rows: 17 });
    const screen = await eventually("the program has the new size", async () => {
      await terminal.write("size\r"); // asked again, because some terminals tell a program with a delay
      const seen = await terminal.screen();
      return seen.lines.includes("size=61x17") ? seen : null;
    });
    expect(screen.size).toEqual({ cols: 61, rows: 17 });
    expect(screen.lines).toHaveLength(17);
  },

  async "the program's environment is the one that was given"({ stage, started }: Given) {
    process.env.SIGNALBOX_CONTRACT_CANARY = "leaked";
    const terminal = await started({ env: { ...stage.env, GIVEN: "a ; b $(c) #{d}" } });
    await terminal.write("env GIVEN\renv SIGNALBOX_CONTRACT_CANARY\renv COLORTERM\r");
    const screen = await screenShowing(terminal, "COLORTERM");
    expect(screen.lines).toContain("GIVEN=a ; b $(c) #{d}");
    expect(screen.lines).toContain("SIGNALBOX_CONTRACT_CANARY is unset");
    expect(screen.lines).toContain("COLORTERM=truecolor");
  },

  async "a new daemon finds the terminal of the old one"({ stage, started }: Given) {
    const old = await started();
    await say(old, "from before\r\n");
    await screenShowing(old, "from before");
    const adopted = await stage.anotherDaemon().adopt(old.host, old.ref);
    if (adopted.is !== "found") throw new Error(`adopt said ${adopted.is}`);
    expect(adopted.terminal.pid).toBe(old.pid);
    await screenShowing(adopted.terminal, "from before");
    await say(adopted.terminal, "from after\r\n");
    await screenShowing(adopted.terminal, "from after");
    const exit = exitOf(adopted.terminal);
    await adopted.terminal.write("exit 3\r");
    expect(await exit).toEqual({ exitCode: 3, signal: null });
  },

  async "a new daemon learns how a program ended meanwhile"({ stage, started }: Given) {
    const terminal = await started();
    const exit = exitOf(terminal);
    await terminal.write("exit 5\r");
    await exit;
    const adopted = await stage.anotherDaemon().adopt(terminal.host, terminal.ref);
    expect(adopted).toEqual({ is: "gone", exit: { exitCode: 5, signal: null } });
  },

  async "what nobody knows is gone"({ stage, started }: Given) {
    const terminal = await started();
    expect(await stage.backend.adopt("h_unknown", "t_unknown")).toEqual({ is: "gone", exit: null });
    expect(await stage.backend.adopt(terminal.host, "t_unknown")).toEqual({ is: "gone", exit: null });
  },

  async "closing a host ends its programs and no others"({ stage, started }: Given) {
    const first = await started({ host: "h_closing" });
    const second = await started({ host: "h_closing" });
    const other = await started();
    const exits = [exitOf(first), exitOf(second)];
    await stage.backend.closeHost("h_closing");
    for (const exit of exits) await exit;
    for (const terminal of [first, second]) expect((await terminal.liveness()).is).toBe("gone");
    expect(await other.liveness()).toEqual({ is: "alive", pid: other.pid });
    await stage.backend.closeHost("h_closing"); // already gone is no error
  },

  async "the death of a host is told to each of its terminals"({ stage, started }: Given) {
    const first = await started({ host: "h_dying" });
    const second = await started({ host: "h_dying" });
    const other = await started();
    const exits = [exitOf(first), exitOf(second)];
    await stage.killHost("h_dying");
    expect(await Promise.all(exits)).toEqual([null, null]);
    expect(await other.liveness()).toEqual({ is: "alive", pid: other.pid });
    const anew = await started({ host: "h_dying" });
    expect((await stage.backend.adopt("h_dying", first.ref)).is).toBe("gone");
    expect(await anew.liveness()).toEqual({ is: "alive", pid: anew.pid });
  },

  async "a viewer sees the screen, then what comes, and types"({ started }: Given) {
    const terminal = await started();
    await say(terminal, "before the viewer\r\n");
    await screenShowing(terminal, "before the viewer");
    const viewer = await watch(terminal);
    await viewer.seen("before the viewer");
    await say(terminal, "after the viewer\r\n");
    await viewer.seen("after the viewer");
    const { viewerInputs } = await terminal.screen();
    viewer.attached.input(Buffer.from('say "typed by hand"\r'));
    await viewer.seen("typed by hand");
    expect((await terminal.screen()).viewerInputs).toBe(viewerInputs + 1);
    viewer.attached.detach();
    await say(terminal, "without the viewer\r\n");
    await screenShowing(terminal, "without the viewer");
    expect(viewer.text()).not.toContain("without the viewer");
  },

  async "a viewer's terminal does not answer for the program"({ started }: Given) {
    const terminal = await started();
    const viewer = await watch(terminal);
    await viewer.seen("ready");
    await terminal.write(`ask ${JSON.stringify("asking")}\r`);
    await viewer.seen("asking");
    const { viewerInputs } = await terminal.screen();
    viewer.attached.input(Buffer.from("\x1b[12;40R\x1b[?62;22c\x1b]11;rgb:0000/0000/0000\x1b\\\x1bP>|term 1\x1b\\"));
    viewer.attached.input(Buffer.from("k!"));
    await screenShowing(terminal, 'answered "k"');
    expect((await terminal.screen()).viewerInputs).toBe(viewerInputs + 1);
  },

  async "a viewer is told the end"({ started }: Given) {
    const terminal = await started();
    const viewer = await watch(terminal);
    await terminal.write("exit 4\r");
    expect(await viewer.end).toEqual({ exitCode: 4, signal: null });
  },

  async "a write that a person's key came before is refused whole"({ started }: Given) {
    const terminal = await started();
    const { viewerInputs } = await terminal.screen();
    await terminal.write('say "un', { ifViewerInputs: viewerInputs });
    const viewer = await watch(terminal);
    viewer.attached.input(Buffer.from("touched"));
    await eventually("the key is counted", async () => (await terminal.screen()).viewerInputs > viewerInputs || null);
    const refused = terminal.write("XXX", { ifViewerInputs: viewerInputs });
    await expect(refused).rejects.toMatchObject({ code: "conflict" });
    await terminal.write(' by us"\r');
    await screenShowing(terminal, "untouched by us");
  },
} satisfies Record<string, (given: Given) => Promise<void>>;

export type PromiseName = keyof typeof PROMISES;

export function keepsTheTerminalContract(subject: ContractSubject): void {
  suite(`${subject.name} keeps the terminal contract`, () => {
    let stage: ContractStage;
    beforeAll(async () => {
      stage = await subject.setUp();
    }, PATIENCE_MS);
    afterAll(async () => stage.tearDown(), PATIENCE_MS);

    for (const [name, keep] of Object.entries(PROMISES)) {
      const why = subject.skips?.[name as PromiseName];
      const title = why === undefined ? name : `${name} (not here: ${why})`;
      test.skipIf(why !== undefined)(title, { timeout: PATIENCE_MS * 2 }, async () => {
        const opened: Terminal[] = [];
        const spec = (changes: Partial<OpenSpec> = {}): OpenSpec => ({
          ref: `t_${process.pid}_${++refs}`,
          host: "h_contract",
          argv: stage.program,
          env: stage.env,
          cwd: stage.cwd,
          size: { cols: 100, rows: 30 },
          ...changes,
        });
        const started = async (changes: Partial<OpenSpec> = {}) => {
          const terminal = await stage.backend.open(spec(changes));
          opened.push(terminal);
          await screenShowing(terminal, "ready");
          return terminal;
        };
        await keep({ stage, spec, started });
        for (const terminal of opened) await terminal.signal("SIGKILL").catch(() => {});
      });
    }
  });
}

async function say(terminal: Terminal, text: string): Promise<void> {
  await terminal.write(`say ${JSON.stringify(text)}\r`);
}

function tailHolding(terminal: Terminal, text: string, from = 0) {
  return eventually(`the tail holds ${text}`, async () => {
    const tail = await terminal.tail(from);
    return tail.text.includes(text) ? tail : null;
  });
}

/** For the few things no bell rings for. */
async function eventually<Found>(what: string, look: () => Promise<Found | null>): Promise<Found> {
  const deadline = Date.now() + PATIENCE_MS;
  while (Date.now() < deadline) {
    const found = await look();
    if (found !== null) return found;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`never came true: ${what}`);
}

async function watch(terminal: Terminal) {
  let text = "";
  let look = () => {};
  let hearEnd = (_exit: ExitStatus | null) => {};
  const end = new Promise<ExitStatus | null>((resolve) => {
    hearEnd = resolve;
  });
  const attached = await terminal.attach(
    {
      output(data) {
        text += Buffer.from(data).toString("utf8");
        look();
      },
      exited: hearEnd,
    },
    { cols: 100, rows: 30 },
  );
  return {
    attached,
    end,
    text: () => text,
    seen: (wanted: string) =>
      new Promise<void>((resolve, reject) => {
        const patience = setTimeout(() => reject(new Error(`the viewer never saw ${wanted}: ${text}`)), PATIENCE_MS);
        look = () => {
          if (!text.includes(wanted)) return;
          clearTimeout(patience);
          resolve();
        };
        look();
      }),
  };
}
