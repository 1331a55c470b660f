// Completes package-lock.json after `npm install`. Where the registry in use lacks a tool's binaries for other platforms, npm
// leaves those optional packages out of the lock, and `npm ci` then refuses the lock on every machine. Each is named exactly by
// its parent, so its entry can be written without asking anybody. Changes nothing when nothing is missing.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const file = fileURLToPath(new URL("../package-lock.json", import.meta.url));
const lock = JSON.parse(readFileSync(file, "utf8"));

const OS = ["aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "win32"];
const CPU = ["arm64", "x64", "ia32", "ppc64", "riscv64", "s390x", "arm"];

const added = [];
for (const parent of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    const path = `node_modules/${name}`;
    if (lock.packages[path] !== undefined || !/^\d+\.\d+\.\d+/.test(version)) continue;
    const words = name.split(/[/-]/);
    const os = OS.find((word) => words.includes(word));
    const cpu = CPU.find((word) => words.includes(word));
    if (os === undefined || cpu === undefined) throw new Error(`${name}: for which platform?`);
    lock.packages[path] = {
      version,
      cpu: [cpu],
      ...(parent.dev ? { dev: true } : {}),
      // Without it, npm on a glibc system would fetch the musl binary as well.
      ...(/musl|gnu/.test(name) ? { libc: [name.includes("musl") ? "musl" : "glibc"] } : {}),
      ...(parent.license ? { license: parent.license } : {}),
      optional: true,
      os: [os],
    };
    added.push(name);
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
if (added.length > 0) writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
console.log(added.length === 0 ? "package-lock.json is complete" : `added: ${added.join(" ")}`);
