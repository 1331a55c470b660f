// One running process of an agent and what its witnesses say: exits from the terminal, the program's session file, its hooks,
// and its screen. A run collects facts and rings when the derived state may have changed; it decides nothing about restarts,
// and what a message is it never learns.

import { type Clock, sleep, type Timer } from "../kernel/clock.ts";
import type { ConversationId, Ids } from "../kernel/ids.ts";
import type { Log } from "../kernel/log.ts";
import type { ExitStatus, Screen, Terminal } from "../terminals/terminal.ts";
import { createApiTrouble } from "./api-trouble.ts";
import { agreeingOption, isSameDialog } from "./dialogs.ts";
import type { AgentKind, DialogSeen, RegistryEntry, ScreenReading, Signal } from "./kind.ts";
import type { OpenRequest, RunFacts } from "./lifecycle.ts";
import type { AgentRow } from "./registry.ts";

/** At start-up the session file says `idle` for 20-25 ms before an upsell dialog opens (measured): believe it after this. */
const SETTLE_MS = 250;
/** Screens are read at most this often while output streams: a start-up paints dozens of frames. */
const LOOK_PAUSE_MS = 30;
/** A trust dialog swallows keys typed in its first frames; it is answered anew this often before a person is asked. */
const TRUST_PRESSES_MAX = 3;
/** A terminal host that did not answer is asked again after this; nothing else may ever ring. */
const LOOK_AGAIN_MS = 1_000;
/** After a key a dialog is looked at this often, 2 s in all, before the key counts as lost. */
const PRESS_LOOKS = 40;
const PRESS_LOOK_MS = 50;
const SELECTION_HOLDS_MS = 300;
const PRESSES_MAX = 12; // the longest menus seen have nine options
/** A prompt hook promises a turn; if the session file still says idle after this, there was none (a blocked prompt). */
const HOOK_BELIEVED_MS = 1_500;
/** The session file lags a hook by up to 78 ms (measured); after this a request whose dialog the file never showed is gone. */
const REQUEST_UNSEEN_MS = 2_000;
/** A dialog's hook comes within 4 ms of the file, its picture within a frame; one that nobody named by then stays nameless. */
const NAMELESS_MS = 1_000;

export interface HeldRequest extends OpenRequest {
  /** Answers the hook that waits; absent when only keys can answer. */
  answer?: (body: unknown) => void;
  payload?: unknown;
  /** True once the session file or the screen has shown the dialog as open. */
  seen: boolean;
  /** True where neither hook nor screen could say what is asked: the program only says that it waits. */
  isNameless?: boolean;
}

/** The screen as read at one moment, with the count of human keys it was read after (see Screen.viewerInputs). */
export interface Sighting extends Pick<Screen, "viewerInputs" | "outputBytes"> {
  reading: ScreenReading;
}

export interface Run {
  readonly row: AgentRow;
  readonly kind: AgentKind;
  readonly terminal: Terminal;
  readonly facts: RunFacts;
  /** The conversation the process is in now; /clear changes it. */
  conversationId: ConversationId;
  /** Set while we are ending it ourselves: its exit is then no crash. */
  stopping: boolean;
  readonly startedAtMs: number;
  readonly requests: readonly HeldRequest[];
  /** Reads the screen now. */
  look(): Promise<Sighting>;
  /** The session file of this process changed, or went away. */
  fileChanged(entry: RegistryEntry, removed: boolean): void;
  signal(signal: Signal): void;
  /** Holds a question open until it is answered from outside, on the screen, or its asker goes away. Resolves to the
   *  hook's answer, or null when it was settled elsewhere. */
  hold(dialog: DialogSeen, payload: unknown, gone: AbortSignal): Promise<unknown | null>;
  closeRequest(requestId: string): void;
  /** Answers the dialog on the screen with keys. True when it has gone; false when it would not. */
  press(dialog: DialogSeen, option: number): Promise<boolean>;
  /** Stops listening; the process is left alone. */
  detach(): void;
}

export interface RunOptions {
  row: AgentRow;
  kind: AgentKind;
  terminal: Terminal;
  /** True: answer the program's trust dialog with yes (the caller of create_session vouched for the directory). */
  trust: boolean;
  adopted: boolean;
  clock: Clock;
  ids: Ids;
  log: Log;
  /** What the model's API answers in the running turn, in words, while it fails. */
  apiTrouble: () => string | null;
  /** Reads the session file at once, in case the news of its last change was lost. */
  readFile: () => void;
  /** The derived state may have changed. */
  changed: () => void;
  /** The program is in another conversation now. */
  conversationChanged: (id: ConversationId) => void;
  /** Called once. `null` = the terminal's host died with it. */
  exited: (exit: ExitStatus | null) => void;
}

