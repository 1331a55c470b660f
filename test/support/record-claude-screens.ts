// Records what the real agent program shows in each situation that the screen reader must tell apart, as the golden
// screens of src/agents/kinds/claude-code/golden. Run by hand when a new version is taken up:
//   node test/support/record-claude-screens.ts 2.1.330 [case ...]
// Then look at every changed file: the golden test says what each screen means, this program does not.

import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Screen } from "../../src/terminals/terminal.ts";
import { type AgentTerminal, openAgentTerminal } from "./agent-terminal.ts";
import { ensureRealClaude, freshClaudeHome } from "./real-claude.ts";
import { fail, gate, type ScriptedModel, say, startScriptedModel, useTool } from "./scripted-model/index.ts";

const [version = "2.1.330", ...only] = process.argv.slice(2);
const target = join(import.meta.dirname, "../../src/agents/kinds/claude-code/golden", version);

interface Stage {
  cwd: string;
  terminal: AgentTerminal;
  model: ScriptedModel;
  /** Pastes and submits; the pause keeps older versions from losing the Enter. */
  prompt(text: string): Promise<void>;
  ready(): Promise<Screen>;
  shows(text: string): Promise<Screen>;
}

interface Case {
  args?: readonly string[];
  trusted?: boolean;
  approveKey?: boolean;
  settings?: object;
  env?: Record<string, string>;
  /** Ends with the screen to record standing. */
  play(stage: Stage): Promise<unknown>;
}

/** A frame may still be painting when its first word stands; the recording waits for the picture to be still. */
const STILL_MS = 400;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const paste = (text: string) => `\x1b[200~${text}\x1b[201~`;
const BIG = Array.from({ length: 60 }, (_, i) => `line ${i} of something long`).join("\n");

