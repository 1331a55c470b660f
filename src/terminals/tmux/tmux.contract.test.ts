// The tmux backend against the contract, with a real tmux on private sockets.

import { keepsTheTerminalContract } from "../terminal.contract.ts";
import { createTmuxStage } from "./tmux-stage.ts";

keepsTheTerminalContract({ name: "the tmux backend", setUp: async () => createTmuxStage() });