export function createRun(options: RunOptions): Run {
  const { row, kind, terminal, clock, ids, log, changed } = options;
  const facts: RunFacts = {
    alive: true,
    settled: false,
    file: null,
    hookSays: null,
    request: null,
    screen: null,
    apiTrouble: null,
    limitedUntilMs: null,
    lastFailure: null,
  };
  const requests: HeldRequest[] = [];
  const timers = new Set<Timer>();
  let looking: Promise<Sighting> | null = null;
  let lookPlanned = false;
  let idleSinceMs: number | null = null;
  let trustPresses = 0;
  let isTrusting = false;

  const later = (delayMs: number, run: () => void) => {
    const timer = clock.after(delayMs, () => {
      timers.delete(timer);
      if (facts.alive) run();
    });
    timers.add(timer);
  };

  const api = createApiTrouble({ facts, kind, terminal, clock, later, inTranscript: options.apiTrouble, changed });

  const refreshRequest = () => {
    facts.request = requests[0] ?? null;
    changed();
  };

  const dropRequests = (which: (request: HeldRequest) => boolean) => {
    for (const request of requests.filter(which)) {
      requests.splice(requests.indexOf(request), 1);
      request.answer?.(null);
    }
    refreshRequest();
  };

  /** The screen matters while the program starts, while it says it waits, and while what it shows keeps the line closed: a draft, a
   *  dialog, or no box at all, which may be half a frame of a program short of time. */
  const screenMatters = () =>
    !facts.settled ||
    facts.file?.status === "waiting" ||
    requests.some((request) => request.via === "screen") ||
    (facts.screen !== null && (facts.screen.promptBox !== "empty" || facts.screen.dialog !== null));

  const look = (): Promise<Sighting> => {
    looking ??= terminal
      .screen()
      .then((screen) => {
        const reading = kind.readScreen(screen);
        takeReading(reading);
        return { reading, viewerInputs: screen.viewerInputs, outputBytes: screen.outputBytes };
      })
      .finally(() => {
        looking = null;
      });
    return looking;
  };

  const lookSoon = () => {
    if (lookPlanned) return;
    lookPlanned = true;
    later(LOOK_PAUSE_MS, () => {
      lookPlanned = false;
      if (!screenMatters()) return;
      look().catch((error) => {
        log.debug("run.look_failed", { agent: row.agent_id, message: String(error) });
        later(LOOK_AGAIN_MS, lookSoon);
      });
    });
  };

  const takeReading = (reading: ScreenReading) => {
    const before = JSON.stringify([facts.screen, facts.request, facts.settled]);
    facts.screen = reading;
    const mayBeDialog = facts.file === null || facts.file.status === "waiting" || !facts.settled;
    const onScreen = mayBeDialog ? reading.dialog : null;
    const known = requests.find((request) => request.via === "screen" && (!request.isNameless || onScreen !== null));
    if (known !== undefined && (onScreen === null || !isSameDialog(known.dialog, onScreen))) {
      requests.splice(requests.indexOf(known), 1);
    }
    const isNew =
      onScreen !== null &&
      !requests.some((request) => request.via === "hook" || isSameDialog(request.dialog, onScreen));
    const mayTrust = options.trust && (isTrusting || trustPresses < TRUST_PRESSES_MAX);
    if (isNew && onScreen.kind === "trust" && mayTrust) pressTrust(onScreen);
    else if (isNew) requests.push({ requestId: ids.request(), dialog: onScreen, via: "screen", seen: true });
    facts.request = requests[0] ?? null;
    settleIfQuiet();
    // Whoever looks because of a ring must not ring again without news.
    if (JSON.stringify([facts.screen, facts.request, facts.settled]) !== before) changed();
  };

  const askNameless = () => {
    if (facts.file?.status !== "waiting" || requests.length > 0) return;
    const summary = `${facts.file.waitingFor ?? "a dialog is open"} (attach to the terminal to answer)`;
    const dialog: DialogSeen = { kind: "other", tool: null, summary, options: [] };
    requests.push({ requestId: ids.request(), dialog, via: "screen", seen: true, isNameless: true });
    refreshRequest();
  };

  const pressTrust = (dialog: DialogSeen) => {
    const option = agreeingOption(dialog);
    if (isTrusting || option === null) return;
    isTrusting = true;
    trustPresses += 1;
    const done = () => {
      isTrusting = false;
      lookSoon();
    };
    press(dialog, option).then(done, (error) =>
      log.debug("run.trust_failed", { agent: row.agent_id, message: String(error) }),
    );
  };

  /** One step at a time, and the screen is read after each: a second Enter could land in the dialog behind this one. */
  const press = async (dialog: DialogSeen, option: number): Promise<boolean> => {
    for (let step = 0; step < PRESSES_MAX && facts.alive; step++) {
      const { dialog: seen } = (await freshLook()).reading;
      if (seen === null || !isSameDialog(seen, dialog)) return true;
      const keys = kind.optionKeys(seen, option);
      if (keys === kind.keys.enter && !(await holdsStill(dialog, seen.selected))) continue;
      await terminal.write(keys);
      for (let glance = 0; glance < PRESS_LOOKS; glance++) {
        await sleep(clock, PRESS_LOOK_MS);
        const { dialog: now } = (await freshLook()).reading;
        if (now === null || !isSameDialog(now, dialog)) return true;
        if (now.selected !== seen.selected) break;
      }
    }
    return false;
  };

  /** A dialog in its first frames can set its selection back after a move: an Enter then would take the other option. */
  const holdsStill = async (dialog: DialogSeen, selected: number): Promise<boolean> => {
    await sleep(clock, SELECTION_HOLDS_MS);
    const { dialog: now } = (await freshLook()).reading;
    return now !== null && isSameDialog(now, dialog) && now.selected === selected;
  };

  /** A look that began after this call; one under way may show the screen before our keys. */
  const freshLook = async (): Promise<Sighting> => {
    await looking?.catch(() => undefined);
    return await look();
  };

  const settleIfQuiet = () => {
    if (facts.settled || facts.file?.status !== "idle" || idleSinceMs === null) return;
    const quietMs = clock.monotonicMs() - idleSinceMs;
    if (quietMs < SETTLE_MS) return later(SETTLE_MS - quietMs + 1, lookSoon);
    if (facts.screen === null || facts.screen.dialog !== null || facts.screen.promptBox === "absent") return;
    facts.settled = true;
  };

  let promptsHeard = 0;
  const hookWorking = () => {
    facts.hookSays = "working";
    promptsHeard += 1;
    const heard = promptsHeard;
    later(HOOK_BELIEVED_MS, () => {
      if (heard !== promptsHeard) return; // a later prompt has its own time to be believed
      options.readFile();
      if (facts.hookSays === null || facts.file?.status !== "idle") return;
      facts.hookSays = null;
      changed();
    });
  };

  const stopListening = [
    terminal.onActivity(() => {
      if (screenMatters()) lookSoon();
    }),
    terminal.onExit((exit) => {
      if (!facts.alive) return;
      facts.alive = false;
      dropRequests(() => true);
      detach();
      options.exited(exit);
    }),
  ];

  const detach = () => {
    for (const stop of stopListening) stop();
    for (const timer of timers) timer.cancel();
    timers.clear();
  };

  const run: Run = {
    row,
    kind,
    terminal,
    facts,
    requests,
    conversationId: row.conversation_id as ConversationId,
    stopping: false,
    startedAtMs: clock.now(),
    look,
    detach,
    press,
    fileChanged(entry, removed) {
      if (!facts.alive) return;
      if (removed) return; // A clean exit removes it; the terminal tells of the exit itself.
      const before = facts.file;
      facts.file = entry;
      if (entry.conversationId !== run.conversationId) {
        run.conversationId = entry.conversationId;
        options.conversationChanged(entry.conversationId);
      }
      if (entry.status === "idle" && before?.status !== "idle") idleSinceMs = clock.monotonicMs();
      if (entry.status !== "idle") idleSinceMs = null;
      // A turn may be over between two reads; that the file was written anew then shows in its time alone.
      if (entry.status !== before?.status || isLater(entry, before)) facts.hookSays = null;
      if (entry.status === "idle") api.idle();
      if (entry.status === "busy") api.busy();
      if (entry.status === "waiting") {
        for (const request of requests) request.seen = true;
        lookSoon();
        later(NAMELESS_MS, askNameless);
      } else if (before?.status === "waiting") {
        dropRequests((request) => request.seen);
      }
      if (!facts.settled) lookSoon();
      changed();
    },
    signal(signal) {
      if (signal.is === "prompt_submitted") hookWorking();
      api.signal(signal);
      if (signal.is === "tool_ended" || signal.is === "turn_ended" || signal.is === "turn_failed") {
        dropRequests((request) => request.via === "hook");
      }
      changed();
    },
    hold(dialog, payload, gone) {
      return new Promise((resolve) => {
        const request: HeldRequest = {
          requestId: ids.request(),
          dialog,
          via: "hook",
          payload,
          answer: resolve,
          seen: facts.file?.status === "waiting",
        };
        // The same dialog may have been read off the screen first; the hook's own words are better.
        for (const other of requests.filter((one) => one.via === "screen")) requests.splice(requests.indexOf(other), 1);
        requests.push(request);
        gone.addEventListener("abort", () => dropRequests((one) => one === request), { once: true });
        later(REQUEST_UNSEEN_MS, () => {
          if (!request.seen && facts.file?.status === "idle") dropRequests((one) => one === request);
        });
        refreshRequest();
      });
    },
    closeRequest: (requestId) => dropRequests((request) => request.requestId === requestId),
  };
  lookSoon();
  return run;
}

function isLater(entry: RegistryEntry, before: RegistryEntry): boolean {
  return (entry.statusUpdatedAtMs ?? 0) > (before.statusUpdatedAtMs ?? 0);
}
