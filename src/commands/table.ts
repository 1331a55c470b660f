// The command table. Adding a command is a file's export and a line here; every edge follows.

import {
  answerAgent,
  clearConversation,
  createAgent,
  deleteAgent,
  interruptAgent,
  startConversation,
  waitForAgent,
} from "./agents.ts";
import { listMessages, resendMessage } from "./dead-letters.ts";
import type { Spec } from "./execute.ts";
import { broadcastMessage, cancelMessage, getMessage, sendMessage } from "./messages.ts";
import { createSession, deleteSession } from "./sessions.ts";
import { getAuditLog, getSessionStatus, readAgent } from "./status.ts";
import { createToken, revokeToken } from "./tokens.ts";

export const COMMAND_TABLE: readonly Spec[] = [
  createSession,
  createAgent,
  deleteAgent,
  getSessionStatus,
  deleteSession,
  sendMessage,
  getMessage,
  cancelMessage,
  broadcastMessage,
  listMessages,
  resendMessage,
  clearConversation,
  startConversation,
  readAgent,
  waitForAgent,
  interruptAgent,
  answerAgent,
  getAuditLog,
  createToken,
  revokeToken,
];
