// The verbs of the command line that stand for commands of the daemon's table: where each is found, which words and flags
// it takes, and which field of the command's input each of them fills. Data only; defaults are the daemon's, which also
// checks every value.

/** How a word from the command line becomes a value: `agent` and `session` may be names and are looked up, `body` may be
 *  `-` for standard input. */
export type ValueKind = "text" | "body" | "agent" | "session" | "path" | "number" | "duration" | "moment" | "cursor";

export interface Word {
  /** As shown in the help, e.g. "AGENT". */
  name: string;
  field: string;
  help: string;
  kind: ValueKind;
  optional?: true;
}

export interface Flag {
  /** In commander's words: "--name <name>", "--force", "--no-adder-plus". */
  flags: string;
  field: string;
  help: string;
  kind?: ValueKind;
  choices?: readonly string[];
  /** Of a number or a duration. */
  range?: Range;
  /** The command does not do without it. */
  required?: true;
}

/** The numbers (of a duration, the seconds) that the command takes. The daemon has the same limits, and a test compares them; said
 *  here too, a number beyond them is wrong usage before anything is started. */
export interface Range {
  least: number;
  most: number;
  isWhole?: true;
  /** The least one itself is too small. */
  isAboveLeast?: true;
}

export interface Verb {
  /** The words after `signalbox`. */
  path: readonly [string, ...string[]];
  /** The same verb in other places. */
  also?: readonly (readonly [string, ...string[]])[];
  summary: string;
  words: readonly Word[];
  flags: readonly Flag[];
  /** What the daemon lets us do. Default operator, as for MCP clients. */
  role?: "owner";
}

const AGENT: Word = { name: "AGENT", field: "agent_id", help: "agent id, or its name", kind: "agent" };
const SESSION: Word = { name: "SESSION", field: "session_id", help: "session id, or its name", kind: "session" };
const MESSAGE_ID: Word = {
  name: "MESSAGE",
  field: "message_id",
  help: "message id, as `send` printed it",
  kind: "text",
};
const BODY: Word = {
  name: "TEXT",
  field: "message",
  help: "the message; - reads it from standard input",
  kind: "body",
};

const FORCE: Flag = { flags: "--force", field: "force", help: "go on although work would be lost" };
const WAIT_S: Flag = {
  flags: "--wait-s <seconds>",
  field: "wait_s",
  help: "how long to wait",
  kind: "number",
  range: { least: 0, most: 3_600 },
};
const YEAR_S = 365 * 24 * 3_600;
const ROWS: Range = { least: 1, most: 1_000, isWhole: true };
const KEY: Flag = {
  flags: "--idempotency-key <key>",
  field: "idempotency_key",
  help: "the same key does it only once",
};
const PRIORITY: Flag = {
  flags: "--priority <priority>",
  field: "priority",
  help: "place in the queue",
  choices: ["normal", "urgent"],
};
const EXPIRES: Flag = {
  flags: "--expires-in-s <seconds>",
  field: "expires_in_s",
  help: "not delivered after this time",
  kind: "number",
  range: { least: 0, most: YEAR_S, isAboveLeast: true },
};
const FIRST_MESSAGE: Flag = {
  flags: "--message <text>",
  field: "initial_message",
  help: "first message; - reads it from standard input",
  kind: "body",
};
const WAIT_FOR: Flag = {
  flags: "--wait <state>",
  field: "wait_for",
  help: "wait until the message is in this state",
  choices: ["accepted", "delivered", "processed"],
};

