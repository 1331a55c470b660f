// The words and signs that the program draws and the kind recognises again on the screen and in the transcript. One
// list for both, so that they cannot drift apart. Nothing is decided here.

export const PROMPT_SIGN = "❯";
/** The end of the row below the box while a draft is put aside. */
export const STASHED_SIGN = " · draft stashed";
export const RULE_SIGN = "─";

/** Last line of every dialog. Options stand directly above the blank line before it. */
export const DIALOG_FOOTER = "Enter to confirm · Esc to cancel";

/** First word of a dialog's title line says what kind of question it is. */
export const DIALOG_TITLES = {
  trust: "Trust",
  permission: "Permission",
  question: "Question",
  startup: "Notice",
} as const;
export type DialogKind = keyof typeof DIALOG_TITLES;

/** What a person who interrupts leaves in the transcript. */
export const INTERRUPT_LINE = "[Request interrupted by user]";
export const INTERRUPT_LINE_IN_TOOL = "[Request interrupted by user for tool use]";

/** How a Stop hook's own prompt begins. */
export const STOP_HOOK_PREFIX = "Stop hook feedback:\n";

/** The tool name under which a question to the person passes through the permission hook. */
export const QUESTION_TOOL = "AskUserQuestion";
