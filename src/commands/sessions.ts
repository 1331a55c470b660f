// Sessions: a codebase, the protection its agents work under, and the terminal they live in.

import { realpathSync, statSync } from "node:fs";
import { basename, isAbsolute } from "node:path";
import { z } from "zod";
import type { Role } from "../access/principal.ts";
import type { SecurityLevel } from "../agents/registry.ts";
import { isoTime } from "../kernel/clock.ts";
import { SignalboxError } from "../kernel/errors.ts";
import type { BackendName } from "../terminals/terminal.ts";
import { endAgents, refuseToLose, workAtRisk, worktreesAtRisk } from "./endings.ts";
import { defineCommand } from "./execute.ts";
import { force, idempotencyKey, nameField, note, sessionId } from "./fields.ts";
import { type House, requireSession } from "./house.ts";

const LEVELS: readonly SecurityLevel[] = ["LOW", "MEDIUM", "HIGH"];

export const createSession = defineCommand({
  name: "create_session",
  title: "Create a session on a codebase",
  description:
    "Opens a session: one codebase whose agents share a terminal host and a security level. Do this first, then create_agent. " +
    "Answers the session_id and the resolved root_path. Set trust only if the person has said that the directory's content is " +
    "trustworthy: Claude Code's own trust dialog is then answered with yes.",
  level: "MEDIUM",
  effect: { readOnly: false, destructive: false, idempotent: false },
  waits: false,
  localOnly: false,
  input: z.strictObject({
    root_path: z.string().min(1).max(4_096).describe("Absolute path of an existing directory: the codebase."),
    name: nameField("session (default: the directory's name)").optional(),
    security_level: z.enum(LEVELS).optional().describe("LOW has no sandbox. Default: the daemon's own."),
    terminal: z
      .enum(["auto", "iterm2", "tmux", "pty"])
      .default("auto")
      .describe("Where agents get their terminal tabs."),
    workspace: z
      .enum(["shared", "worktree"])
      .default("shared")
      .describe(
        "shared: agents work in root_path itself. worktree: each in a git worktree and on a branch of its own.",
      ),
    trust: z.boolean().default(false).describe("The person vouches for the directory."),
    idempotency_key: idempotencyKey,
  }),
  output: z.looseObject({
    session_id: z.string(),
    name: z.string(),
    root_path: z.string(),
    security_level: z.string(),
    terminal: z.string(),
    workspace: z.string(),
    created_at: z.string(),
  }),
  async prepare({ house }, input) {
    const root = resolveRoot(input.root_path);
    if (input.workspace === "worktree") await house.workplaces.survey(root);
    return { root, terminal: await chooseTerminal(house, input.terminal) };
  },
  run({ house, principal, note }, input, prepared: { root: string; terminal: BackendName }) {
    const level = chooseLevel(house, principal.role, input.security_level);
    if (house.registry.sessions().length >= house.limits.maxSessions) {
      throw new SignalboxError(
        "limit_reached",
        `There are ${house.limits.maxSessions} sessions already.`,
        "Delete one with delete_session, or end the daemon with `signalbox stop` and start it with a larger --max-sessions.",
      );
    }
    const row = house.registry.addSession(
      {
        session_id: house.ids.session(),
        name: input.name ?? (basename(prepared.root).replace(/\p{C}/gu, "") || "root"),
        root_path: prepared.root,
        security_level: level,
        terminal: prepared.terminal,
        workspace: input.workspace,
        trust: input.trust ? 1 : 0,
      },
      house.clock.now(),
    );
    note({ level, terminal: row.terminal, trust: input.trust });
    const { session_id, name, root_path, security_level, terminal, workspace } = row;
    const created_at = isoTime(row.created_at);
    return {
      target: session_id,
      answer: { session_id, name, root_path, security_level, terminal, workspace, created_at },
    };
  },
});

