// The backend of the simulator against the contract that the real ones keep.

import { SignalboxError } from "../../kernel/errors.ts";
import { createContractProgram } from "../contract-program.ts";
import { keepsTheTerminalContract } from "../terminal.contract.ts";
import { createMemoryWorld, type StartProgram } from "./world.ts";

keepsTheTerminalContract({
  name: "the memory backend",
  async setUp() {
    const world = createMemoryWorld(startContractProgram);
    return {
      backend: world.connect(),
      anotherDaemon: () => world.connect(),
      program: ["/contract/program"],
      env: { PATH: "/bin" },
      cwd: "/",
      killHost: async (host) => world.killHost(host),
      tearDown: async () => {},
    };
  },
});

const startContractProgram: StartProgram = ({ spec, output, exit }) => {
  if (spec.argv[0] !== "/contract/program" || spec.cwd !== "/") {
    throw new SignalboxError("terminal_unavailable", "There is no such program.", "Correct the path.");
  }
  let size = spec.size;
  const program = createContractProgram({
    output,
    exit: (exitCode) => exit({ exitCode, signal: null }),
    env: (name) => (name === "COLORTERM" ? "truecolor" : spec.env[name]),
    size: () => size,
  });
  return {
    input: (bytes) => program.input(Buffer.from(bytes, "utf8").toString("latin1")),
    resized: (changed) => {
      size = changed;
    },
  };
};
