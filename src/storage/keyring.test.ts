import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { tempDir } from "../../test/support/temp-dir.ts";
import type { Keychain } from "./keychain.ts";
import type { KeyringOptions } from "./keyring.ts";
import { openStorage } from "./open.ts";
import { prepareStateDir, type StateDir } from "./state-dir.ts";

const migrations = [{ number: 1, sql: "CREATE TABLE notes (body TEXT) STRICT; INSERT INTO notes VALUES ('kept')" }];

/** A keychain in memory, which can be locked and can lose what it is given. */
function fakeKeychain() {
  const entries = new Map<string, string>();
  const state = { isLocked: false, isForgetful: false };
  const whenOpen = async <T>(work: () => T): Promise<T> => {
    if (state.isLocked) throw new Error("unlock prompt was dismissed");
    return work();
  };
  const keychain: Keychain = {
    get: (account) => whenOpen(() => entries.get(account) ?? null),
    set: (account, secret) => whenOpen(() => void (state.isForgetful || entries.set(account, secret))),
    delete: (account) => whenOpen(() => void entries.delete(account)),
  };
  return { keychain, entries, state };
}

/** Different bytes at every call, the same in every run. */
function countingRandom(): KeyringOptions["random"] {
  let calls = 0;
  return (bytes) => Buffer.alloc(bytes, ++calls);
}

const random = countingRandom();

async function open(stateDir: StateDir, options: Partial<KeyringOptions> = {}) {
  const storage = await openStorage({ stateDir, keyFile: undefined, keychain: null, random, migrations, ...options });
  onTestFinished(() => storage.db.close());
  return storage;
}

/** Opens, and proves that the data of the first opening is there. */
async function reopen(stateDir: StateDir, options: Partial<KeyringOptions> = {}) {
  const storage = await open(stateDir, options);
  expect(storage.db.all("SELECT body FROM notes")).toEqual([{ body: "kept" }]);
  storage.db.close();
  return storage;
}

const storageError = (words: string) =>
  expect.objectContaining({ code: "storage_error", message: expect.stringContaining(words) });

const newStateDir = () => prepareStateDir(join(tempDir(), "state"));

describe("without a keychain", () => {
  it("keeps the key in a file of the state directory that only its owner can read", async () => {
    const stateDir = newStateDir();
    const { db, keyOrigin } = await open(stateDir);
    db.close();
    expect(keyOrigin).toBe(`the key file ${stateDir.keyFile}`);
    expect(statSync(stateDir.keyFile).mode & 0o777).toBe(0o600);
    expect(readFileSync(stateDir.keyFile, "latin1")).toMatch(/^[0-9a-f]{64}\n$/);
    await reopen(stateDir);
  });

  it("opens a copied state directory elsewhere", async () => {
    const stateDir = newStateDir();
    (await open(stateDir)).db.close();
    const copy = join(tempDir(), "copy");
    cpSync(stateDir.path, copy, { recursive: true });
    await reopen(prepareStateDir(copy));
  });

  it("never makes a new key over existing data", async () => {
    const stateDir = newStateDir();
    (await open(stateDir)).db.close();
    rmSync(stateDir.keyFile);
    const before = readdirSync(stateDir.path);
    for (const keychain of [null, fakeKeychain().keychain]) {
      await expect(open(stateDir, { keychain })).rejects.toThrow(storageError("holds data"));
    }
    expect(readdirSync(stateDir.path)).toEqual(before);
  });

  it.each([
    ["open to others", (file: string) => chmodSync(file, 0o640), "open to other users (mode 640)"],
    ["cut short", (file: string) => writeFileSync(file, "abc\n"), "does not hold a key"],
    ["empty", (file: string) => writeFileSync(file, ""), "does not hold a key"],
    ["another database's", (file: string) => writeFileSync(file, `${"ab".repeat(32)}\n`), "key does not open"],
  ])("refuses a key file that is %s, and says so", async (_, spoil, words) => {
    const stateDir = newStateDir();
    (await open(stateDir)).db.close();
    spoil(stateDir.keyFile);
    await expect(open(stateDir)).rejects.toThrow(storageError(words));
  });
});

