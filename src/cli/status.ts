// get_session_status for a person: a table per session, and below it every question that waits for an answer with the
// command that gives it. Field names are the contract's; the result is data from outside and is read with care.

import { type Cell, type Colour, clean, cleanLine, type Looks, paint, table, truncate } from "./text.ts";

interface WaitingFor {
  kind: string;
  request_id: string;
  tool?: string | null;
  summary?: string;
  options?: string[];
}

interface AgentStatus {
  agent_id: string;
  name: string;
  state: string;
  waiting_for: WaitingFor | null;
  state_reason: string | null;
  since: string | null;
  current_task: string | null;
  queued_messages: number;
  last_reply: string | null;
  context_used_pct: number | null;
  cost_usd: number | null;
}

interface SessionStatus {
  session_id: string;
  name: string;
  root_path: string;
  security_level: string;
  terminal: string;
  workspace: string;
  health: unknown;
  tasks?: { total: number; done: number; in_progress: number; blocked: number };
  agents: AgentStatus[];
}

export interface Status {
  sessions: SessionStatus[];
  daemon: Record<string, unknown>;
  /** What every answer of this daemon has to say, e.g. that there is no sandbox. */
  notice?: unknown;
}

const STATE_COLOURS: Record<string, Colour> = {
  ready: "green",
  working: "cyan",
  waiting: "yellow",
  crashed: "red",
  failed: "red",
  exited: "dim",
  closed: "dim",
};

/** The whole status as lines that fit the width. `nowMs` is wall time, for the ages. */
export function renderStatus(status: Status, looks: Looks, nowMs: number): string {
  const sessions = status.sessions.flatMap((session) => [...renderSession(session, looks, nowMs), ""]);
  if (sessions.length === 0) sessions.push("No sessions. Create one with `signalbox session create PATH`.", "");
  const notice = typeof status.notice === "string" ? [paint(looks, "yellow", cleanLine(status.notice))] : [];
  return `${[...sessions, ...notice, renderDaemon(status.daemon, looks)].join("\n")}\n`;
}

function renderSession(session: SessionStatus, looks: Looks, nowMs: number): string[] {
  const facts = [
    paint(looks, "bold", cleanLine(session.name)),
    cleanLine(session.session_id),
    cleanLine(session.root_path),
    levelWords(session.security_level),
    cleanLine(session.terminal),
    ...(session.workspace === "worktree" ? ["worktrees"] : []),
    ...taskWords(session.tasks),
  ];
  const head = facts.join("  ");
  const health = typeof session.health === "string" ? cleanLine(session.health) : "ok";
  return [
    head,
    ...(health === "ok" ? [] : [`  ${paint(looks, "yellow", health)}`]),
    ...(session.agents.length === 0 ? ["  no agents"] : agentLines(session.agents, looks, nowMs)),
    ...session.agents.flatMap((agent) => renderQuestion(agent, looks)),
  ];
}

/** LOW runs agents with the person's own rights, which every view of a session says. */
export function levelWords(level: string): string {
  return level === "LOW" ? "LOW (no sandbox)" : cleanLine(level);
}

function taskWords(tasks: SessionStatus["tasks"]): string[] {
  if (tasks === undefined || tasks.total === 0) return [];
  const blocked = tasks.blocked > 0 ? `, ${tasks.blocked} blocked` : "";
  return [`tasks ${tasks.done}/${tasks.total} done${blocked}`];
}

/** Longer names are for `--json`; a column must leave room for the others. */
const NAME_CELLS_MAX = 24;

/** Of a reply that may hold a megabyte, more than any line shows. */
const EXCERPT_CHARS = 300;

/** The table, and below an agent's row why it is in its state, where no open question says it in full. */
function agentLines(agents: readonly AgentStatus[], looks: Looks, nowMs: number): string[] {
  const [heads = "", ...rows] = table(looks, agentRows(agents, nowMs), "  ");
  const withReasons = agents.flatMap(({ state_reason: reason, waiting_for: asked }, i) => [
    rows[i] ?? "",
    ...(reason === null || reason === asked?.summary ? [] : [`    ${paint(looks, "dim", excerpt(reason))}`]),
  ]);
  return [heads, ...withReasons];
}

function agentRows(agents: readonly AgentStatus[], nowMs: number): Cell[][] {
  const hasTasks = agents.some((agent) => agent.current_task !== null);
  const rows = agents.map((agent): Cell[] => [
    { text: truncate(cleanLine(agent.name), NAME_CELLS_MAX), colour: "bold" },
    { text: cleanLine(agent.state), colour: STATE_COLOURS[agent.state] ?? null },
    { text: cleanLine(agent.waiting_for?.kind ?? "-") },
    { text: age(agent.since, nowMs), alignRight: true },
    { text: String(agent.queued_messages), alignRight: true },
    { text: agent.context_used_pct == null ? "-" : `${Math.round(agent.context_used_pct)}%`, alignRight: true },
    { text: agent.cost_usd == null ? "-" : `$${agent.cost_usd.toFixed(2)}`, alignRight: true },
    ...(hasTasks ? [{ text: cleanLine(agent.current_task ?? "-") }] : []),
    { text: excerpt(agent.last_reply) },
  ]);
  const names = ["AGENT", "STATE", "WAITING FOR", "SINCE", "QUEUE", "CONTEXT", "COST", ...(hasTasks ? ["TASK"] : [])];
  const heads = [...names, "LAST REPLY"].map(
    (text, i): Cell => ({
      text,
      colour: "dim",
      alignRight: rows[0]?.[i]?.alignRight ?? false,
    }),
  );
  return [heads, ...rows];
}

function excerpt(text: string | null): string {
  return cleanLine((text ?? "-").slice(0, EXCERPT_CHARS));
}

function renderQuestion(agent: AgentStatus, looks: Looks): string[] {
  const asked = agent.waiting_for;
  if (asked === null) return [];
  const about = [asked.kind, asked.tool].filter(Boolean).join(" ");
  const summary = clean(asked.summary ?? "")
    .split("\n")
    .map((line) => `    ${line}`);
  const options = (asked.options ?? []).map((option) => JSON.stringify(cleanLine(option))).join(", ");
  const answer = `signalbox agent answer ${cleanLine(agent.agent_id)} ${cleanLine(asked.request_id)} allow|deny`;
  return [
    "",
    `  ${paint(looks, "yellow", `${cleanLine(agent.name)} asks: ${cleanLine(about)}`)}`,
    ...summary,
    `    ${answer}${options ? ` (or one of ${options})` : ""}`,
  ];
}

function renderDaemon(daemon: Record<string, unknown>, looks: Looks): string {
  const { version, pid, agents, max_agents, sessions, max_sessions } = daemon;
  const words = `signalbox ${version}, pid ${pid}, agents ${agents}/${max_agents}, sessions ${sessions}/${max_sessions}`;
  return paint(looks, "dim", cleanLine(words));
}

const MINUTE_S = 60;
const HOUR_S = 3_600;
const DAY_S = 86_400;

/** How long ago, in the largest unit that is whole. A clock that was set back shows 0s. */
export function age(since: string | null, nowMs: number): string {
  const startedMs = Date.parse(since ?? "");
  if (Number.isNaN(startedMs)) return "-";
  const seconds = Math.max(0, Math.floor((nowMs - startedMs) / 1_000));
  if (seconds < MINUTE_S) return `${seconds}s`;
  if (seconds < HOUR_S) return `${Math.floor(seconds / MINUTE_S)}m`;
  return seconds < DAY_S ? `${Math.floor(seconds / HOUR_S)}h` : `${Math.floor(seconds / DAY_S)}d`;
}