/** By the name of the command in the daemon's table. */
export const VERBS: Readonly<Record<string, Verb>> = {
  get_session_status: {
    path: ["status"],
    also: [
      ["session", "list"],
      ["session", "status"],
      ["agent", "list"],
    ],
    summary: "sessions, agents, states, queues",
    words: [{ ...SESSION, optional: true }],
    flags: [],
  },
  send_message_to_agent: {
    path: ["send"],
    also: [["message", "send"]],
    summary: "queue a message for an agent; it is typed when the line is clear",
    words: [AGENT, BODY],
    flags: [
      WAIT_FOR,
      WAIT_S,
      { flags: "--task <id>", field: "task_id", help: "the task of TODO.md it is about" },
      PRIORITY,
      EXPIRES,
      { flags: "--no-adder-plus", field: "adder_plus", help: "without the task in the message's header" },
      KEY,
    ],
  },
  create_session: {
    path: ["session", "create"],
    summary: "open a session on a codebase",
    words: [{ name: "PATH", field: "root_path", help: "existing directory", kind: "path" }],
    flags: [
      { flags: "--name <name>", field: "name", help: "default: the directory's name" },
      {
        flags: "--security-level <level>",
        field: "security_level",
        help: "LOW has no sandbox",
        choices: ["LOW", "MEDIUM", "HIGH"],
      },
      {
        flags: "--terminal <backend>",
        field: "terminal",
        help: "where agents live",
        choices: ["auto", "iterm2", "tmux", "pty"],
      },
      {
        flags: "--workspace <kind>",
        field: "workspace",
        help: "one directory, or a worktree each",
        choices: ["shared", "worktree"],
      },
      { flags: "--trust", field: "trust", help: "I vouch for what is in the directory" },
      KEY,
    ],
  },
  delete_session: {
    path: ["session", "delete"],
    summary: "end a session and all its agents",
    words: [SESSION],
    flags: [FORCE],
  },
  create_agent: {
    path: ["agent", "create"],
    summary: "start an agent in a session",
    words: [SESSION],
    flags: [
      { flags: "--name <name>", field: "name", help: "default: the next free Agent_#" },
      { flags: "--specialization <words>", field: "specialization", help: "what the agent is for" },
      { flags: "--system-prompt <text>", field: "system_prompt", help: "added to the agent's system prompt" },
      { flags: "--model <model>", field: "model", help: "as Claude Code takes it" },
      {
        flags: "--permission-mode <mode>",
        field: "permission_mode",
        help: "Claude Code's own",
        choices: ["manual", "acceptEdits", "plan", "auto", "bypassPermissions"],
      },
      {
        flags: "--kind <kind>",
        field: "kind",
        help: "scripted: a stand-in for demos",
        choices: ["claude-code", "scripted"],
      },
      FIRST_MESSAGE,
      { flags: "--no-adder-plus", field: "adder_plus", help: "without the ADDER+ protocol's text" },
      WAIT_S,
      KEY,
    ],
  },
  delete_agent: { path: ["agent", "delete"], summary: "end an agent for good", words: [AGENT], flags: [FORCE] },
  clear_agent_conversation: {
    path: ["agent", "clear"],
    summary: "end the conversation and its process; the agent, its queue and tasks remain",
    words: [AGENT],
    flags: [FORCE],
  },
  start_new_agent_conversation: {
    path: ["agent", "start"],
    summary: "start a new conversation, or continue the last",
    words: [AGENT],
    flags: [{ flags: "--resume", field: "resume", help: "continue the last conversation" }, FIRST_MESSAGE, WAIT_S, KEY],
  },
  interrupt_agent: {
    path: ["agent", "interrupt"],
    summary: "stop the running turn, as Esc does",
    words: [AGENT],
    flags: [],
  },
  wait_for_agent: {
    path: ["agent", "wait"],
    summary: "wait until an agent is in a state",
    words: [AGENT],
    flags: [
      {
        flags: "--until <state>",
        field: "until",
        help: "default ready",
        choices: ["ready", "waiting", "exited", "any"],
      },
      WAIT_S,
    ],
  },
  read_agent: {
    path: ["agent", "read"],
    also: [["logs"]],
    summary: "an agent's screen, transcript or output",
    words: [AGENT],
    flags: [
      { flags: "--what <what>", field: "what", help: "default screen", choices: ["screen", "transcript", "output"] },
      {
        flags: "--lines <n>",
        field: "lines",
        help: "at most this many, the last ones",
        kind: "number",
        range: { least: 1, most: 5_000, isWhole: true },
      },
    ],
  },
  answer_agent: {
    path: ["agent", "answer"],
    summary: "answer what an agent asks; `status` shows the question",
    words: [
      AGENT,
      { name: "REQUEST", field: "request_id", help: "the request's id", kind: "text" },
      { name: "DECISION", field: "decision", help: "allow, deny, or an option's label", kind: "text" },
    ],
    flags: [{ flags: "--reason <text>", field: "reason", help: "told to the agent with a denial" }],
  },
  get_message: {
    path: ["message", "get"],
    summary: "what became of a message",
    words: [MESSAGE_ID],
    flags: [WAIT_FOR, WAIT_S],
  },
  list_messages: {
    path: ["message", "list"],
    summary: "messages and their states; without --state those that never arrived",
    words: [],
    flags: [
      { flags: "--agent <agent>", field: "agent_id", help: "only to this agent", kind: "agent" },
      { flags: "--session <session>", field: "session_id", help: "only within this session", kind: "session" },
      {
        flags: "--state <states...>",
        field: "states",
        help: "only in these states",
        choices: ["queued", "sending", "delivered", "processed", "failed", "expired", "cancelled", "unknown"],
      },
      { flags: "--limit <n>", field: "limit", help: "at most this many", kind: "number", range: ROWS },
      { flags: "--cursor <cursor>", field: "cursor", help: "continue a page", kind: "cursor" },
    ],
  },
  resend_message: {
    path: ["message", "resend"],
    summary: "send a message that never arrived again, once",
    words: [MESSAGE_ID],
    flags: [{ flags: "--to <agent>", field: "agent_id", help: "to another agent than the first", kind: "agent" }, KEY],
  },
  broadcast_message: {
    path: ["message", "broadcast"],
    summary: "queue a message for every agent of a session",
    words: [SESSION, BODY],
    flags: [PRIORITY, EXPIRES, KEY],
  },
  cancel_message: {
    path: ["message", "cancel"],
    summary: "take a queued message back",
    words: [MESSAGE_ID],
    flags: [],
  },
  get_audit_log: {
    path: ["audit", "log"],
    summary: "who asked for what, and what came of it; the newest rows",
    words: [],
    flags: [
      { flags: "--since <time>", field: "since", help: "e.g. 1h, or 2026-01-31T00:00:00Z", kind: "moment" },
      { flags: "--actor <actor>", field: "actor", help: "only this one" },
      { flags: "--tool <command>", field: "tool", help: "only this command" },
      { flags: "--limit <n>", field: "limit", help: "at most this many (default 100)", kind: "number", range: ROWS },
      {
        flags: "--cursor <cursor>",
        field: "cursor",
        help: "from behind this row on; 0: from the first",
        kind: "cursor",
      },
    ],
  },
  create_token: {
    path: ["token", "create"],
    summary: "a token for an HTTP client; shown once",
    words: [],
    flags: [
      {
        flags: "--role <role>",
        field: "role",
        help: "what its bearer may do (required)",
        choices: ["owner", "operator", "observer"],
        required: true,
      },
      { flags: "--session <session>", field: "session_id", help: "only this session", kind: "session" },
      {
        flags: "--ttl <time>",
        field: "ttl_s",
        help: "e.g. 12h or 30d",
        kind: "duration",
        range: { least: 1, most: YEAR_S, isWhole: true },
      },
    ],
    role: "owner",
  },
  revoke_token: {
    path: ["token", "revoke"],
    summary: "end a token at once",
    words: [{ name: "ID", field: "id", help: "the token's id", kind: "text" }],
    flags: [],
    role: "owner",
  },
};

/** One line each for the words that only group others. */
export const GROUPS: Readonly<Record<string, string>> = {
  session: "codebases and what runs on them",
  agent: "the agents of a session",
  message: "messages and what became of them",
  audit: "who did what",
  token: "access for HTTP clients",
};

/** Verbs that look at what is running, and so start nothing that is not: by their first word. */
export const STARTS_NO_DAEMON: ReadonlySet<string> = new Set(["stop", "status", "logs", "attach", "doctor", "install"]);
