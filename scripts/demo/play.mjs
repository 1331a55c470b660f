// What the two agents of the demonstration do, written once as data, and the two forms in which their "models" want it:
// the stand-in's script and the scripted model's rule. Pure; who says what to whom, and nothing else.

/** What each of them does on hearing certain words: tells somebody something or runs a command, and ends the turn. */
const PARTS = [
  {
    who: "Agent_1",
    hears: "Ask Agent_2",
    does: { tell: "Agent_2", words: "What shall we call the next release?" },
    says: "I have asked Agent_2.",
  },
  {
    who: "Agent_2",
    hears: "What shall we call",
    does: { tell: "Agent_1", words: "Call it Semaphore." },
    says: "I have told Agent_1: Semaphore.",
  },
  { who: "Agent_1", hears: "Call it Semaphore", does: null, says: "Noted: the next release is called Semaphore." },
  {
    who: "Agent_2",
    hears: "Remove the old build",
    does: { run: "rm -r build", why: "Remove the old build" },
    says: "The old build is gone.",
  },
  { who: "Agent_2", hears: "write the changelog", does: null, says: "The changelog has a line for Semaphore." },
];

export const ORDERS = {
  ask: "Ask Agent_2 what to call the next release.",
  remove: "Remove the old build.",
  behind: "Then write the changelog.",
};

const SEND = "send_message_to_agent";

/** For SIGNALBOX_SCRIPT. */
export function scriptForStandIn() {
  const rules = PARTS.map(({ who, hears, does, says }) => ({
    match: { agent: who, contains: hears },
    actions: [...(does === null ? [] : [actionOf(does)]), { reply: says }],
  }));
  return { rules };
}

function actionOf({ tell, words, run }) {
  if (run !== undefined) return { permission: { tool: "Bash", input: { command: run }, result: "" } };
  return { tool: { name: SEND, arguments: { agent_id: `\${agent:${tell}}`, message: words } } };
}

/** Answers for the real program's model: `agentId` tells an agent's id by its name, `make` makes the model's replies. */
export function answerForModel(agentId, { say, useTool }) {
  const begun = new Set();
  return ({ conversationId, texts }) => {
    const heard = texts.findLast(
      ({ role, text }) => role !== "assistant" && PARTS.some(({ hears }) => text.includes(hears)),
    );
    const part = PARTS.find(({ hears }) => heard?.text.includes(hears));
    if (part === undefined) return say("I have nothing to do with that.");
    const key = `${conversationId} ${part.hears}`;
    if (part.does === null || begun.has(key)) return say(part.says);
    begun.add(key);
    const { tell, words, run, why } = part.does;
    if (run !== undefined) return useTool("Bash", { command: run, description: why });
    return useTool(`mcp__signalbox__${SEND}`, { agent_id: agentId(tell), message: words });
  };
}
