// What everything is doing: sessions and agents, an agent's screen and transcript, the audit log. Reading only.

import { stripVTControlCharacters } from "node:util";
import { z } from "zod";
import { maySee } from "../access/roles.ts";
import { isoTime } from "../kernel/clock.ts";
import { SignalboxError } from "../kernel/errors.ts";
import { redact } from "../kernel/redact.ts";
import { sanitise } from "../messages/envelope.ts";
import { readBoard } from "../tasks/board.ts";
import { defineCommand } from "./execute.ts";
import { agentId, sessionId } from "./fields.ts";
import { requireAgent, requireSession } from "./house.ts";
import { renderSession } from "./views.ts";

export const getSessionStatus = defineCommand({
  name: "get_session_status",
  title: "Look at sessions and agents",
  description:
    "Sessions with their agents: state and why, what an agent waits for (waiting_for, to be answered with answer_agent), queue length, " +
    "last reply, task, context used, cost; and the daemon's limits. Without session_id: all sessions.",
  level: "LOW",
  effect: { readOnly: true, destructive: false, idempotent: true },
  waits: false,
  localOnly: false,
  input: z.strictObject({ session_id: sessionId.optional() }),
  output: z.looseObject({ sessions: z.array(z.looseObject({})), daemon: z.looseObject({}) }),
  run({ house, principal }, input) {
    const all = house.registry.sessions();
    const sessions =
      input.session_id === undefined
        ? all.filter((session) => maySee(principal, session.session_id))
        : [requireSession(house, principal, input.session_id)];
    return {
      target: input.session_id ?? null,
      answer: {
        sessions: sessions.map((session) => renderSession(house, session, readBoard(session.root_path), principal)),
        daemon: {
          pid: house.daemon.pid,
          version: house.daemon.version,
          started_at: isoTime(house.daemon.startedAtMs),
          agents: house.registry.agents().length,
          max_agents: house.limits.maxAgents,
          sessions: all.length,
          max_sessions: house.limits.maxSessions,
        },
      },
    };
  },
});

const LINES_DEFAULT = 100;

export const readAgent = defineCommand({
  name: "read_agent",
  title: "Read an agent's screen or transcript",
  description:
    "What stands on the agent's screen now, its conversation's transcript (the whole story; the screen shows one page), or its raw " +
    "output as text. Escape sequences are removed and what looks like a secret is redacted.",
  level: "LOW",
  effect: { readOnly: true, destructive: false, idempotent: true },
  waits: false,
  localOnly: false,
  input: z.strictObject({
    agent_id: agentId,
    what: z.enum(["screen", "transcript", "output"]).default("screen"),
    lines: z
      .number()
      .int()
      .min(1)
      .max(5_000)
      .default(LINES_DEFAULT)
      .describe("At most this many lines, the last ones."),
  }),
  output: z.looseObject({
    agent_id: z.string(),
    what: z.string(),
    text: z.string(),
    cursor: z.number(),
    at: z.string(),
  }),
  run({ house, principal }, input) {
    const row = requireAgent(house, principal, input.agent_id);
    if (principal.role === "agent" && principal.agentId !== row.agent_id) {
      throw new SignalboxError(
        "permission_denied",
        "An agent reads its own output only.",
        "Ask the other agent with a message.",
      );
    }
    return {
      target: row.agent_id,
      answer: async () => {
        const { text, cursor } = await read();
        const lines = text.split("\n").slice(-input.lines).join("\n");
        return {
          agent_id: row.agent_id,
          what: input.what,
          text: redact(lines),
          cursor,
          at: isoTime(house.clock.now()),
        };
      },
    };

    async function read(): Promise<{ text: string; cursor: number }> {
      if (input.what === "transcript") {
        const text = house.supervisor.transcriptText(row.agent_id, input.lines) ?? "";
        return { text: sanitise(text), cursor: Buffer.byteLength(text) };
      }
      const line = house.supervisor.line(row.agent_id);
      if (line === null) {
        throw new SignalboxError(
          "agent_not_running",
          `${row.name} has no running process, so there is no ${input.what}.`,
          "Read what: transcript, or start it with start_new_agent_conversation.",
        );
      }
      if (input.what === "screen") {
        const screen = await line.terminal.screen();
        return { text: sanitise(screen.lines.join("\n")).trimEnd(), cursor: screen.outputBytes };
      }
      const tail = await line.terminal.tail(0);
      return { text: sanitise(stripVTControlCharacters(tail.text)), cursor: tail.next };
    }
  },
});

export const getAuditLog = defineCommand({
  name: "get_audit_log",
  title: "Read the audit log",
  description: "Who asked for what and what came of it, oldest first; refusals included. Continue with next_cursor.",
  level: "MEDIUM",
  effect: { readOnly: true, destructive: false, idempotent: true },
  waits: false,
  localOnly: false,
  input: z.strictObject({
    since: z.iso.datetime().optional().describe("ISO 8601 time of the oldest entry wanted."),
    actor: z.string().max(200).optional().describe("Only this actor, e.g. local or agent:<id>."),
    tool: z.string().max(100).optional().describe("Only this command."),
    limit: z.number().int().min(1).max(1_000).default(100),
    cursor: z
      .string()
      .regex(/^\d{1,15}$/, "a cursor is what next_cursor was")
      .optional()
      .describe("next_cursor of the last page."),
  }),
  output: z.looseObject({
    entries: z.array(z.looseObject({})),
    next_cursor: z.string().nullable(),
    head: z.looseObject({}),
  }),
  run({ house }, input) {
    const page = house.audit.read({
      sinceMs: input.since === undefined ? null : Date.parse(input.since),
      actor: input.actor ?? null,
      tool: input.tool ?? null,
      afterSeq: Number(input.cursor ?? 0),
      limit: input.limit,
    });
    return { target: null, answer: { entries: page.entries, next_cursor: page.nextCursor, head: page.head } };
  },
});
