// Where a scripted agent keeps its files, and how they are named: known to the program that writes them and to the kind
// that has them read. Pure. Never the folder of any other program: a scripted agent leaves Claude's own files alone.

import { join } from "node:path";

export type Env = Readonly<Record<string, string | undefined>>;

/** The folder of all scripted agents that share `env`. One per user, because the temporary folder is everybody's. */
export function scriptedHome(env: Env): string {
  const chosen = env.SIGNALBOX_SCRIPTED_HOME;
  if (chosen !== undefined && chosen !== "") return chosen;
  const user = process.getuid?.() ?? env.USERNAME ?? "user";
  return join(env.TMPDIR ?? "/tmp", `signalbox-scripted-${user}`);
}

/** One `<pid>.json` per running agent. */
export function registryDirIn(home: string): string {
  return join(home, "sessions");
}

/** One folder per working directory, one file per conversation in it. */
export function projectsDirIn(home: string): string {
  return join(home, "projects");
}

export function transcriptFileIn(home: string, cwd: string, conversationId: string): string {
  return join(projectsDirIn(home), encodePath(cwd), `${conversationId}.jsonl`);
}

/** Present once a person has said that the folder is to be trusted. */
export function trustFileIn(home: string, cwd: string): string {
  return join(home, "trusted", encodePath(cwd));
}

function encodePath(path: string): string {
  return path.replaceAll(/[^A-Za-z0-9]/g, "-");
}
