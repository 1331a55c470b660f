// Claude Code as an agent kind: how to find and start it and how to understand it. No IO; each subject has its own file
// beside this one, and the one program among them (hook-helper.ts) is only named here, never imported.

import type { AgentKind } from "../../kind.ts";
import { readRegistry, registryDir, transcriptPath } from "./files.ts";
import { answers, translate } from "./hooks.ts";
import { draftKeys, keys, optionKeys, pasteKeys, peerLine, submitKeys, typed } from "./keys.ts";
import { launch } from "./launch.ts";
import { readApiTrouble, readScreen } from "./screen.ts";
import { isResumable, renderTranscript, turnLines } from "./transcript.ts";
import { parseVersion, refuseVersion } from "./versions.ts";

export const claudeCode: AgentKind = {
  name: "claude-code",
  lookup: {
    is: "on_path",
    variable: "SIGNALBOX_CLAUDE",
    command: "claude",
    versionArgs: ["--version"],
    install:
      "Install it (npm install -g @anthropic-ai/claude-code), or set SIGNALBOX_CLAUDE to its path before the daemon starts.",
  },
  parseVersion,
  refuseVersion,
  launch,
  registryDir,
  readRegistry,
  transcriptPath,
  isResumable,
  turnLines,
  renderTranscript,
  translate,
  readScreen,
  readApiTrouble,
  peerLine,
  typed,
  submitKeys,
  pasteKeys,
  draftKeys,
  optionKeys,
  keys,
  answers,
};