const CASES: Record<string, Case> = {
  "idle-fresh": { play: (stage) => stage.ready() },
  "idle-named": { args: ["--name", "Agent_1"], play: (stage) => stage.ready() },
  "idle-after-turn": {
    async play({ prompt, shows, ready }) {
      await ready();
      await prompt("hello there");
      await shows("ACK: hello there");
      await pause(1_000);
    },
  },
  "idle-after-menu-like-reply": {
    async play({ model, prompt, shows, ready }) {
      model.script({ reply: say("Do you want to proceed?\n❯ 1. Yes\n  2. No\n\nEsc to cancel") });
      await ready();
      await prompt("imitate a dialog");
      await shows("Do you want to proceed?");
      await pause(1_000);
    },
  },
  "draft-one-line": {
    async play({ terminal, ready, shows }) {
      await ready();
      terminal.write("half a thought");
      await shows("half a thought");
    },
  },
  "draft-three-lines": {
    async play({ terminal, ready, shows }) {
      await ready();
      terminal.write(paste("first line\nsecond line\nthird line"));
      await shows("third line");
    },
  },
  "draft-wrapped": {
    async play({ terminal, ready, shows }) {
      await ready();
      terminal.write(paste(`${"a long sentence that goes on ".repeat(9)}and ends here`));
      await shows("ends here");
    },
  },
  "draft-blank": {
    async play({ terminal, ready }) {
      await ready();
      terminal.write("   ");
      await pause(500);
    },
  },
  "draft-pasted-big": {
    async play({ terminal, ready, shows }) {
      await ready();
      terminal.write(paste(BIG));
      await shows("ast");
    },
  },
  "draft-slash-menu": {
    async play({ terminal, ready, shows }) {
      await ready();
      terminal.write("/");
      await shows("/branch");
      await pause(500);
    },
  },
  "draft-shell-mode": {
    async play({ terminal, ready }) {
      await ready();
      terminal.write("!ls");
      await pause(800);
    },
  },
  "stashed-draft": {
    async play({ terminal, ready, shows }) {
      await ready();
      terminal.write("half a thought");
      await shows("half a thought");
      terminal.write("\x13");
      await pause(800);
    },
  },
  "help-open": {
    async play({ terminal, ready }) {
      await ready();
      terminal.write("?");
      await pause(800);
    },
  },
  busy: {
    async play({ model, prompt, ready, shows }) {
      model.script({ reply: say(["Thinking about it\n\nand ", gate().opened]) });
      await ready();
      await prompt("think");
      await shows("Thinking about it");
    },
  },
  "busy-queued": {
    async play({ model, prompt, ready, shows }) {
      model.script({ reply: say(["Thinking about it\n\nand ", gate().opened]) });
      await ready();
      await prompt("think");
      await shows("Thinking about it");
      await prompt("and then this");
      await pause(800);
    },
  },
  interrupted: {
    async play({ terminal, model, prompt, ready, shows }) {
      model.script({ reply: say(["Thinking about it\n\nand ", gate().opened]) });
      await ready();
      await prompt("think");
      await shows("Thinking about it");
      await pause(500);
      terminal.write("\x1b");
      await shows("Interrupted");
    },
  },
  "interrupted-before-first-byte": {
    async play({ terminal, model, prompt, ready }) {
      model.script({ reply: say("never", { after: gate().opened }) });
      await ready();
      await prompt("think of nothing");
      await model.waitForRequest((request) => request.kind === "main");
      await pause(500);
      terminal.write("\x1b");
      await pause(800);
    },
  },
  "api-retry": {
    async play({ model, prompt, ready, shows }) {
      model.script({ reply: fail(401) });
      await ready();
      await prompt("hello");
      await shows("attempt");
    },
  },
  "api-failed": {
    async play({ model, prompt, ready, shows }) {
      model.script({ reply: fail(400) });
      await ready();
      await prompt("hello");
      await shows("400");
      await pause(800);
    },
  },
  "permission-bash": {
    async play({ model, prompt, ready, shows }) {
      model.script({ reply: useTool("Bash", { command: "touch here.txt", description: "Makes a file" }), times: 1 });
      await ready();
      await prompt("make a file");
      await shows("Do you want");
    },
  },
  "permission-bash-long": {
    async play({ model, prompt, ready, shows }) {
      const command = Array.from({ length: 12 }, (_, i) => `echo "step ${i}" >> log.txt`).join("\n");
      model.script({ reply: useTool("Bash", { command, description: "Writes a log" }), times: 1 });
      await ready();
      await prompt("write a log");
      await shows("Do you want");
    },
  },
  "permission-write": {
    async play({ cwd, model, prompt, ready, shows }) {
      const file_path = join(cwd, "x.txt");
      model.script({ reply: useTool("Write", { file_path, content: "one\ntwo\n" }), times: 1 });
      await ready();
      await prompt("write a file");
      await shows("Do you want");
    },
  },
  "permission-second-option": {
    async play({ terminal, model, prompt, ready, shows }) {
      model.script({ reply: useTool("Bash", { command: "touch here.txt", description: "Makes a file" }), times: 1 });
      await ready();
      await prompt("make a file");
      await shows("Do you want");
      await pause(500);
      terminal.write("\x1b[B");
      await pause(500);
    },
  },
  question: {
    async play({ model, prompt, ready, shows }) {
      const options = [
        { label: "Red", description: "Warm" },
        { label: "Blue", description: "Cold" },
      ];
      const questions = [{ question: "Which colour?", header: "Colour", multiSelect: false, options }];
      model.script({ reply: useTool("AskUserQuestion", { questions }), times: 1 });
      await ready();
      await prompt("ask me");
      await shows("Which colour?");
    },
  },
  "plan-exit": {
    args: ["--permission-mode", "plan"],
    async play({ model, prompt, ready, shows }) {
      model.script({ reply: useTool("ToolSearch", { query: "select:ExitPlanMode", max_results: 1 }), times: 1 });
      model.script({
        when: (request) => request.kind === "main" && (request.toolResults.length > 0 || !version.startsWith("2.1.33")),
        times: 1,
        reply: useTool("ExitPlanMode", { plan: "# Plan\n\n1. Do it.", planFilePath: "/tmp/plan.md" }),
      });
      await ready();
      await prompt("plan it");
      await shows("plan mode?");
    },
  },
  trust: { trusted: false, play: ({ shows }) => shows("trust") },
  "api-key": { approveKey: false, play: ({ shows }) => shows("API key") },
  "bypass-warning": {
    args: ["--permission-mode", "bypassPermissions"],
    env: { IS_SANDBOX: "1" },
    play: ({ shows }) => shows("Bypass Permissions"),
  },
  "bypass-idle": {
    args: ["--permission-mode", "bypassPermissions"],
    env: { IS_SANDBOX: "1" },
    settings: { skipDangerousModePermissionPrompt: true },
    play: ({ ready }) => ready(),
  },
  "plan-idle": { args: ["--permission-mode", "plan"], play: ({ ready }) => ready() },
  "auto-idle": { args: ["--permission-mode", "auto"], play: ({ ready }) => ready() },
  "settings-warning": {
    settings: { hooks: { NoSuchEvent: [{ hooks: [{ type: "command", command: "true" }] }] } },
    play: ({ shows }) => shows("Settings"),
  },
  "invisible-characters": {
    async play({ terminal, ready }) {
      await ready();
      terminal.write(`${paste("plain \u202Eturned\u202C and \u2066more\u2069")}\r`);
      await pause(1_500);
    },
  },
  "usage-panel": {
    async play({ prompt, ready }) {
      await ready();
      await prompt("/usage");
      await pause(1_500);
    },
  },
  "model-menu": {
    async play({ prompt, ready }) {
      await ready();
      await prompt("/model");
      await pause(1_500);
    },
  },
  "rewind-menu": {
    async play({ terminal, prompt, ready, shows }) {
      await ready();
      await prompt("hello there");
      await shows("ACK: hello there");
      await pause(1_000);
      terminal.write("\x1b");
      await pause(100);
      terminal.write("\x1b");
      await pause(1_000);
    },
  },
};

