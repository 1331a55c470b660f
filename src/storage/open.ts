// From a state directory to an open, up-to-date database: find the key, open, migrate. And the one operation that touches
// key and database together, changing the key, in an order that survives a crash at any point.

import { type Database, KEY_BYTES, openDatabase } from "./database.ts";
import { type KeyringOptions, type MasterKey, resolveMasterKey } from "./keyring.ts";
import { type Migration, migrate } from "./migrate.ts";

export interface Storage {
  readonly db: Database;
  /** Where the key is kept, for `status` and `doctor`. */
  readonly keyOrigin: string;
  /** A new key for everything from now on. Backups made before keep the old one. */
  rotateKey(): Promise<void>;
}

/** The caller is the only process on this state directory. Rejects with `storage_error`; then nothing has been changed
 *  beyond a new, empty directory's own key. */
export async function openStorage(options: KeyringOptions & { migrations: readonly Migration[] }): Promise<Storage> {
  const master = await resolveMasterKey(options);
  const db = await openWithEither(options.stateDir.databaseFile, master);
  try {
    migrate(db, options.migrations);
  } catch (error) {
    db.close();
    throw error;
  }
  return {
    db,
    keyOrigin: master.origin,
    async rotateKey() {
      const next = options.random(KEY_BYTES);
      await master.stage(next); // before the database needs it
      db.rekey(next);
      await master.settle(next);
    },
  };
}

/** A rotation that was cut off leaves two keys; the one that opens the database is the one in force. */
async function openWithEither(file: string, master: MasterKey): Promise<Database> {
  if (master.staged === null) return openDatabase({ file, key: master.key });
  const { db, key } = openFirst(file, [master.key, master.staged]);
  try {
    await master.settle(key);
  } catch (error) {
    db.close();
    throw error;
  }
  return db;
}

function openFirst(file: string, [key, ...others]: [Buffer, ...Buffer[]]): { db: Database; key: Buffer } {
  try {
    return { db: openDatabase({ file, key }), key };
  } catch (error) {
    const [next, ...rest] = others;
    if (next === undefined) throw error;
    return openFirst(file, [next, ...rest]);
  }
}
