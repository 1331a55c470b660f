// The port of an agent kind: everything that is particular to one program we drive. A kind knows its own flags, hooks,
// registry file, screen and keys, and does no IO: it is handed text and gives back values (DESIGN invariant 6).

import type { AgentId, ConversationId } from "../kernel/ids.ts";
import type { Screen } from "../terminals/terminal.ts";

export type AgentKindName = "claude-code" | "scripted";

export const PERMISSION_MODES = ["manual", "acceptEdits", "plan", "auto", "bypassPermissions"] as const;
export type PermissionMode = (typeof PERMISSION_MODES)[number];

/** The program as found on this machine. */
export interface Executable {
  /** Absolute path, or for our own programs the node binary. */
  path: string;
  /** Arguments that always come first (our own script's path); empty for a native program. */
  firstArgs: readonly string[];
  /** e.g. "2.1.330"; null where the program has no version of its own. */
  version: string | null;
}

export interface LaunchRequest {
  agentId: AgentId;
  /** Shown in the program's own box where it has one. */
  name: string;
  executable: Executable;
  conversationId: ConversationId;
  /** True: continue that conversation. False: begin it under this id. */
  resume: boolean;
  /** Appended to the program's own system prompt; null leaves it alone. */
  systemPrompt: string | null;
  model: string | null;
  permissionMode: PermissionMode;
  /** Loopback URL the hooks post to (one path; the secret names the agent). */
  hooksUrl: string;
  /** Loopback URL of the agent's own MCP endpoint. */
  mcpUrl: string;
  /** Bearer secrets. They travel in the environment only, never in argv. */
  hookSecret: string;
  mcpToken: string;
  /** Our tiny program that posts its stdin to the hooks URL, for what cannot be an HTTP hook: [node, script]. */
  hookHelper: readonly [string, string];
  /** Where the program notes down, by itself, each prompt it is about to take; see prompt-records.ts. */
  promptRecord: string;
  /** What a letter's header looks like, for that note: an extended regular expression without quotes and backslashes. */
  headerPattern: string;
  /** Environment after the allowlist of CONTRACT section 1. */
  env: Readonly<Record<string, string>>;
}

export interface LaunchPlan {
  argv: readonly [string, ...string[]];
  env: Readonly<Record<string, string>>;
}

/** One question the agent asks a person. */
export interface DialogSeen {
  kind: "trust" | "permission" | "question" | "startup" | "other";
  /** The tool that asks for permission, where known. */
  tool: string | null;
  /** One or two lines a person can decide on. */
  summary: string;
  options: string[];
}

/** What a hook tells us, in words every kind shares. */
export type Signal =
  /** `promptId`: the program's own name for it; null where it gives none. */
  | { is: "prompt_submitted"; prompt: string; promptId: string | null }
  /** `continued`: the turn had been prolonged by an answer to its last end. */
  | { is: "turn_ended"; reply: string | null; backgroundTasks: number; continued?: boolean }
  | { is: "turn_failed"; error: string; reply: string | null }
  | { is: "dialog_opened"; dialog: DialogSeen }
  | { is: "tool_started"; tool: string }
  | { is: "tool_ended"; tool: string }
  | { is: "conversation_started"; source: string }
  | { is: "conversation_ended"; reason: string }
  | { is: "telemetry"; model: string | null; contextUsedPct: number | null; costUsd: number | null }
  | { is: "nothing" };

export interface HookReport {
  /** The conversation the program says it is in; null where the payload has none. */
  conversationId: ConversationId | null;
  signal: Signal;
}

/** The program's own account of one running session, from its registry file. */
export interface RegistryEntry {
  pid: number;
  conversationId: ConversationId;
  status: "idle" | "busy" | "waiting";
  /** The program's own words, e.g. "permission prompt"; null unless waiting. */
  waitingFor: string | null;
  /** Wall milliseconds, as the program wrote them; null where it does not say. */
  statusUpdatedAtMs: number | null;
  /** Where the program takes messages of other agents; null where it does not. */
  peerSocket: string | null;
}

/** What the screen shows. Evidence for holding back and for retrying, never proof of delivery. */
export interface ScreenReading {
  /** empty: the prompt box is there and nothing is typed. draft: something is typed. absent: no prompt box is seen. */
  promptBox: "empty" | "draft" | "absent";
  /** The typed text as far as it can be seen; "" unless draft. */
  draft: string;
  /** One has been put aside and comes back after the next submit: nothing else may be put there. */
  isStashed: boolean;
  dialog: (DialogSeen & { selected: number }) | null;
}

