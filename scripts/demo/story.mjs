// The demonstration itself, from the first connection to the last trace cleared away: two agents talk, a dialog holds a
// message back, the daemon is killed. Everything goes through signalbox's public doors.

import { chooseActors } from "./actors.mjs";
import { openLedger } from "./ledger.mjs";
import { aside, complain, say, screen, step, table, title } from "./paper.mjs";
import { ORDERS } from "./play.mjs";
import { makeCodebase, makeDirectory, openStage, removeDirectory } from "./stage.mjs";

/** Long enough to see that nothing is typed into the dialog. */
const HELD_BACK_MS = 2_000;
const SCREEN_LINES = 9;
const AUDIT_ROWS = 10;

/** Resolves to the exit code, when nothing of the demonstration is left. */
export async function showDemo({ root, agents, path }) {
  const dir = makeDirectory();
  const undo = [() => removeDirectory(dir)];
  const cutShort = new Promise((_, reject) => {
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(name, () => reject(new Interrupted()));
  });
  try {
    await Promise.race([play({ root, dir, agents, path, undo }), cutShort]);
    return 0;
  } catch (error) {
    if (error instanceof Interrupted) say("\n   Stopped; clearing up.");
    else complain(error instanceof Error ? error.message : String(error));
    return 1;
  } finally {
    for (const clear of undo.reverse()) await clear();
    aside(`${dir} and everything started in it are gone.`);
  }
}

class Interrupted extends Error {}

async function play({ root, dir, agents, path, undo }) {
  const ids = new Map();
  const actors = await chooseActors({ agents, path, dir, agentId: (name) => ids.get(name) });
  undo.push(actors.leave);
  title("signalbox: two agents, one codebase, every message accounted for");
  say(`Agents:  ${actors.who}`);
  aside(`         ${actors.why}`);
  say(`Place:   ${dir}, removed at the end`);

  const stage = openStage({ root, dir, env: actors.env });
  undo.push(stage.clear);
  let client = await stage.connect();
  undo.push(() => client.close());
  const team = { client: () => client, ids, kind: actors.kind };
  await assemble(team, makeCodebase(dir, stage.env));
  const { sessionId } = team;
  const nameOf = (id) => [...ids].find(([, known]) => known === id)?.[0] ?? id;
  const ledger = openLedger({ client: () => client, sessionId, nameOf });

  await letThemTalk(team, ledger);
  await holdBack(team, ledger);
  client = await killDaemon(team, stage);

  step("The live table: signalbox status");
  stage.show("status");
  if (actors.kind === "claude-code") aside("COST is what claude itself reckons; the scripted model charges nothing.");
  step("Who did what: the end of the audit log");
  await showAudit(client, nameOf);
  step("The end");
}

async function assemble(team, codebase) {
  const client = team.client();
  step("An MCP client connects, makes a session on a codebase and two agents in it");
  const { daemon, notice } = await client.call("get_session_status");
  say(`signalbox mcp   started a daemon, pid ${daemon.pid}`);
  const session = await client.call("create_session", { root_path: codebase, name: "shop", trust: true });
  team.sessionId = session.session_id;
  say(`create_session  ${session.name}, ${session.root_path}, level ${session.security_level}`);
  for (const specialization of ["asks", "answers"]) {
    const { session_id } = session;
    const agent = await client.call("create_agent", { session_id, kind: team.kind, specialization });
    if (agent.state !== "ready") throw new Error(`${agent.name} is ${agent.state}: ${agent.state_reason}`);
    team.ids.set(agent.name, agent.agent_id);
    say(`create_agent    ${agent.name} is ${agent.state}, in a terminal of its own`);
  }
  if (notice) aside(notice);
}

async function letThemTalk({ ids }, ledger) {
  step("You ask Agent_1, Agent_1 asks Agent_2 through its own signalbox tool, Agent_2 writes back");
  say(`you: "${ORDERS.ask}"`);
  ledger.restart();
  await ledger.send(ids.get("Agent_1"), ORDERS.ask);
  await ledger.untilEnded(3);
  aside("delivered is said only on the agent's own word; processed when its turn is over.");
}

async function holdBack({ client, ids }, ledger) {
  const agentId = ids.get("Agent_2");
  step("Agent_2 asks for permission, and a message comes in behind its dialog");
  say(`you: "${ORDERS.remove}"`);
  ledger.restart();
  await ledger.send(agentId, ORDERS.remove);
  const asked = await untilItAsks(client(), agentId, ledger);
  say(`waiting_for: ${asked.kind}, ${asked.tool}: ${asked.summary.split("\n")[0]}`);
  say();
  say(`you: "${ORDERS.behind}"`);
  await ledger.send(agentId, ORDERS.behind);
  await ledger.watchFor(HELD_BACK_MS);
  say(`${HELD_BACK_MS / 1000} s later it is still queued: its Enter would have answered what stands on the screen:`);
  const { text } = await client().call("read_agent", { agent_id: agentId });
  screen(lastLines(text, SCREEN_LINES));
  say();
  say("answer_agent: allow");
  await client().call("answer_agent", { agent_id: agentId, request_id: asked.request_id, decision: "allow" });
  await ledger.untilEnded(5);
}

async function untilItAsks(client, agentId, ledger) {
  let asked = null;
  await ledger.until(async () => {
    const { sessions } = await client.call("get_session_status");
    asked = sessions.flatMap((session) => session.agents).find((agent) => agent.agent_id === agentId).waiting_for;
    return asked !== null;
  });
  return asked;
}

/** The client that is connected afterwards. */
async function killDaemon({ client, ids }, stage) {
  step("The daemon is killed (kill -9), and nothing is lost");
  const before = await client().call("get_session_status");
  process.kill(before.daemon.pid, "SIGKILL");
  await client().close();
  const next = await stage.connect();
  for (const agent_id of ids.values()) await next.call("wait_for_agent", { agent_id });
  const after = await next.call("get_session_status");
  const pids = ({ sessions }) => sessions.flatMap((session) => session.agents.map(({ name, pid }) => [name, pid]));
  table([
    ["", "before", "after"],
    ["daemon", before.daemon.pid, after.daemon.pid],
    ...pids(before).map(([name, pid], index) => [name, pid, pids(after)[index]?.[1] ?? "gone"]),
  ]);
  aside("The next client started a new daemon, which found the agents where they were.");
  return next;
}

/** What changed something; who only looked is in the log as well, and left out here. */
async function showAudit(client, nameOf) {
  const readers = new Set(
    (await client.tools()).filter((tool) => tool.annotations?.readOnlyHint).map(({ name }) => name),
  );
  const rows = [];
  for (let cursor; ; ) {
    const page = await client.call("get_audit_log", { limit: 1_000, ...(cursor ? { cursor } : {}) });
    rows.push(...page.entries.filter(({ tool }) => !readers.has(tool)));
    cursor = page.next_cursor;
    if (cursor === null) break;
  }
  const cells = ({ seq, at, actor, tool, outcome }) => {
    const who = actor.startsWith("agent:") ? `agent ${nameOf(actor.slice("agent:".length))}` : actor;
    return [seq, at.slice(11, 19), who, tool, outcome];
  };
  table([["SEQ", "TIME", "WHO", "DID", "OUTCOME"], ...rows.slice(-AUDIT_ROWS).map(cells)]);
  aside("Each row carries the hash of the one before it.");
}

function lastLines(text, count) {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .slice(-count)
    .map((line) => line.slice(0, 90));
}
