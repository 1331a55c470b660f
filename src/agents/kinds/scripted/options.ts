// The program's command line: the few flags of Claude Code that signalbox uses. Pure; what is wrong is said in one
// sentence, because that sentence is all the person behind the terminal will see.

export interface Options {
  conversation: { is: "new"; id: string | null } | { is: "resume"; id: string };
  name: string;
  permissionMode: string;
  model: string | null;
}

const TAKES_VALUE = ["--session-id", "--resume", "--name", "--permission-mode", "--model", "--append-system-prompt"];

/** The options in `argv` (without node and script), or the sentence that says what is wrong. */
export function parseOptions(argv: readonly string[]): Options | { wrong: string } {
  const given = new Map<string, string>();
  for (let i = 0; i < argv.length; i += 2) {
    const flag = argv[i] ?? "";
    const value = argv[i + 1];
    if (!TAKES_VALUE.includes(flag)) return { wrong: `unknown option '${flag}'` };
    if (value === undefined) return { wrong: `option '${flag}' needs a value` };
    given.set(flag, value);
  }
  const resumed = given.get("--resume");
  const begun = given.get("--session-id");
  if (resumed !== undefined && begun !== undefined) return { wrong: "--session-id and --resume exclude each other" };
  const id = resumed ?? begun;
  // The id becomes a file name, so it must not be able to point anywhere else.
  if (id !== undefined && !/^[A-Za-z0-9_-]{1,100}$/.test(id)) return { wrong: `'${id}' is not a conversation id` };
  return {
    conversation: resumed !== undefined ? { is: "resume", id: resumed } : { is: "new", id: begun ?? null },
    name: given.get("--name") ?? "scripted",
    permissionMode: given.get("--permission-mode") ?? "manual",
    model: given.get("--model") ?? null,
  };
}
