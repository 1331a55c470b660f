// A script says what the stand-in does instead of thinking. This file knows the schema: reading it with errors a person
// can act on, choosing the rule for a prompt, and filling in `${…}`. Pure; what the actions do lives in turn.ts.

export const HOOK_EVENTS = [
  "SessionStart",
  "UserPromptSubmit",
  "PreToolUse",
  "PostToolUse",
  "PermissionRequest",
  "Stop",
  "StopFailure",
  "SessionEnd",
] as const;
export type HookEvent = (typeof HOOK_EVENTS)[number];

export type Action =
  | { is: "reply"; text: string }
  | { is: "delayMs"; ms: number }
  | { is: "waitForFile"; path: string }
  | { is: "permission"; tool: string; input: Record<string, unknown>; result: string }
  | { is: "question"; question: string; header: string; options: string[] }
  | { is: "tool"; name: string; arguments: Record<string, unknown> }
  | { is: "apiError"; error: string }
  | { is: "apiRetry"; status: number; attempt: number }
  | { is: "flood"; bytes: number }
  | { is: "hang" }
  | { is: "exit"; code: number }
  | { is: "crash" };

export interface Rule {
  contains: string | null;
  regex: RegExp | null;
  /** The n-th prompt of the conversation, counted from 1 and across resumes. */
  turn: number | null;
  /** Name of the agent the rule is for. */
  agent: string | null;
  /** How often the rule may be used in one process; null = always. */
  times: number | null;
  actions: Action[];
}

export interface Script {
  startup: { delayMs: number; dialogs: ("trust" | "upsell")[] };
  /** How many Enters on a draft are lost once the prompt is ready. */
  swallowEnters: number;
  hooks: {
    drop: HookEvent[];
    duplicate: HookEvent[];
    delayMs: Partial<Record<HookEvent, number>>;
  };
  rules: Rule[];
}

/** The sentence that says where a script is wrong. */
export class ScriptError extends Error {}

