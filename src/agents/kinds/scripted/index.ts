// The scripted agent as an agent kind: how to start it and how to understand it. No IO, and nothing of what the program
// itself does; that begins at program.ts.

import type { ConversationId } from "../../../kernel/ids.ts";
import type { AgentKind, RegistryEntry } from "../../kind.ts";
import { registryDirIn, scriptedHome, transcriptFileIn } from "./home.ts";
import { answers, translate } from "./hook-reader.ts";
import { readScreen } from "./screen-reader.ts";
import { renderTranscript, turnLines } from "./transcript-reader.ts";

const UP = "\x1b[A";
const DOWN = "\x1b[B";
const ENTER = "\r";

export const scripted: AgentKind = {
  name: "scripted",
  lookup: { is: "own_program", script: "scripted-agent" },
  parseVersion: () => null,
  refuseVersion: () => null,

  launch({ executable, conversationId, resume, name, permissionMode, model, systemPrompt, env, ...request }) {
    return {
      argv: [
        executable.path,
        ...executable.firstArgs,
        resume ? "--resume" : "--session-id",
        conversationId,
        "--name",
        name,
        "--permission-mode",
        permissionMode,
        ...(model === null ? [] : ["--model", model]),
        ...(systemPrompt === null ? [] : ["--append-system-prompt", systemPrompt]),
      ],
      env: {
        ...env,
        // Said outright, so that program and daemon mean the same folder whatever their temporary folders are.
        SIGNALBOX_SCRIPTED_HOME: scriptedHome(env),
        SIGNALBOX_HOOKS_URL: request.hooksUrl,
        SIGNALBOX_HOOK_SECRET: request.hookSecret,
        SIGNALBOX_MCP_URL: request.mcpUrl,
        SIGNALBOX_AGENT_TOKEN: request.mcpToken,
      },
    };
  },

  registryDir: (env) => registryDirIn(scriptedHome(env)),
  readRegistry,
  transcriptPath: (env, cwd, conversationId) => transcriptFileIn(scriptedHome(env), cwd, conversationId),
  isResumable: () => true,
  turnLines,
  renderTranscript,
  translate,
  readScreen,
  readApiTrouble: () => null,

  submitKeys: (text) => pasteKeys(text) + ENTER,
  pasteKeys,
  optionKeys({ selected }, option) {
    const steps = option - selected;
    return (steps < 0 ? UP : DOWN).repeat(Math.abs(steps)) + ENTER;
  },
  peerLine: (text) => text,
  typed: (text) => text,
  draftKeys: (text) => `\x1b[200~${text}\x1b[201~`,
  keys: { enter: ENTER, interrupt: "\x1b", clearLine: "\x15", stash: "\x13" },
  answers,
};

/** A backslash directly before Enter would break the line instead of submitting; the blank is trimmed off again. */
function pasteKeys(text: string): string {
  return `\x1b[200~${text}${text.endsWith("\\") ? " " : ""}\x1b[201~`;
}

function readRegistry(text: string): RegistryEntry | null {
  let raw: Record<string, unknown> | null;
  try {
    raw = JSON.parse(text);
  } catch {
    return null;
  }
  const { pid, sessionId, status, waitingFor, statusUpdatedAt } = raw ?? {};
  if (typeof pid !== "number" || typeof sessionId !== "string") return null;
  if (status !== "idle" && status !== "busy" && status !== "waiting") return null;
  return {
    pid,
    conversationId: sessionId as ConversationId,
    status,
    waitingFor: typeof waitingFor === "string" ? waitingFor : null,
    statusUpdatedAtMs: typeof statusUpdatedAt === "number" ? statusUpdatedAt : null,
    peerSocket: null,
  };
}