describe("with SIGNALBOX_KEY_FILE", () => {
  it("makes the file for a new state directory and uses it from then on, keychain or not", async () => {
    const [stateDir, keyFile] = [newStateDir(), join(tempDir(), "my.key")];
    const { keychain, entries } = fakeKeychain();
    const { db, keyOrigin } = await open(stateDir, { keyFile, keychain });
    db.close();
    expect(keyOrigin).toBe(`the key file ${keyFile} (SIGNALBOX_KEY_FILE)`);
    expect(statSync(keyFile).mode & 0o777).toBe(0o600);
    expect([existsSync(stateDir.keyFile), entries.size]).toEqual([false, 0]);
    await reopen(stateDir, { keyFile, keychain });
  });

  it("refuses a missing file when there is data, and does not make it", async () => {
    const [stateDir, dir] = [newStateDir(), tempDir()];
    (await open(stateDir, { keyFile: join(dir, "my.key") })).db.close();
    await expect(open(stateDir, { keyFile: join(dir, "typo.key") })).rejects.toThrow(storageError("holds data"));
    await expect(open(stateDir)).rejects.toThrow(storageError("holds data"));
    expect(readdirSync(dir)).toEqual(["my.key"]);
  });

  it("says so when the file cannot be made", async () => {
    const keyFile = join(tempDir(), "missing", "my.key");
    await expect(open(newStateDir(), { keyFile })).rejects.toThrow(
      storageError("cannot be written (it does not exist)"),
    );
  });
});

describe("with a keychain", () => {
  it("keeps the key there and nowhere else", async () => {
    const stateDir = newStateDir();
    const { keychain, entries } = fakeKeychain();
    const { db, keyOrigin } = await open(stateDir, { keychain });
    db.close();
    expect(keyOrigin).toContain("the operating system's keychain");
    expect(existsSync(stateDir.keyFile)).toBe(false);
    const [secret] = [...entries.values()];
    for (const name of readdirSync(stateDir.path).filter((name) => name !== "run")) {
      expect(readFileSync(join(stateDir.path, name)).includes(secret ?? "")).toBe(false);
    }
    await reopen(stateDir, { keychain });
  });

  it("gives two state directories two entries, and a copied one the same", async () => {
    const { keychain, entries } = fakeKeychain();
    const stateDir = newStateDir();
    (await open(stateDir, { keychain })).db.close();
    (await open(newStateDir(), { keychain })).db.close();
    expect(entries.size).toBe(2);
    const copy = join(tempDir(), "copy");
    cpSync(stateDir.path, copy, { recursive: true });
    await reopen(prepareStateDir(copy), { keychain });
    expect(entries.size).toBe(2);
  });

  it.each(["isLocked", "isForgetful"] as const)("falls back to a key file when the keychain %s", async (trouble) => {
    const stateDir = newStateDir();
    const { keychain, entries, state } = fakeKeychain();
    state[trouble] = true;
    const { db, keyOrigin } = await open(stateDir, { keychain });
    db.close();
    expect([keyOrigin, entries.size]).toEqual([`the key file ${stateDir.keyFile}`, 0]);
    state[trouble] = false;
    await reopen(stateDir, { keychain });
    expect(entries.size).toBe(0);
  });

  it("says where the key is when the keychain is locked, absent or another one", async () => {
    const stateDir = newStateDir();
    const { keychain, state } = fakeKeychain();
    (await open(stateDir, { keychain })).db.close();
    state.isLocked = true;
    await expect(open(stateDir, { keychain })).rejects.toThrow(storageError("unlock prompt was dismissed"));
    await expect(open(stateDir)).rejects.toThrow(storageError("none is used here"));
    await expect(open(stateDir, { keychain: fakeKeychain().keychain })).rejects.toThrow(storageError("no such entry"));
  });
});