/** Reads a script from its JSON text. Throws ScriptError naming the place. */
export function parseScript(json: string): Script {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new ScriptError(`the script is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const top = object(value, "the script", ["startup", "swallowEnters", "hooks", "rules"]);
  const startup = object(top.startup ?? {}, "startup", ["delayMs", "dialogs"]);
  const hooks = object(top.hooks ?? {}, "hooks", ["drop", "duplicate", "delayMs"]);
  const delays = object(hooks.delayMs ?? {}, "hooks.delayMs", HOOK_EVENTS);
  return {
    startup: {
      delayMs: wholeNumber(startup.delayMs ?? 0, "startup.delayMs"),
      dialogs: list(startup.dialogs ?? [], "startup.dialogs", oneOf(["trust", "upsell"])),
    },
    swallowEnters: wholeNumber(top.swallowEnters ?? 0, "swallowEnters"),
    hooks: {
      drop: list(hooks.drop ?? [], "hooks.drop", oneOf(HOOK_EVENTS)),
      duplicate: list(hooks.duplicate ?? [], "hooks.duplicate", oneOf(HOOK_EVENTS)),
      delayMs: Object.fromEntries(
        Object.entries(delays).map(([event, ms]) => [event, wholeNumber(ms, `hooks.delayMs.${event}`)]),
      ),
    },
    rules: list(top.rules ?? [], "rules", parseRule),
  };
}

/** The stand-in without a script: ready at once, and an ACK for everything. */
export const NO_SCRIPT: Script = parseScript("{}");

export interface Occasion {
  prompt: string;
  turn: number;
  agent: string;
  /** How often a rule has been used already. */
  uses(rule: Rule): number;
}

/** The first rule that fits, or null. */
export function chooseRule(script: Script, occasion: Occasion): Rule | null {
  return script.rules.find((rule) => fits(rule, occasion)) ?? null;
}

function fits(rule: Rule, { prompt, turn, agent, uses }: Occasion): boolean {
  if (rule.contains !== null && !prompt.includes(rule.contains)) return false;
  if (rule.regex !== null && !rule.regex.test(prompt)) return false;
  if (rule.turn !== null && rule.turn !== turn) return false;
  if (rule.agent !== null && rule.agent !== agent) return false;
  return rule.times === null || uses(rule) < rule.times;
}

/** How many characters of a prompt an ACK repeats (CONTRACT section 2). */
const ACK_CHARS = 200;

/** The answer to a prompt that no reply was scripted for. */
export function acknowledge(prompt: string): string {
  // Whole characters, and cheap on a megabyte: no character takes more than two code units.
  return `ACK: ${[...prompt.slice(-2 * ACK_CHARS)].slice(-ACK_CHARS).join("")}`;
}

/** Fills `${name}` in all strings of `value`; a name that is not known stays as it is written. */
export function fill<T>(value: T, known: (name: string) => string | null): T {
  if (typeof value === "string") {
    return value.replaceAll(/\$\{([^}]+)\}/g, (whole, name: string) => known(name) ?? whole) as T;
  }
  if (Array.isArray(value)) return value.map((item) => fill(item, known)) as T;
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fill(item, known)])) as T;
  }
  return value;
}

function parseRule(value: unknown, where: string): Rule {
  const rule = object(value, where, ["match", "times", "actions"]);
  const match = object(rule.match ?? {}, `${where}.match`, ["contains", "regex", "turn", "agent"]);
  return {
    contains: optional(match.contains, `${where}.match.contains`, text),
    regex: optional(match.regex, `${where}.match.regex`, regex),
    turn: optional(match.turn, `${where}.match.turn`, wholeNumber),
    agent: optional(match.agent, `${where}.match.agent`, text),
    times: optional(rule.times, `${where}.times`, wholeNumber),
    actions: list(rule.actions, `${where}.actions`, parseAction),
  };
}

/** One reader per action; the action's name is the one key of its object. */
const ACTIONS: { [Name in Action["is"]]: (value: unknown, where: string) => Extract<Action, { is: Name }> } = {
  reply: (value, where) => ({ is: "reply", text: text(value, where) }),
  delayMs: (value, where) => ({ is: "delayMs", ms: wholeNumber(value, where) }),
  waitForFile: (value, where) => ({ is: "waitForFile", path: text(value, where) }),
  permission(value, where) {
    const it = object(value, where, ["tool", "input", "result"]);
    return {
      is: "permission",
      tool: text(it.tool, `${where}.tool`),
      input: object(it.input ?? {}, `${where}.input`),
      result: text(it.result ?? "done", `${where}.result`),
    };
  },
  question(value, where) {
    const it = object(value, where, ["question", "header", "options"]);
    const options = list(it.options, `${where}.options`, text);
    if (options.length < 2) throw new ScriptError(`${where}.options: a question needs two options or more`);
    return {
      is: "question",
      question: text(it.question, `${where}.question`),
      header: text(it.header ?? "choose", `${where}.header`),
      options,
    };
  },
  tool(value, where) {
    const it = object(value, where, ["name", "arguments"]);
    return {
      is: "tool",
      name: text(it.name, `${where}.name`),
      arguments: object(it.arguments ?? {}, `${where}.arguments`),
    };
  },
  apiError: (value, where) => ({ is: "apiError", error: text(value, where) }),
  apiRetry(value, where) {
    const it = object(value, where, ["status", "attempt"]);
    return {
      is: "apiRetry",
      status: wholeNumber(it.status, `${where}.status`),
      attempt: wholeNumber(it.attempt ?? 1, `${where}.attempt`),
    };
  },
  flood: (value, where) => ({ is: "flood", bytes: wholeNumber(value, where) }),
  hang(value, where) {
    yes(value, where);
    return { is: "hang" };
  },
  exit: (value, where) => ({ is: "exit", code: wholeNumber(value, where) }),
  crash(value, where) {
    yes(value, where);
    return { is: "crash" };
  },
};

function parseAction(value: unknown, where: string): Action {
  const [name, ...more] = Object.keys(object(value, where));
  if (name === undefined || more.length > 0) throw new ScriptError(`${where}: an action has exactly one key, its name`);
  if (!Object.hasOwn(ACTIONS, name)) {
    throw new ScriptError(`${where}: unknown action "${name}"; known: ${Object.keys(ACTIONS).join(", ")}`);
  }
  return ACTIONS[name as Action["is"]]((value as Record<string, unknown>)[name], `${where}.${name}`);
}

function object(value: unknown, where: string, keys?: readonly string[]): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ScriptError(`${where}: must be an object`);
  }
  const stranger = keys && Object.keys(value).find((key) => !keys.includes(key));
  if (stranger !== undefined) {
    throw new ScriptError(`${where}: unknown key "${stranger}"; known: ${(keys ?? []).join(", ")}`);
  }
  return value as Record<string, unknown>;
}

function list<T>(value: unknown, where: string, item: (value: unknown, where: string) => T): T[] {
  if (!Array.isArray(value)) throw new ScriptError(`${where}: must be a list`);
  return value.map((one, index) => item(one, `${where}[${index}]`));
}

function optional<T>(value: unknown, where: string, read: (value: unknown, where: string) => T): T | null {
  return value === undefined ? null : read(value, where);
}

function text(value: unknown, where: string): string {
  if (typeof value !== "string") throw new ScriptError(`${where}: must be a string`);
  return value;
}

function wholeNumber(value: unknown, where: string): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw new ScriptError(`${where}: must be a whole number, zero or more`);
  }
  return value;
}

function yes(value: unknown, where: string): void {
  if (value !== true) throw new ScriptError(`${where}: must be true`);
}

function regex(value: unknown, where: string): RegExp {
  try {
    return new RegExp(text(value, where), "u");
  } catch (error) {
    if (error instanceof ScriptError) throw error;
    throw new ScriptError(`${where}: is not a regular expression`);
  }
}

function oneOf<T extends string>(words: readonly T[]): (value: unknown, where: string) => T {
  return (value, where) => {
    const word = words.find((one) => one === value);
    if (word === undefined) throw new ScriptError(`${where}: must be one of ${words.join(", ")}`);
    return word;
  };
}
