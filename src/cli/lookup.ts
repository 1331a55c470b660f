// People name agents and sessions; the daemon wants ids. A word that is an id is taken as one, a name must be the only
// one of its kind, and what is neither is left for the daemon to refuse.

import { SignalboxError } from "../kernel/errors.ts";
import type { Link } from "./daemon-link.ts";
import type { Status } from "./status.ts";
import { cleanLine } from "./text.ts";

/** The id of the agent with that id or name; `session` (id or name) narrows the search. */
export async function findAgent(link: Link, word: string, session: string | undefined): Promise<string> {
  const status = await askStatus(link);
  const within = session === undefined ? null : pickSession(status, session);
  const agents = status.sessions
    .filter((candidate) => within === null || candidate.session_id === within)
    .flatMap((candidate) => candidate.agents.map((agent) => ({ ...agent, session: candidate })));
  const byId = agents.find((agent) => agent.agent_id === word);
  if (byId) return byId.agent_id;
  const named = agents.filter((agent) => agent.name === word);
  if (named.length === 1) return (named[0] as (typeof named)[0]).agent_id;
  if (named.length === 0 && /^agt_\w+$/.test(word)) return word; // Perhaps a deleted one, whose messages are still there.
  if (named.length === 0) throw unknown("agent", word, within === null ? "" : ` in session ${JSON.stringify(session)}`);
  const candidates = named.map((agent) => `${agent.agent_id} in ${agent.session.name} (${agent.session.session_id})`);
  throw ambiguous("agents", word, candidates, "Give the agent's id, or name the session with --session.");
}

/** The id of the session with that id or name. */
export async function findSession(link: Link, word: string): Promise<string> {
  return pickSession(await askStatus(link), word);
}

function pickSession({ sessions }: Status, word: string): string {
  if (sessions.some((session) => session.session_id === word)) return word;
  const named = sessions.filter((session) => session.name === word);
  if (named.length === 1) return (named[0] as (typeof named)[0]).session_id;
  if (named.length === 0 && /^ses_\w+$/.test(word)) return word;
  if (named.length === 0) throw unknown("session", word, "");
  const candidates = named.map((session) => `${session.session_id} (${session.root_path})`);
  throw ambiguous("sessions", word, candidates, "Give the session's id.");
}

async function askStatus(link: Link): Promise<Status> {
  return (await link.call("get_session_status", {})) as unknown as Status;
}

function unknown(what: string, word: string, where: string): SignalboxError {
  const message = `There is no ${what} ${JSON.stringify(word)}${where}.`;
  return new SignalboxError("not_found", message, "`signalbox status` lists sessions and agents.");
}

function ambiguous(what: string, word: string, candidates: string[], nextStep: string): SignalboxError {
  const list = candidates.map(cleanLine).join(", ");
  return new SignalboxError("invalid_input", `Several ${what} are named ${JSON.stringify(word)}: ${list}.`, nextStep);
}
