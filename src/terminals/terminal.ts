// The port every terminal backend stands behind. A backend knows bytes and sizes; what an agent or a message is it never
// learns (DESIGN invariant 6). Liveness is typed: alive, gone, or cannot tell; "cannot tell" never kills anything.

export type BackendName = "pty" | "tmux" | "iterm2" | "memory";

export interface TerminalSize {
  cols: number;
  rows: number;
}

export const DEFAULT_SIZE: TerminalSize = { cols: 120, rows: 40 };

export interface OpenSpec {
  /** Ours, unique for ever: a recycled name never inherits. Letters, digits, `_` and `-` only. */
  ref: string;
  /** Terminals of one host live and die together and apart from all others: one host per session. Same alphabet. */
  host: string;
  /** argv[0] is an absolute path; nothing is ever passed through a shell. */
  argv: readonly [string, ...string[]];
  /** The whole environment of the process; nothing is added but TERM, COLORTERM and PWD. */
  env: Readonly<Record<string, string>>;
  cwd: string;
  size: TerminalSize;
}

export interface ExitStatus {
  exitCode: number | null;
  signal: string | null;
}

export type Liveness =
  | { is: "alive"; pid: number }
  | { is: "gone"; exit: ExitStatus | null }
  | { is: "cannot_tell"; why: string };

/** What stands on the terminal's screen now, as its own emulator understands it. */
export interface Screen {
  size: TerminalSize;
  /** One string per row, trailing blanks removed. */
  lines: string[];
  /** The same rows with every dim (faint) cell blanked: placeholders and ghost suggestions vanish, typed text stays. */
  brightLines: string[];
  cursor: { row: number; col: number; visible: boolean };
  /** True when the program asked for bracketed paste (DECSET 2004). */
  bracketedPaste: boolean;
  alternate: boolean;
  title: string;
  /** Total bytes the program had written when this was taken; grows with every output. */
  outputBytes: number;
  /** Pieces a person has typed through attached viewers so far (mouse motion and terminal reports do not count). The same
   *  number twice means: no human keys in between. */
  viewerInputs: number;
}

export interface WriteOptions {
  /** Write only if `Screen.viewerInputs` is still this; otherwise reject with `conflict`, nothing written. Decided where
   *  the keys are, so that no key of a person slips in between the look at the screen and the write. */
  ifViewerInputs?: number;
}

export interface OutputTail {
  /** Raw output from `from` (or the oldest byte still kept, whichever is later), decoded as UTF-8. */
  text: string;
  /** Pass as `from` to continue. */
  next: number;
}

export interface AttachedViewer {
  /** A person's keys. */
  input(data: Uint8Array): void;
  resize(size: TerminalSize): void;
  detach(): void;
}

export interface ViewerSink {
  /** First a repaint of the whole screen, then output as it comes. While a returned promise is pending no more is handed
   *  over; a viewer that falls far behind gets a repaint instead of what it missed. */
  output(data: Uint8Array): void | Promise<void>;
  /** The last call. `null` = the host died with it. */
  exited(exit: ExitStatus | null): void;
}

export interface Terminal {
  readonly ref: string;
  readonly host: string;
  readonly pid: number;
  /** True when a person's keys may reach the program by ways on which nobody counts them, so that `ifViewerInputs` keeps fewer
   *  of them apart from ours than it should. */
  readonly isShared: boolean;
  /** Hands all of `bytes` (encoded as UTF-8) to the terminal in one uninterrupted piece; resolves when the terminal has
   *  taken them. Rejects with `terminal_unavailable` when the process is gone, the host does not answer, or too much is
   *  waiting already (then nothing was written), and with `timeout` when the program does not read: the bytes stay queued. */
  write(bytes: string, options?: WriteOptions): Promise<void>;
  screen(): Promise<Screen>;
  tail(from: number): Promise<OutputTail>;
  resize(size: TerminalSize): Promise<void>;
  /** Signals the terminal's process (group: true = its whole process group). No error when it is gone already. */
  signal(name: "SIGTERM" | "SIGHUP" | "SIGINT" | "SIGKILL", options?: { group?: boolean }): Promise<void>;
  liveness(): Promise<Liveness>;
  /** Output doorbell: rings once after output arrives, then is silent until the next `screen()` call re-arms it. So listen
   *  first, then look: what came before is on the screen, and what comes later rings. */
  onActivity(ring: () => void): () => void;
  /** Fires once, also when the exit happened before the call; `null` = the host itself died with it. */
  onExit(hear: (exit: ExitStatus | null) => void): () => void;
  attach(sink: ViewerSink, size: TerminalSize): Promise<AttachedViewer>;
}

export type Availability = { is: "available" } | { is: "missing"; why: string; nextStep: string };

export interface TerminalBackend {
  readonly name: BackendName;
  availability(): Promise<Availability>;
  /** Starts the process. Rejects with `terminal_unavailable` and the reason; then nothing is left running. */
  open(spec: OpenSpec): Promise<Terminal>;
  /** Finds a terminal opened earlier, perhaps by a daemon that has died since. */
  adopt(host: string, ref: string): Promise<{ is: "found"; terminal: Terminal } | Exclude<Liveness, { is: "alive" }>>;
  /** Ends every process of the host and the host itself. Resolves when they are gone. */
  closeHost(host: string): Promise<void>;
  /** A command a person can type to see the terminal without signalbox, or null where there is none. */
  attachCommand(host: string, ref: string): string | null;
}
