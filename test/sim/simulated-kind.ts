// The scripted kind with two additions. Its program notes its prompts down, as Claude Code does; and every piece of keys says what it is for, in private-use characters that the simulated
// terminal takes off again. So the checkers know whether an Enter was meant for the box or for a dialog.

import type { AgentKind } from "../../src/agents/kind.ts";
import { peerLine } from "../../src/agents/kinds/claude-code/keys.ts";
import { scripted } from "../../src/agents/kinds/scripted/index.ts";

export type Source =
  /** `isCounted`: where the keys land it is counted that somebody typed, before anything else is typed there. */
  | { is: "person"; isCounted: boolean }
  | { is: "submit" | "enter" | "interrupt" | "clear" | "stash" | "unknown" }
  /** An answer to the dialog whose summary this is. */
  | { is: "option"; summary: string };

const TAGS = ["submit", "enter", "interrupt", "clear", "stash"] as const;
const FIRST_TAG = 0xf100;
const OPTION_TAG = "\uf1ff";
const OPTION_END = "\uf1fe";

const tagOf = (name: (typeof TAGS)[number]) => String.fromCharCode(FIRST_TAG + TAGS.indexOf(name));

function taggedKeys(): AgentKind["keys"] {
  const keys: Record<string, string | null> = { ...scripted.keys };
  const names: Record<string, (typeof TAGS)[number]> = {
    enter: "enter",
    interrupt: "interrupt",
    clearLine: "clear",
    stash: "stash",
  };
  for (const [key, value] of Object.entries(keys)) {
    const name = names[key];
    if (typeof value === "string" && name !== undefined) keys[key] = tagOf(name) + value;
  }
  return keys as unknown as AgentKind["keys"];
}

export const simulatedKind: AgentKind = {
  ...scripted,
  launch(request) {
    const { argv, env } = scripted.launch(request);
    return { argv, env: { ...env, SIGNALBOX_PROMPT_RECORD: request.promptRecord } };
  },
  readRegistry(text) {
    const entry = scripted.readRegistry(text);
    if (entry === null) return null;
    const { messagingSocketPath } = JSON.parse(text) as { messagingSocketPath?: string };
    return { ...entry, peerSocket: messagingSocketPath ?? null };
  },
  peerLine,
  submitKeys: (text) => tagOf("submit") + scripted.submitKeys(text),
  pasteKeys: (text) => tagOf("submit") + scripted.pasteKeys(text),
  optionKeys: (dialog, option) => `${OPTION_TAG}${dialog.summary}${OPTION_END}${scripted.optionKeys(dialog, option)}`,
  keys: taggedKeys(),
};

/** Takes the tag off. */
export function sourceOf(tagged: string): { from: Source; bytes: string } {
  if (tagged.startsWith(OPTION_TAG)) {
    const end = tagged.indexOf(OPTION_END);
    return { from: { is: "option", summary: tagged.slice(1, end) }, bytes: tagged.slice(end + 1) };
  }
  const name = TAGS[tagged.charCodeAt(0) - FIRST_TAG];
  if (name === undefined) return { from: { is: "unknown" }, bytes: tagged };
  return { from: { is: name }, bytes: tagged.replaceAll(tagOf(name), "") };
}
