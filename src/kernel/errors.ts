// Errors that are part of the conversation with a caller. The list of codes is closed (CONTRACT section 2): an edge
// translates them with a complete Record, so a new code does not compile until every edge has an answer for it.

export const ERROR_CODES = [
  "invalid_input",
  "not_found",
  "permission_denied",
  "limit_reached",
  "conflict",
  "agent_not_running",
  "agent_kind_unavailable",
  "terminal_unavailable",
  "sandbox_unavailable",
  "timeout",
  "confirmation_required",
  "storage_error",
  "internal",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** Whether the same call may succeed later with nothing changed by the caller. */
const RETRYABLE: Record<ErrorCode, boolean> = {
  invalid_input: false,
  not_found: false,
  permission_denied: false,
  limit_reached: true,
  conflict: false,
  agent_not_running: true,
  agent_kind_unavailable: true,
  terminal_unavailable: true,
  sandbox_unavailable: false,
  timeout: true,
  confirmation_required: false,
  storage_error: true,
  internal: false,
};

export interface ErrorBody {
  code: ErrorCode;
  message: string;
  retryable: boolean;
  next_step: string;
}

export class SignalboxError extends Error {
  readonly code: ErrorCode;
  /** One sentence telling a person what to do now. */
  readonly nextStep: string;
  readonly retryable: boolean;

  constructor(
    code: ErrorCode,
    message: string,
    nextStep: string,
    options: { cause?: unknown; retryable?: boolean } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "SignalboxError";
    this.code = code;
    this.nextStep = nextStep;
    this.retryable = options.retryable ?? RETRYABLE[code];
  }

  toBody(): ErrorBody {
    return { code: this.code, message: this.message, retryable: this.retryable, next_step: this.nextStep };
  }
}

/** Any thrown thing as an error of the conversation; what we did not foresee becomes `internal`. */
export function asSignalboxError(thrown: unknown): SignalboxError {
  if (thrown instanceof SignalboxError) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new SignalboxError(
    "internal",
    `Something broke inside signalbox: ${text}`,
    "Nothing was lost; look at the daemon's log (`signalbox doctor` names it) and report this.",
    { cause: thrown },
  );
}

/** What went wrong and what to do now, for a person. What others wrote (the file system, a library) often ends in no stop. */
export function inSentences({ message, nextStep }: Pick<SignalboxError, "message" | "nextStep">): string {
  return `${message}${/[.!?…][)"'`]?\s*$/.test(message) ? "" : "."} ${nextStep}`;
}

/** A broken invariant is no conversation: it fails loudly where it is found. */
export function assert(condition: unknown, invariant: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${invariant}`);
}
