// Whose directory is it? A socket is as trustworthy as the directory it lies in: in a shared place somebody else could
// have made it first. Both ends look before they use it. Never creates or repairs anything.

import { lstatSync, type Stats } from "node:fs";

/** Why `dir` is not a directory that only this user can enter; null when it is. */
export function whyNotPrivate(dir: string, uid: number | undefined = process.getuid?.()): string | null {
  let stats: Stats;
  try {
    stats = lstatSync(dir); // lstat: a symbolic link put there by somebody else must not be followed
  } catch (error) {
    return `${dir} cannot be read (${(error as NodeJS.ErrnoException).code})`;
  }
  if (!stats.isDirectory()) return `${dir} is not a directory`;
  if (uid !== undefined && stats.uid !== uid) return `${dir} belongs to another user`;
  if ((stats.mode & 0o077) !== 0) return `${dir} is open to other users`;
  return null;
}
