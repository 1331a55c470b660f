// The operating system's keychain behind three verbs. It may be absent, locked, or wait for a person's password, so every
// verb is asynchronous, bounded in time, and says why it failed. What is kept in it is keyring.ts's business.

import type { AsyncEntry, EntryOptions } from "@napi-rs/keyring";
import type { Clock } from "../kernel/clock.ts";

export interface Keychain {
  /** The secret, or null when there is certainly none. Rejects when the keychain cannot be read. */
  get(account: string): Promise<string | null>;
  set(account: string, secret: string): Promise<void>;
  delete(account: string): Promise<void>;
}

export const KEYCHAIN_SERVICE = "signalbox";

/** A locked keychain asks its owner for a password; half a minute is time to type one, and short of the patience of an MCP
 *  client that waits for the daemon. */
const ANSWER_WAIT_MS = 30_000;

/** On Linux the Secret Service and nothing else: left alone, the library falls back to the kernel's keyring, which forgets
 *  everything at the next boot, and the database would be lost with it. */
const OPTIONS: EntryOptions = { linux: { store: "secret-service" } };

export function osKeychain(clock: Clock): Keychain {
  return {
    async get(account) {
      // getSecret, because getPassword answers null for an unreadable keychain as well.
      const bytes = await inTime(clock, account, (entry) => entry.getSecret());
      return bytes === null ? null : Buffer.from(bytes).toString("utf8");
    },
    set: (account, secret) => inTime(clock, account, (entry) => entry.setSecret(Buffer.from(secret, "utf8"))),
    async delete(account) {
      await inTime(clock, account, (entry) => entry.deleteCredential());
    },
  };
}

/** The call itself cannot be cut short; its late answer is ignored. `ask` may also throw at once. */
async function inTime<T>(clock: Clock, account: string, ask: (entry: AsyncEntry) => Promise<T>): Promise<T> {
  // Loaded when it is needed; a key in a file needs none of it.
  const { AsyncEntry } = await import("@napi-rs/keyring");
  const answer = ask(new AsyncEntry(KEYCHAIN_SERVICE, account, OPTIONS));
  return new Promise<T>((resolve, reject) => {
    const timer = clock.after(ANSWER_WAIT_MS, () => reject(new Error("the keychain does not answer; is it locked?")));
    answer.then(resolve, reject).finally(() => timer.cancel());
  });
}
