// Where Claude Code keeps its files and what its registry file says. Pure: paths and text in, values out.

import { join } from "node:path";
import type { ConversationId } from "../../../kernel/ids.ts";
import type { RegistryEntry } from "../../kind.ts";

type Env = Readonly<Record<string, string>>;

export function registryDir(env: Env): string {
  return join(configDir(env), "sessions");
}

/** `cwd` must be resolved, as the program itself sees it. */
export function transcriptPath(env: Env, cwd: string, conversationId: ConversationId): string {
  return join(configDir(env), "projects", projectName(cwd), `${conversationId}.jsonl`);
}

function configDir(env: Env): string {
  return env.CLAUDE_CONFIG_DIR || join(env.HOME ?? "", ".claude");
}

/** Longer directory names are cut here and told apart by a hash. */
const PROJECT_NAME_MAX = 200;

/** Every UTF-16 unit but plain letters and digits becomes a dash (measured with umlauts, kana, emoji, blanks). */
function projectName(cwd: string): string {
  const path = cwd.normalize("NFC");
  const name = path.replace(/[^a-zA-Z0-9]/g, "-");
  if (name.length <= PROJECT_NAME_MAX) return name;
  return `${name.slice(0, PROJECT_NAME_MAX)}-${Math.abs(hash32(path)).toString(36)}`;
}

/** The 31-based string hash in 32 signed bits. */
function hash32(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  return hash;
}

/** `shell` = idle while a background shell still runs; the prompt is free all the same. */
const STATUSES: Record<string, RegistryEntry["status"]> = {
  idle: "idle",
  shell: "idle",
  busy: "busy",
  waiting: "waiting",
};

/** One registry file; null while it is half written, has no status yet, or has one we do not know. */
export function readRegistry(text: string): RegistryEntry | null {
  let raw: Record<string, unknown> | null;
  try {
    raw = JSON.parse(text);
  } catch {
    return null;
  }
  const { pid, sessionId, waitingFor, statusUpdatedAt, messagingSocketPath } = raw ?? {};
  const status = STATUSES[String(raw?.status)];
  if (typeof pid !== "number" || typeof sessionId !== "string" || status === undefined) return null;
  return {
    pid,
    conversationId: sessionId as ConversationId,
    status,
    waitingFor: status === "waiting" && typeof waitingFor === "string" ? waitingFor : null,
    statusUpdatedAtMs: typeof statusUpdatedAt === "number" ? statusUpdatedAt : null,
    // Measured on 2.1.330; 2.1.197 has no such socket and says nothing.
    peerSocket: typeof messagingSocketPath === "string" ? messagingSocketPath : null,
  };
}