export const deleteSession = defineCommand({
  name: "delete_session",
  title: "Delete a session and its agents",
  description:
    "Ends every agent of the session, then the session. The codebase itself is not touched. Without force it is refused when a " +
    "turn is running, messages are queued, or a worktree holds work that no other branch has, and says which. `note` tells " +
    "what stays behind of worktrees.",
  level: "HIGH",
  effect: { readOnly: false, destructive: true, idempotent: false },
  waits: true,
  localOnly: false,
  input: z.strictObject({ session_id: sessionId, force }),
  output: z.looseObject({ session_id: z.string(), deleted: z.boolean(), agents_deleted: z.number(), note }),
  async prepare({ house, principal }, input) {
    const session = requireSession(house, principal, input.session_id);
    return input.force ? [] : await worktreesAtRisk(house, house.registry.agents(session.session_id));
  },
  run(call, input, worktreeLosses: string[]) {
    const { house, principal } = call;
    const session = requireSession(house, principal, input.session_id);
    const agents = house.registry.agents(session.session_id);
    if (!input.force) refuseToLose([...agents.flatMap((row) => workAtRisk(house, row)), ...worktreeLosses]);
    const finish = endAgents(call, agents);
    house.registry.removeSession(session.session_id, house.clock.now());
    call.ring("session", session.session_id);
    return {
      target: session.session_id,
      answer: async () => {
        const left = await finish();
        await house.supervisor.closeHost(session);
        return { session_id: session.session_id, deleted: true, agents_deleted: agents.length, ...left };
      },
    };
  },
});

/** The directory with symlinks and `..` resolved, or `invalid_input`. */
function resolveRoot(path: string): string {
  const refuse = (why: string): never => {
    throw new SignalboxError(
      "invalid_input",
      `root_path ${why}.`,
      "Give the absolute path of an existing directory, for example the top of a git repository.",
    );
  };
  if (!isAbsolute(path)) refuse("must be an absolute path");
  if (path.includes("\0")) refuse("holds a NUL character");
  try {
    const resolved = realpathSync(path);
    if (!statSync(resolved).isDirectory()) refuse("is not a directory");
    return resolved;
  } catch (error) {
    if (error instanceof SignalboxError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    return refuse(code === "ENOENT" ? "does not exist" : `cannot be read (${code ?? "unknown error"})`);
  }
}

/** A backend asked for by name and not there is an error, never a silent fallback; `auto` takes the first that answers. */
async function chooseTerminal(house: House, wanted: "auto" | BackendName): Promise<BackendName> {
  const candidates = wanted === "auto" ? [...house.backends.keys()] : [wanted];
  for (const name of candidates) {
    const availability = await house.backends.get(name)?.availability();
    if (availability?.is === "available") return name;
    if (wanted !== "auto" && availability?.is === "missing") {
      throw new SignalboxError(
        "terminal_unavailable",
        `The terminal ${name} is not there: ${availability.why}.`,
        availability.nextStep,
      );
    }
  }
  throw new SignalboxError(
    "terminal_unavailable",
    `The terminal ${wanted} is not there.`,
    "Use terminal: pty, which needs nothing installed.",
  );
}

/** The level the session gets, or the refusal of CONTRACT section 1. Without a sandbox on board only LOW can be had. */
function chooseLevel({ limits }: House, role: Role, wanted: SecurityLevel | undefined): SecurityLevel {
  const least = limits.leastLevel;
  const level = wanted ?? least;
  const isFree = least === "LOW" || role === "owner";
  const nextStep = isFree
    ? "Ask for level LOW if its agents may run with your own rights."
    : `If agents may run with your own rights, end the daemon with \`signalbox stop\` and start it without --security-level ${least}, which may stand in an MCP client's entry.`;
  if (LEVELS.indexOf(level) < LEVELS.indexOf(least) && !isFree) {
    throw new SignalboxError("permission_denied", `Only the owner may create a session below ${least} here.`, nextStep);
  }
  if (level === "LOW") return level;
  throw new SignalboxError(
    "sandbox_unavailable",
    `A session of level ${level} needs a sandbox, and this version of signalbox has none.`,
    nextStep,
  );
}
