// A key as a file: 64 hexadecimal digits and a newline, mode 0600. Read with suspicion, written whole or not at all. That a
// missing file may or may not be created is decided by keyring.ts.

import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { SignalboxError } from "../kernel/errors.ts";
import { KEY_BYTES } from "./database.ts";
import { fileTrouble } from "./failure.ts";

const KEY_TEXT = new RegExp(`^[0-9a-fA-F]{${KEY_BYTES * 2}}$`);

/** The key in `file`, or null when there is no such file. Throws `storage_error` when others can read the file or it holds
 *  something else. */
export function readKeyFile(file: string): Buffer | null {
  let text: string;
  try {
    const { mode } = statSync(file);
    if ((mode & 0o077) !== 0) {
      throw new SignalboxError(
        "storage_error",
        `The key file ${file} is open to other users (mode ${(mode & 0o777).toString(8).padStart(3, "0")}).`,
        `Close it with: chmod 600 '${file}'. If somebody may have read it, begin a new state directory with a new key.`,
        { retryable: false },
      );
    }
    text = readFileSync(file, "latin1").trim();
  } catch (error) {
    if (error instanceof SignalboxError) throw error;
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw fileTrouble(`The key file ${file} cannot be read`, "Make it readable for this user only (chmod 600).", error);
  }
  return parseKey(text, `The key file ${file}`);
}

/** `what` names the place in the error's sentence. */
export function parseKey(text: string, what: string): Buffer {
  if (KEY_TEXT.test(text)) return Buffer.from(text, "hex");
  throw new SignalboxError(
    "storage_error",
    `${what} does not hold a key: expected ${KEY_BYTES * 2} hexadecimal digits, found ${text.length} characters.`,
    "Put the original key back; without it the database cannot be read.",
    { retryable: false },
  );
}

/** After it returned, the key is on the disk under its name, also after a power cut. Replaces an older one. */
export function writeKeyFile(file: string, key: Buffer): void {
  const partial = `${file}.partial`;
  try {
    rmSync(partial, { force: true });
    writeFileSync(partial, `${key.toString("hex")}\n`, { mode: 0o600, flag: "wx", flush: true });
    renameSync(partial, file);
    syncDirectory(dirname(file));
  } catch (error) {
    throw fileTrouble(`The key file ${file} cannot be written`, "Make its directory writable for this user.", error);
  }
}

export function removeKeyFile(file: string): void {
  rmSync(file, { force: true });
}

function syncDirectory(dir: string): void {
  const descriptor = openSync(dir, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