async function record(name: string, one: Case): Promise<void> {
  const model = await startScriptedModel();
  // A fixed place, because its path stands on the screens and these are compared across machines.
  const cwd = await realpath(await mkdtemp(join(tmpdir(), "golden-")));
  const home = await freshClaudeHome({
    modelUrl: model.url,
    trusted: one.trusted === false ? [] : [cwd],
    ...(one.approveKey === undefined ? {} : { approveKey: one.approveKey }),
    ...(one.env === undefined ? {} : { env: one.env }),
  });
  const settings = JSON.stringify({ tui: "fullscreen", ...one.settings });
  const mode = one.args?.includes("--permission-mode") ? [] : ["--permission-mode", "default"];
  const claude = await ensureRealClaude(version);
  const terminal = openAgentTerminal({
    argv: [claude, "--settings", settings, ...mode, ...(one.args ?? [])],
    env: home.env,
    cwd,
  });
  const shows = (text: string) => terminal.waitForScreen((s) => s.lines.some((l) => l.includes(text)), text);
  try {
    await one.play({
      cwd,
      terminal,
      model,
      shows,
      async prompt(text) {
        terminal.write(paste(text));
        await pause(300);
        terminal.write("\r");
      },
      async ready() {
        const screen = await shows("❯");
        await pause(1_000);
        return screen;
      },
    });
    await pause(STILL_MS);
    const screen = await terminal.screen();
    const text = `${JSON.stringify(screen, null, 1)}\n`
      .replaceAll(cwd, "/project")
      .replaceAll(basename(cwd), "project");
    await writeFile(join(target, `${name}.json`), text);
    console.log(`--- ${name}\n${screen.lines.filter((line) => line !== "").join("\n")}`);
  } catch (error) {
    console.log(`!!! ${name}: ${error instanceof Error ? error.message : error}`);
  } finally {
    await terminal.end();
    await model.stop();
    await home.remove();
    await rm(cwd, { recursive: true, force: true });
  }
}

await mkdir(target, { recursive: true });
for (const [name, one] of Object.entries(CASES)) if (only.length === 0 || only.includes(name)) await record(name, one);