/** What a line of a transcript says about turns. `at` orders lines within one transcript, whose program may write them side by side.
 *  queued, taken_back, joined: went into the program's own queue, came back from there into the box, joined the running turn.
 *  `isFinal`: the program has given the turn up. */
export type TurnLine =
  | { at: string; is: "prompt" | "queued" | "taken_back" | "joined" | "reply"; text: string }
  | { at: string; is: "api_error"; text: string; isFinal: boolean }
  | { at: string; is: "interrupt" };

export interface TranscriptReading {
  /** True when the conversation holds a user line (or a queued prompt) carrying the marker. */
  hasMarker: boolean;
  /** True while the program holds it in a queue of its own: its turn has not begun. */
  isQueued: boolean;
  /** True when the turn of that marker ended by a person's interrupt. */
  interrupted: boolean;
  /** The last API error of that turn in words, if its last attempt failed. */
  apiError: string | null;
  /** True when the program has given that turn up because of it; false while it tries again. */
  gaveUp: boolean;
  /** Last assistant text after the marker, if any. */
  reply: string | null;
}

export interface AgentKind {
  readonly name: AgentKindName;
  /** How to find the program: the environment variable that overrides, the name on PATH, and how to ask its version. */
  readonly lookup:
    | { is: "on_path"; variable: string; command: string; versionArgs: readonly string[]; install: string }
    | { is: "own_program"; script: string };
  /** The version in what `versionArgs` printed, or null. */
  parseVersion(printed: string): string | null;
  /** Why this version cannot be driven, with the next step; null when it can. */
  refuseVersion(version: string): { why: string; nextStep: string } | null;
  /** argv and environment for a new process. */
  launch(request: LaunchRequest): LaunchPlan;
  /** The directory of registry files, from the agent's environment. */
  registryDir(env: Readonly<Record<string, string>>): string;
  /** One registry file's text; null when the file is not one (yet). */
  readRegistry(text: string): RegistryEntry | null;
  /** Where the conversation's transcript lies. */
  transcriptPath(env: Readonly<Record<string, string>>, cwd: string, conversationId: ConversationId): string;
  /** Whether the program can go on with the conversation of this transcript. */
  isResumable(text: string): boolean;
  /** What the transcript (JSON lines) says about turns. A piece of whole lines may be read by itself. */
  turnLines(text: string): TurnLine[];
  /** The transcript for a person: plain text, the last `lines` lines of it. */
  renderTranscript(text: string, lines: number): string;
  /** A hook's payload in shared words. Unknown events are `nothing`. */
  translate(payload: unknown): HookReport;
  readScreen(screen: Screen): ScreenReading;
  /** What the model's API answers, in the program's words, while the screen says that it is being tried again; else null. */
  readApiTrouble(screen: Screen): string | null;
  /** The text as it is really typed: what the program would expand or execute inside it is defused. */
  typed(text: string): string;
  /** Keys that put `typed(text)` into an empty prompt box and submit it, in one piece. `text` is already sanitised. */
  submitKeys(text: string): string;
  /** The same without the Enter at its end. */
  pasteKeys(text: string): string;
  /** What is written to its peer socket to hand `text` over in `from`'s name. */
  peerLine(text: string, from: string): string;
  /** Keys that put `text` into an empty prompt box and leave it there. */
  draftKeys(text: string): string;
  /** The next keys on the way to pressing the option, given the dialog as read from the screen now. Called again with a new
   *  reading until the dialog has gone; never more than what may safely be typed in one piece. */
  optionKeys(dialog: NonNullable<ScreenReading["dialog"]>, option: number): string;
  readonly keys: {
    /** Submit what already stands in the box. */
    enter: string;
    /** Stop the running turn. */
    interrupt: string;
    /** Delete the line the cursor is on in the prompt box; does nothing in an empty one. */
    clearLine: string;
    /** Put a person's draft aside until after the next submit; null where the program cannot. */
    stash: string | null;
  };
  readonly answers: {
    /** Hook answer that lets a prompt or event pass unchanged. */
    pass(): unknown;
    /** Hook answer that keeps a submitted prompt from the model. */
    blockPrompt(reason: string): unknown;
    /** Hook answer to turn_ended that goes on with `text` as the next order; null where the program cannot. */
    handOver(text: string): unknown | null;
    /** Hook answer to tool_ended that puts `text` before the model in the running turn; null where the program cannot. */
    note(text: string): unknown | null;
    /** Hook answer to dialog_opened; `option` is a label of the dialog or null for plain allow/deny. `payload` is the
     *  hook's own payload, because some questions are answered by returning their input filled in. */
    decide(payload: unknown, decision: { allow: boolean; option: string | null; reason: string | null }): unknown;
  };
}
