// The embedded backend against the contract, with real hosts, real terminals and real processes.

import { keepsTheTerminalContract } from "../terminal.contract.ts";
import { createPtyStage } from "./pty-stage.ts";

keepsTheTerminalContract({ name: "the embedded backend", setUp: async () => createPtyStage() });
