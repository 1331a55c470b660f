// Which version of Claude Code can do what. Pure. Only what was measured against the real program stands here; what lies
// between two measured versions is treated like the older one, because an unknown flag ends the program at start.

/** The oldest version driven against the scripted model. */
const OLDEST = "2.1.197";

/** From here on: --system-prompt-snapshot. Older ones exit with "unknown option". */
const PROMPT_SNAPSHOT = "2.1.330";

/** The version in what `claude --version` printed ("2.1.330 (Claude Code)"), or null. */
export function parseVersion(printed: string): string | null {
  return /\b(\d+\.\d+\.\d+)\b/.exec(printed)?.[1] ?? null;
}

/** Why this version is not driven; null when it is. Newer versions than any we know are welcome. */
export function refuseVersion(version: string): { why: string; nextStep: string } | null {
  if (isAtLeast(version, OLDEST)) return null;
  return {
    why: `Claude Code ${version} is older than ${OLDEST}, the oldest version signalbox has been tested with.`,
    nextStep:
      "Update it (claude update, or npm install -g @anthropic-ai/claude-code), or set SIGNALBOX_CLAUDE to a newer one.",
  };
}

export function knowsPromptSnapshot(version: string | null): boolean {
  return version !== null && isAtLeast(version, PROMPT_SNAPSHOT);
}

function isAtLeast(version: string, least: string): boolean {
  const [left, right] = [version, least].map((text) => text.split(".").map(Number));
  for (let i = 0; i < 3; i++) {
    const difference = (left?.[i] ?? 0) - (right?.[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}
