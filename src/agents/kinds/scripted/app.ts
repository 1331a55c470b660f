// The terminal program around a conversation: keys go into the open dialog or the box, Enter makes prompts, and every
// change is drawn and written to the registry. Nothing runs while nothing happens: no timer, no poll.

import type { Clock, Timer } from "../../../kernel/clock.ts";
import { sleep } from "../../../kernel/clock.ts";
import { type Box, createBox } from "./box.ts";
import { type Conversation, type ConversationUi, createConversation } from "./conversation.ts";
import { createDialogDesk } from "./dialog-desk.ts";
import { trustDialog, upsellDialog } from "./dialogs.ts";
import { createPainter, layOut } from "./frame.ts";
import { createHooks } from "./hooks.ts";
import type { HttpClient } from "./http.ts";
import { createKeyDecoder, type Key } from "./keys.ts";
import { createMcpClient } from "./mcp.ts";
import type { Oracle } from "./oracle.ts";
import type { Registry } from "./registry.ts";
import type { Script } from "./script.ts";
import type { Transcript } from "./transcript.ts";
import { STASHED_SIGN } from "./words.ts";

export interface TerminalPort {
  size(): { cols: number; rows: number };
  write(bytes: string): void;
  /** Resolves when the terminal has taken what was written. */
  drained(): Promise<void>;
}

export interface App {
  start(source: "startup" | "resume"): Promise<void>;
  /** Bytes from the terminal. */
  input(bytes: Uint8Array): void;
  resized(): void;
  /** Leaves tidily: session end told, registry file gone, terminal as it was. */
  leave(code: number, why: string): Promise<void>;
}

/** Between the two presses of Ctrl-C that leave (1-2 s in Claude Code). */
const EXIT_PRESSES_MS = 1_500;
/** How long the registry says idle before an offer opens at start-up (20-25 ms in Claude Code). */
const UPSELL_AFTER_MS = 20;
const HISTORY_ENTRIES_MAX = 200;
const FLOOD_CHUNK_BYTES = 16 * 1024;
const PLACEHOLDER = 'Try "hello"';

const ENTER_TERMINAL = "\x1b[?1049h\x1b[?2004h\x1b[2J";
const LEAVE_TERMINAL = "\x1b[?2004l\x1b[?25h\x1b[?1049l";