describe("changing the key", () => {
  it.each(["key file", "keychain"])("replaces it in the database and in the %s", async (where) => {
    const stateDir = newStateDir();
    const { keychain, entries } = fakeKeychain();
    const options = { keychain: where === "keychain" ? keychain : null };
    const kept = () => [...entries.values()].join() || readFileSync(stateDir.keyFile, "latin1").trim();
    const storage = await open(stateDir, options);
    const before = kept();
    await storage.rotateKey();
    await storage.rotateKey();
    storage.db.close();
    expect(kept()).toMatch(/^[0-9a-f]{64}$/);
    expect(kept()).not.toBe(before);
    expect(readdirSync(stateDir.path)).not.toContain("key.next");
    await reopen(stateDir, options);
  });

  it("survives being cut off before and after the database has the new key", async () => {
    const next = `${"cd".repeat(32)}\n`;
    for (const isReencrypted of [false, true]) {
      const stateDir = newStateDir();
      const { db } = await open(stateDir);
      writeFileSync(`${stateDir.keyFile}.next`, next, { mode: 0o600 });
      if (isReencrypted) db.rekey(Buffer.from(next.trim(), "hex"));
      db.close();
      await reopen(stateDir);
      expect(existsSync(`${stateDir.keyFile}.next`)).toBe(false);
      expect(readFileSync(stateDir.keyFile, "latin1") === next).toBe(isReencrypted);
      await reopen(stateDir);
    }
  });
});

describe("the operating system's own keychain", () => {
  const program = `
    import { osKeychain } from ${JSON.stringify(new URL("./keychain.ts", import.meta.url).href)};
    import { systemClock } from ${JSON.stringify(new URL("../kernel/clock.ts", import.meta.url).href)};
    const keychain = osKeychain(systemClock);
    const said = [];
    const attempt = async (work) => said.push(await work().then((value) => value ?? null, () => "refused"));
    await attempt(() => keychain.get("a"));
    await attempt(() => keychain.set("a", "secret"));
    await attempt(() => keychain.get("a"));
    await attempt(() => keychain.delete("a"));
    await attempt(() => keychain.get("a"));
    console.log(JSON.stringify(said));`;
  const run = (command: string, args: string[]) => {
    const home = tempDir();
    const env = { PATH: process.env.PATH, HOME: home, XDG_RUNTIME_DIR: home, NODE: process.execPath, PROGRAM: program };
    const { stdout, stderr } = spawnSync(command, args, { env, encoding: "utf8", timeout: 60_000 });
    return { said: stdout.trim().split("\n").at(-1), stderr };
  };
  const isInstalled = (command: string) => spawnSync("sh", ["-c", `command -v ${command}`]).status === 0;

  it("keeps and forgets a secret in an unlocked Secret Service", { timeout: 90_000 }, (context) => {
    for (const command of ["dbus-run-session", "gnome-keyring-daemon"]) {
      if (!isInstalled(command)) context.skip(`${command} is not installed`);
    }
    const script = `printf pass | gnome-keyring-daemon --unlock --components=secrets >/dev/null
      "$NODE" --input-type=module --eval "$PROGRAM"`;
    const { said, stderr } = run("dbus-run-session", ["--", "sh", "-c", script]);
    expect(said, stderr).toBe(JSON.stringify([null, null, "secret", null, null]));
  });

  it("refuses rather than falling back to a keyring that forgets at the next boot", { timeout: 90_000 }, (context) => {
    if (process.platform !== "linux") context.skip("only Linux has a second, forgetful keyring");
    const { said, stderr } = run(process.execPath, ["--input-type=module", "--eval", program]);
    expect(said, stderr).toBe(JSON.stringify(Array(5).fill("refused")));
  });
});
