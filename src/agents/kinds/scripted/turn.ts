// One turn of the stand-in: what stands where a model would think. It walks through a rule's actions, each with the
// hooks, the transcript lines and the dialogs that Claude Code would have. What comes before and after a turn is
// conversation.ts's concern.

import { sleep } from "../../../kernel/clock.ts";
import { waitForFile } from "./gate.ts";
import { type Action, acknowledge, fill } from "./script.ts";
import { askQuestion, runTool, useTool } from "./tool-use.ts";
import { Interrupted, type Progress, type TurnRequest, type TurnWorld, unlessInterrupted } from "./turn-world.ts";

export type TurnEnd =
  | { is: "ended"; reply: string }
  | { is: "failed"; error: string; reply: string | null }
  /** `untouched`: nothing had come back from the model yet. */
  | { is: "interrupted"; inTool: boolean; untouched: boolean };

/** Runs the actions; without a reply among them the prompt is acknowledged. Never rejects. */
export async function runTurn(world: TurnWorld, request: TurnRequest): Promise<TurnEnd> {
  const turn: Progress = { world, request, reply: null, answer: null, result: null, touched: false, inTool: false };
  try {
    for (const action of request.actions ?? []) {
      const failure = await perform(turn, action);
      if (failure !== null) return { is: "failed", error: failure, reply: turn.reply };
    }
    if (turn.reply === null) reply(turn, acknowledge(request.prompt));
    return { is: "ended", reply: turn.reply ?? "" };
  } catch (error) {
    if (error instanceof Interrupted) return { is: "interrupted", inTool: turn.inTool, untouched: !turn.touched };
    return { is: "failed", error: error instanceof Error ? error.message : String(error), reply: turn.reply };
  }
}

/** Does one action; returns the error that ends the turn, or null. */
async function perform(turn: Progress, action: Action): Promise<string | null> {
  const { world } = turn;
  switch (action.is) {
    case "reply":
      reply(turn, fill(action.text, known(turn, new Map())));
      return null;
    case "delayMs":
      await unlessInterrupted(world, sleep(world.clock, action.ms));
      return null;
    case "waitForFile":
      await unlessInterrupted(world, waitForFile(fill(action.path, known(turn, new Map())), world.signal));
      return null;
    case "permission":
      await useTool(turn, action.tool, fill(action.input, known(turn, new Map())), async () => ({
        isError: false,
        text: fill(action.result, known(turn, new Map())),
        structured: null,
      }));
      return null;
    case "question":
      await askQuestion(turn, fill(action, known(turn, new Map())));
      return null;
    case "tool": {
      const agents = await agentIds(turn, JSON.stringify(action.arguments));
      const args = fill(action.arguments, known(turn, agents));
      // The agent's own tools are allowed beforehand, as signalbox allows them to Claude Code.
      await runTool(turn, `mcp__signalbox__${action.name}`, args, () => world.mcp.call(action.name, args));
      return null;
    }
    case "apiError":
      world.transcript.apiError(action.error);
      world.show(`⎿ API Error: ${action.error}`);
      return action.error;
    case "apiRetry":
      world.transcript.apiRequest(action.status, action.attempt);
      world.showActivity(`${action.status} scripted · retrying in 9s · attempt ${action.attempt}/10`);
      return null;
    case "flood":
      turn.touched = true;
      await world.flood(action.bytes);
      return null;
    case "hang":
      await unlessInterrupted(world, new Promise(() => {}));
      return null;
    case "exit":
      world.exit(action.code);
      return await new Promise(() => {});
    case "crash":
      world.crash();
      return await new Promise(() => {});
  }
}

function reply(turn: Progress, text: string): void {
  turn.touched = true;
  turn.reply = text;
  turn.world.transcript.assistant(text);
  turn.world.oracle({ event: "reply", text });
  turn.world.show(`⏺ ${text}`);
}

/** What `${…}` may name. `agents` are ids by name, fetched beforehand. */
function known(turn: Progress, agents: ReadonlyMap<string, string>): (name: string) => string | null {
  const { prompt, turn: number, firstPrompt, agent } = turn.request;
  const values: Record<string, string | null> = {
    prompt,
    turn: String(number),
    first: firstPrompt ?? prompt,
    agent,
    answer: turn.answer,
    result: turn.result,
  };
  return (name) => {
    if (name.startsWith(AGENT_PREFIX)) return agents.get(name.slice(AGENT_PREFIX.length)) ?? null;
    return values[name] ?? null;
  };
}

const AGENT_PREFIX = "agent:";

/** The ids of the agents that `${agent:NAME}` mentions, as the session's status tells them. */
async function agentIds({ world }: Progress, template: string): Promise<Map<string, string>> {
  const ids = new Map<string, string>();
  if (!template.includes(`\${${AGENT_PREFIX}`)) return ids;
  const { structured } = await unlessInterrupted(world, world.mcp.call("get_session_status", {}));
  const sessions = (structured?.sessions ?? []) as { agents?: { name: string; agent_id: string }[] }[];
  for (const { name, agent_id } of sessions.flatMap((session) => session.agents ?? [])) ids.set(name, agent_id);
  return ids;
}
