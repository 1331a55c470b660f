// Which key opens this state directory, and where it is kept: a file named by SIGNALBOX_KEY_FILE, the directory's own key
// file, or the operating system's keychain. A new key is only ever made for a directory that holds no data yet.

import { createHash } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { SignalboxError } from "../kernel/errors.ts";
import { KEY_BYTES } from "./database.ts";
import { fileTrouble } from "./failure.ts";
import { parseKey, readKeyFile, removeKeyFile, writeKeyFile } from "./key-file.ts";
import { KEYCHAIN_SERVICE, type Keychain } from "./keychain.ts";
import type { StateDir } from "./state-dir.ts";

export interface MasterKey {
  readonly key: Buffer;
  /** A key that a rotation put down before it re-encrypted; which of the two is in force, the database tells. */
  readonly staged: Buffer | null;
  /** Where the key is kept, as words that end a sentence: "the key file /x (SIGNALBOX_KEY_FILE)". */
  readonly origin: string;
  /** Keeps `next` beside the current key, durably. */
  stage(next: Buffer): Promise<void>;
  /** Makes `key` the only one kept. */
  settle(key: Buffer): Promise<void>;
}

export interface KeyringOptions {
  stateDir: StateDir;
  /** The value of SIGNALBOX_KEY_FILE, if it is set. */
  keyFile: string | undefined;
  /** null: this machine's keychain is not to be used. */
  keychain: Keychain | null;
  random: (bytes: number) => Buffer;
}

/** A place that keeps keys under two names. */
interface Place {
  origin: string;
  read(slot: Slot): Promise<Buffer | null>;
  write(slot: Slot, key: Buffer): Promise<void>;
  remove(slot: Slot): Promise<void>;
}
type Slot = "current" | "next";

/** Finds the key, or makes one where there is no data yet. Rejects with `storage_error` when the key of existing data is
 *  missing, unreadable or open to others. The caller is the only process working on the state directory. */
export async function resolveMasterKey(options: KeyringOptions): Promise<MasterKey> {
  const { stateDir, keyFile, random } = options;
  if (keyFile !== undefined && keyFile !== "") {
    const place = filePlace(keyFile, `the key file ${keyFile} (SIGNALBOX_KEY_FILE)`);
    return (await existing(place)) ?? (await created(place, stateDir, random(KEY_BYTES)));
  }
  const ownPlace = filePlace(stateDir.keyFile, `the key file ${stateDir.keyFile}`);
  const ownKey = await existing(ownPlace);
  if (ownKey !== null) return ownKey;
  const id = readKeychainId(stateDir);
  if (id !== null) return keyFromKeychain(options, id);
  requireNoData(stateDir, `its key file ${stateDir.keyFile} does not exist`);
  return newKey(options, ownPlace);
}

async function existing(place: Place): Promise<MasterKey | null> {
  const key = await place.read("current");
  return key === null ? null : kept(place, key, await place.read("next"));
}

async function created(place: Place, stateDir: StateDir, key: Buffer): Promise<MasterKey> {
  requireNoData(stateDir, `${place.origin} does not exist`);
  await place.write("current", key);
  return kept(place, key, null);
}

function kept(place: Place, key: Buffer, staged: Buffer | null): MasterKey {
  return {
    key,
    staged,
    origin: place.origin,
    stage: (next) => place.write("next", next),
    async settle(settled) {
      await place.write("current", settled);
      await place.remove("next");
    },
  };
}

/** The keychain if it can be written and read back, else a key file in the state directory. */
async function newKey({ stateDir, keychain, random }: KeyringOptions, ownPlace: Place): Promise<MasterKey> {
  const key = random(KEY_BYTES);
  if (keychain !== null) {
    const id = random(16).toString("hex");
    const place = keychainPlace(keychain, id);
    try {
      // A keychain may say yes and keep nothing, so the proof is reading back.
      await place.write("current", key);
      const readBack = await place.read("current");
      if (readBack === null || !readBack.equals(key)) throw new Error("it does not give back what it was given");
    } catch {
      await place.remove("current").catch(() => undefined); // may have been written; nothing depends on it
      return created(ownPlace, stateDir, key);
    }
    // Last, because this file is what says that the key is in the keychain.
    writeKeychainId(stateDir, id);
    return kept(place, key, null);
  }
  return created(ownPlace, stateDir, key);
}

