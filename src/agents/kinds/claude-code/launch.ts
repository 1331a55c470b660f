// How Claude Code is started: argv and environment from a launch request. Pure. Secrets travel in the environment only;
// the settings and the MCP entry name the variables, and the program fills them in (measured, oldest and newest version).

import type { LaunchPlan, LaunchRequest, PermissionMode } from "../../kind.ts";
import { hookSettings, statusLine } from "./hooks.ts";
import { knowsPromptSnapshot } from "./versions.ts";

/** The name of our MCP entry; the agent sees its tools as mcp__signalbox__<tool>. */
export const MCP_SERVER = "signalbox";

/** "manual" is a newer word for what every version calls "default"; older ones refuse the new word and exit. */
const PERMISSION_MODE_FLAG: Record<PermissionMode, string> = {
  manual: "default",
  acceptEdits: "acceptEdits",
  plan: "plan",
  auto: "auto",
  bypassPermissions: "bypassPermissions",
};

/** Its own way from agent to agent: it would pass by the mailbox, and nobody could account for what it carried. */
const OWN_MESSAGING_TOOLS = "SendMessage,ListAgents";

export function launch(request: LaunchRequest): LaunchPlan {
  const { executable, systemPrompt, resume } = request;
  const argv: [string, ...string[]] = [
    executable.path,
    ...executable.firstArgs,
    resume ? "--resume" : "--session-id",
    request.conversationId,
    "--name",
    plainName(request.name),
    "--permission-mode",
    PERMISSION_MODE_FLAG[request.permissionMode],
    "--settings",
    JSON.stringify(settings(request)),
    "--mcp-config",
    JSON.stringify(mcpConfig(request.mcpUrl)),
    "--allowedTools",
    `mcp__${MCP_SERVER}`,
    "--disallowedTools",
    OWN_MESSAGING_TOOLS,
  ];
  if (request.model !== null) argv.push("--model", request.model);
  if (systemPrompt !== null) {
    argv.push("--append-system-prompt", systemPrompt);
    // A resumed conversation otherwise keeps the text of its first request, whatever is appended now.
    if (resume && knowsPromptSnapshot(executable.version)) argv.push("--system-prompt-snapshot", "off");
  }
  return {
    argv,
    env: {
      // A fleet that updates the program under itself restarts into a version nobody chose. An outer setting wins.
      DISABLE_AUTOUPDATER: "1",
      ...request.env,
      // One key (Left, in an empty box) would move the conversation into the program's own background service, under another id
      // and out of our hands (measured: it goes on there when its agent is deleted).
      CLAUDE_CODE_DISABLE_AGENT_VIEW: "1",
      SIGNALBOX_HOOKS_URL: request.hooksUrl,
      SIGNALBOX_HOOK_SECRET: request.hookSecret,
      SIGNALBOX_PROMPT_RECORD: request.promptRecord,
      SIGNALBOX_AGENT_TOKEN: request.mcpToken,
    },
  };
}

/** The program writes the name into the rule above its box. What is drawn wider than it is long, or looks like a rule or a sign
 *  itself, would hide the box from us. */
function plainName(name: string): string {
  return name.replace(
    /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Extended_Pictographic}\u2500-\u259f\u3000-\u303f\uff00-\uffef❯]/gu,
    "·",
  );
}

function settings(request: LaunchRequest) {
  return {
    hooks: hookSettings(request.hooksUrl, request.hookHelper, request.headerPattern),
    statusLine: statusLine(request.hookHelper),
    // Any value keeps the "try the new renderer" offer away, which opens at start and takes a pasted Enter for "Yes".
    tui: "fullscreen",
    // Ghost text in the box costs a model request per turn, and Enter on an empty box would send it.
    promptSuggestionEnabled: false,
    // A letter that ends in ":smi" would open a menu that eats the Enter.
    emojiCompletionEnabled: false,
    // Messages of other agents come from signalbox alone, which has checked who sent them; without this a session in
    // bypassPermissions holds each of them behind a dialog.
    crossSessionInbound: "accept",
    // Asked for by name in the request; the warning would hold every start until a person is there.
    ...(request.permissionMode === "bypassPermissions" ? { skipDangerousModePermissionPrompt: true } : {}),
  };
}

function mcpConfig(url: string) {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the program fills this in from its environment.
  const headers = { Authorization: "Bearer ${SIGNALBOX_AGENT_TOKEN}" };
  // Without alwaysLoad the tools hide behind a search that the model has to think of.
  return { mcpServers: { [MCP_SERVER]: { type: "http", url, headers, alwaysLoad: true } } };
}