export function createApp(options: {
  firstId: string;
  agent: string;
  cwd: string;
  permissionMode: string;
  /** Prompts of the conversation so far. */
  pastTurns: number;
  pasteId: string;
  script: Script;
  hooksUrl: string | null;
  hookSecret: string;
  mcpUrl: string | null;
  mcpToken: string;
  http: HttpClient;
  clock: Clock;
  uuid: () => string;
  terminal: TerminalPort;
  registry: Registry;
  openTranscript: (conversationId: string) => Transcript;
  isTrusted: () => boolean;
  rememberTrust: () => void;
  oracle: Oracle;
  /** Ends the process at once. */
  exit: (code: number) => void;
  /** Ends the process as SIGKILL does. */
  crash: () => void;
}): App {
  const { agent, cwd, script, clock, terminal, registry, oracle } = options;
  const box: Box = createBox(options.pasteId);
  const decoder = createKeyDecoder();
  const painter = createPainter(terminal.write);
  const history: string[] = [];
  const desk = createDialogDesk({ oracle, changed });
  let placeholder: string | null = null;
  let swallows = script.swallowEnters;
  let lastEscape = false;
  let exitPressedAt = Number.NEGATIVE_INFINITY;
  let hint: string | null = null;
  let keyPause: Timer | null = null;
  let drawIsDue = false;
  let leaving = false;
  const ui: ConversationUi = {
    show(text) {
      history.push(text);
      if (history.length > HISTORY_ENTRIES_MAX) history.shift();
      draw();
    },
    changed,
    promptTaken: () => box.restoreStash(),
    putBack(prompt) {
      box.putBack(prompt);
      oracle({ event: "draft", text: box.draft() });
      draw();
    },
    setPlaceholder(text) {
      placeholder = text;
    },
    ask: desk.ask,
    flood,
    exit: (code, why) => void leave(code, why),
    crash: options.crash,
  };

  const conversation: Conversation = createConversation({
    firstId: options.firstId,
    agent,
    cwd,
    permissionMode: options.permissionMode,
    script,
    openTranscript: options.openTranscript,
    oracle,
    ui,
    hooks: () => hooks,
    world: {
      clock,
      uuid: options.uuid,
      mcp: createMcpClient({ url: options.mcpUrl, token: options.mcpToken, http: options.http }),
    },
  });
  const hooks = createHooks({
    url: options.hooksUrl,
    secret: options.hookSecret,
    http: options.http,
    clock,
    behaviour: script.hooks,
    base: () => conversation.hookBase(),
    heard: (name, outcome) => {
      oracle({ event: "hook", name, outcome });
      if (outcome === "failed") ui.show(`⎿ ${name} hook failed`);
    },
  });

  async function start(source: "startup" | "resume"): Promise<void> {
    terminal.write(ENTER_TERMINAL);
    history.push(`signalbox scripted agent · ${agent} · ${cwd}`);
    if (options.pastTurns > 0) history.push(`Resumed after ${options.pastTurns} prompts`);
    draw();
    if (script.startup.delayMs > 0) await sleep(clock, script.startup.delayMs);
    if (script.startup.dialogs.includes("trust") && !options.isTrusted() && !(await askTrust())) return;
    await conversation.start(source);
    oracle({ event: "ready" });
    if (script.startup.dialogs.includes("upsell")) {
      await sleep(clock, UPSELL_AFTER_MS);
      await desk.ask(upsellDialog(), "dialog open").answer;
    }
  }

  async function askTrust(): Promise<boolean> {
    const answer = await desk.ask(trustDialog(cwd), "dialog open").answer;
    if (answer.is === "option" && answer.option === 1) {
      options.rememberTrust();
      return true;
    }
    await leave(1, "not trusted");
    return false;
  }

  function input(bytes: Uint8Array): void {
    keyPause?.cancel();
    press(decoder.feed(bytes));
    const pauseMs = decoder.pauseMs();
    if (pauseMs !== null) keyPause = clock.after(pauseMs, () => press(decoder.flush()));
  }

  function press(keys: Key[]): void {
    if (keys.length === 0 || leaving) return;
    const before = box.draft();
    hint = null;
    for (const key of keys) {
      const inDialog = desk.shown() !== null;
      if (inDialog) desk.press(key, keys.length === 1);
      else pressInBox(key);
      lastEscape = !inDialog && key.is === "key" && key.name === "escape";
    }
    desk.endBurst();
    if (box.draft() !== before) oracle({ event: "draft", text: box.draft() });
    draw();
  }

  function pressInBox(key: Key): void {
    if (key.is === "text") box.type(key.text);
    else if (key.is === "paste") box.paste(key.text);
    else if (key.name === "enter") enter();
    else KEYS[key.name]?.();
  }

  const KEYS: Record<string, () => void> = {
    newline: () => box.newline(),
    backspace: () => box.backspace(),
    "ctrl-u": () => box.clearLine(),
    "ctrl-s": () => box.stash(),
    escape: () => {
      if (conversation.interrupt()) return;
      if (lastEscape) box.clear();
    },
    "ctrl-c": () => {
      if (conversation.interrupt()) return;
      if (clock.monotonicMs() - exitPressedAt < EXIT_PRESSES_MS) return void leave(0, "prompt_input_exit");
      exitPressedAt = clock.monotonicMs();
      box.clear();
      hint = "Press Ctrl-C again to exit";
    },
    "ctrl-d": () => {
      if (box.draft() === "") void leave(0, "prompt_input_exit");
    },
  };

  function enter(): void {
    if (conversation.phase() === "starting") {
      // As in Claude Code: the text stays and the Enter is lost, so it would sit there for ever.
      oracle({ event: "enter_lost", why: "starting" });
      return;
    }
    if (swallows > 0 && box.draft() !== "") {
      swallows -= 1;
      oracle({ event: "enter_lost", why: "script" });
      return;
    }
    const prompt = box.enter();
    if (prompt === null) return;
    const start = prompt.trimStart();
    const command = /^\/([a-z][a-z0-9:_-]*)(?:\s|$)/i.exec(start)?.[1];
    if (start.startsWith("!")) runShell(start.slice(1).trim());
    else if (command !== undefined) runCommand(command);
    else conversation.submit(prompt);
  }

  /** The real program would run it without asking anybody; here it is only written down. */
  function runShell(command: string): void {
    oracle({ event: "shell", command });
    ui.show(`! ${command}`);
  }

  function runCommand(name: string): void {
    const known = name === "clear" || name === "exit";
    oracle({ event: "slash", command: name, known });
    if (name === "exit") void leave(0, "prompt_input_exit");
    else if (!known) ui.show(`Unknown command: /${name}`);
    else if (conversation.phase() === "busy") ui.show("A turn is running: interrupt it before /clear");
    else {
      history.length = 0;
      void conversation.clear();
    }
  }

  function changed(): void {
    report();
    draw();
  }

  /** There is no registry file before the prompt is ready, so none while a start-up dialog is open. */
  function report(): void {
    const phase = conversation.phase();
    if (phase === "starting" || phase === "over") return;
    const waitingFor = desk.shown()?.waitingFor ?? null;
    const status = waitingFor !== null ? "waiting" : phase;
    registry.write({ sessionId: conversation.id(), status, waitingFor });
  }

  /** Draws once for all that happens in one tick. */
  function draw(): void {
    if (drawIsDue) return;
    drawIsDue = true;
    queueMicrotask(() => {
      drawIsDue = false;
      if (leaving) return;
      const isReady = conversation.phase() !== "starting";
      const stashed = box.isStashed() ? STASHED_SIGN : "";
      painter.paint(
        layOut({
          ...terminal.size(),
          history,
          activity: conversation.activity(),
          queued: conversation.queued(),
          dialog: desk.shown()?.dialog ?? null,
          box: isReady ? { draft: box.draft(), placeholder: placeholder ?? PLACEHOLDER } : null,
          footer: (hint ?? box.notice() ?? `${options.permissionMode} mode`) + stashed,
        }),
      );
    });
  }

  async function flood(bytes: number): Promise<void> {
    const line = `${"flood ".repeat(12)}\r\n`;
    for (let left = bytes; left > 0 && !leaving; left -= FLOOD_CHUNK_BYTES) {
      const length = Math.min(left, FLOOD_CHUNK_BYTES);
      terminal.write(line.repeat(Math.ceil(length / line.length)).slice(0, length));
      await terminal.drained();
    }
    painter.forget();
    draw();
  }

  async function leave(code: number, why: string): Promise<void> {
    if (leaving) return;
    leaving = true;
    await conversation.end(why === "prompt_input_exit" ? why : "other");
    registry.remove();
    oracle({ event: "exit", code, why });
    terminal.write(LEAVE_TERMINAL);
    options.exit(code);
  }

  return {
    start,
    input,
    resized() {
      painter.forget();
      draw();
    },
    leave,
  };
}
