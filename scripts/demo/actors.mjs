// Who plays the agents: the real claude with a scripted model on loopback, or the built-in stand-in. Either comes with the
// environment it needs, the reason why it was chosen, and a way to be put away again.

import { execFileSync } from "node:child_process";
import { accessSync, constants, mkdirSync, statSync, writeFileSync } from "node:fs";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { answerForModel, scriptForStandIn } from "./play.mjs";

/** `agents` is "any", "claude" or "stand-in"; `dir` an own directory. Rejects with an Error whose message says what to do. */
export async function chooseActors({ agents, path, dir, agentId }) {
  const claude = agents === "stand-in" ? null : path ? executable(resolve(path)) : findOnPath("claude");
  if (claude !== null) return await realClaude(claude, { dir, agentId });
  if (path) throw new Error(`${path} is no program that can be started.`);
  if (agents !== "claude") return standIn(dir, agents === "any" ? "there is no claude on PATH" : "you asked for it");
  console.log("No claude is on PATH: taking the one in your cache directory, where npm puts it once (about 400 MB).");
  const { ensureRealClaude } = await import("../../test/support/real-claude.ts");
  return await realClaude(await ensureRealClaude(), { dir, agentId });
}

async function realClaude(program, { dir, agentId }) {
  const { startScriptedModel, say, useTool } = await import("../../test/support/scripted-model/index.ts");
  const { freshClaudeHome } = await import("../../test/support/real-claude.ts");
  const model = await startScriptedModel();
  model.script({ reply: answerForModel(agentId, { say, useTool }) });
  const TMPDIR = join(dir, "tmp"); // it leaves things there
  mkdirSync(TMPDIR);
  const { env, remove } = await freshClaudeHome({ modelUrl: model.url, env: { TMPDIR } });
  const version = execFileSync(program, ["--version"], { env, encoding: "utf8" }).trim();
  return {
    kind: "claude-code",
    who: `the real ${version}, with a scripted model on this machine and a home of its own`,
    why: program,
    env: { ...env, SIGNALBOX_CLAUDE: program },
    async leave() {
      await model.stop();
      await remove();
    },
  };
}

function standIn(dir, why) {
  const script = join(dir, "script.json");
  writeFileSync(script, JSON.stringify(scriptForStandIn()));
  return {
    kind: "scripted",
    who: "the built-in stand-in, a small terminal program that behaves like claude and thinks by a script",
    why: `${why}; \`npm run demo -- --claude\` shows the real one`,
    env: { HOME: dir, SIGNALBOX_SCRIPT: script, SIGNALBOX_SCRIPTED_HOME: join(dir, "stand-in") },
    async leave() {},
  };
}

function findOnPath(command) {
  const dirs = (process.env.PATH ?? "").split(delimiter).filter(isAbsolute);
  return dirs.map((dir) => executable(join(dir, command))).find((path) => path !== null) ?? null;
}

function executable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile() ? path : null;
  } catch {
    return null;
  }
}