async function keyFromKeychain({ stateDir, keychain }: KeyringOptions, id: string): Promise<MasterKey> {
  const account = accountFor(id);
  const moving =
    `Unlock the keychain and start again. On a machine without it, copy the secret from where this directory was made ` +
    `(Linux: secret-tool lookup service ${KEYCHAIN_SERVICE} username ${account}; macOS: security find-generic-password ` +
    `-s ${KEYCHAIN_SERVICE} -a ${account} -w) into a file with mode 600 and name it in SIGNALBOX_KEY_FILE.`;
  const trouble = (why: string, cause?: unknown) =>
    new SignalboxError("storage_error", `The key of ${stateDir.path} is in a keychain, and ${why}.`, moving, {
      cause,
      retryable: false,
    });
  if (keychain === null) throw trouble("none is used here");
  const place = keychainPlace(keychain, id);
  let found: MasterKey | null;
  try {
    found = await existing(place);
  } catch (error) {
    if (error instanceof SignalboxError) throw error;
    throw trouble(`it cannot be read: ${error instanceof Error ? error.message : String(error)}`, error);
  }
  if (found === null) throw trouble("this one has no such entry");
  return found;
}

function requireNoData(stateDir: StateDir, missing: string): void {
  const bytes = (file: string) => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (bytes(stateDir.databaseFile) === 0 && bytes(`${stateDir.databaseFile}-wal`) === 0) return;
  throw new SignalboxError(
    "storage_error",
    `The state directory ${stateDir.path} holds data, but ${missing}. A new key could not read it.`,
    "Name the key file it was made with in SIGNALBOX_KEY_FILE, or choose another state directory. Nothing was changed.",
    { retryable: false },
  );
}

function filePlace(file: string, origin: string): Place {
  const path = (slot: Slot) => (slot === "current" ? file : `${file}.next`);
  return {
    origin,
    read: async (slot) => readKeyFile(path(slot)),
    write: async (slot, key) => writeKeyFile(path(slot), key),
    remove: async (slot) => removeKeyFile(path(slot)),
  };
}

function keychainPlace(keychain: Keychain, id: string): Place {
  const account = accountFor(id);
  const name = (slot: Slot) => (slot === "current" ? account : `${account}.next`);
  return {
    origin: `the operating system's keychain (service ${KEYCHAIN_SERVICE}, account ${account})`,
    async read(slot) {
      const text = await keychain.get(name(slot));
      return text === null ? null : parseKey(text, `The keychain entry ${name(slot)}`);
    },
    write: (slot, key) => keychain.set(name(slot), key.toString("hex")),
    remove: (slot) => keychain.delete(name(slot)),
  };
}

/** From a random id in the directory, not from its path: a moved or copied directory keeps its key, and two directories
 *  never share one. */
function accountFor(id: string): string {
  return createHash("sha256").update(`signalbox keychain account ${id}`).digest("hex").slice(0, 32);
}

function readKeychainId({ keychainIdFile }: StateDir): string | null {
  try {
    return readFileSync(keychainIdFile, "utf8").trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw fileTrouble(`${keychainIdFile} cannot be read`, "Make it readable for this user.", error);
  }
}

function writeKeychainId({ keychainIdFile }: StateDir, id: string): void {
  try {
    writeFileSync(keychainIdFile, `${id}\n`, { mode: 0o600, flag: "wx", flush: true });
  } catch (error) {
    throw fileTrouble(`${keychainIdFile} cannot be written`, "Make the state directory writable for this user.", error);
  }
}
