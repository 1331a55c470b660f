// The program that the terminal contract runs in every backend: a line of input ended by Enter is a command, and each is
// one thing the contract needs to see from inside. Run by node it sits on a real terminal; the memory backend runs the same
// object. It is part of the tests and never shipped.

import { createHash } from "node:crypto";
import { pathToFileURL } from "node:url";

export interface ContractIo {
  output(text: string): void;
  exit(code: number): void;
  env(name: string): string | undefined;
  size(): { cols: number; rows: number };
}

export interface ContractProgram {
  /** Bytes one by one, as latin1. */
  input(bytes: string): void;
}

/**
 *   say JSON        writes the text
 *   exit N          ends with that code
 *   size            writes size=COLSxROWS
 *   env NAME        writes NAME=value, or NAME is unset
 *   collect N       takes the next N bytes of input and writes what they were: runs of equal bytes, and a hash
 *   ask JSON        writes the text, takes input up to "!", writes it as JSON
 *   flood N         writes N bytes of lines, then "flooded"
 */
export function createContractProgram(io: ContractIo): ContractProgram {
  let line = "";
  let collecting: { missing: number; parts: string[] } | null = null;
  let asked: string | null = null;
  io.output("ready\r\n");

  return {
    input(bytes) {
      let rest = bytes;
      while (rest !== "") {
        if (collecting) rest = collect(collecting, rest);
        else if (asked !== null) rest = hearAnswer(asked, rest);
        else rest = readLine(rest);
      }
    },
  };

  function readLine(bytes: string): string {
    const end = bytes.indexOf("\r");
    if (end === -1) {
      line += bytes;
      return "";
    }
    const command = line + bytes.slice(0, end);
    line = "";
    obey(Buffer.from(command, "latin1").toString("utf8"));
    return bytes.slice(end + 1);
  }

  function obey(command: string): void {
    const [word = "", argument = ""] = [command.split(" ", 1)[0], command.slice(command.indexOf(" ") + 1)];
    if (word === "say") io.output(JSON.parse(argument));
    if (word === "exit") io.exit(Number(argument));
    if (word === "size") io.output(`size=${io.size().cols}x${io.size().rows}\r\n`);
    if (word === "env") {
      const value = io.env(argument);
      io.output(value === undefined ? `${argument} is unset\r\n` : `${argument}=${value}\r\n`);
    }
    if (word === "collect") collecting = { missing: Number(argument), parts: [] };
    if (word === "ask") {
      asked = "";
      io.output(JSON.parse(argument));
    }
    if (word === "flood") flood(Number(argument));
  }

  function collect(state: { missing: number; parts: string[] }, bytes: string): string {
    const taken = bytes.slice(0, state.missing);
    state.parts.push(taken);
    state.missing -= taken.length;
    if (state.missing === 0) {
      collecting = null;
      io.output(`collected ${describe(state.parts.join(""))}\r\n`);
    }
    return bytes.slice(taken.length);
  }

  function hearAnswer(heard: string, bytes: string): string {
    const end = bytes.indexOf("!");
    asked = heard + (end === -1 ? bytes : bytes.slice(0, end));
    if (end === -1) return "";
    io.output(`answered ${JSON.stringify(asked)}\r\n`);
    asked = null;
    return bytes.slice(end + 1);
  }

  function flood(bytes: number): void {
    const block = `${"0123456789abcdef".repeat(4).slice(0, 62)}\r\n`.repeat(256);
    for (let written = 0; written < bytes; written += block.length) io.output(block);
    io.output("flooded\r\n");
  }
}

/** What was collected, short enough for one line: the first runs of equal bytes, and a hash of all. */
export function describe(bytes: string): string {
  const runs = [...bytes.matchAll(/(.)\1*/gs)].slice(0, 4).map(([run, byte]) => `${byte}${run.length}`);
  const hash = createHash("sha256").update(bytes, "latin1").digest("hex").slice(0, 16);
  return `${bytes.length} ${hash} ${runs.join(",").replace(/[^\x20-\x7e]/g, "?")}`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  process.stdin.setRawMode?.(true);
  const program = createContractProgram({
    output: (text) => void process.stdout.write(text),
    exit: (code) => process.exit(code),
    env: (name) => process.env[name],
    size() {
      const [cols, rows] = process.stdout.getWindowSize(); // asks the terminal, not the last SIGWINCH
      return { cols, rows };
    },
  });
  process.stdin.on("data", (chunk) => program.input(chunk.toString("latin1")));
}
