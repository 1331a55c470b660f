// The promises, checked on what really happened: the database as committed, the models' logs, the audit rows. Nothing here
// knows which faults there were, except where a promise itself speaks of them.

import { createHash } from "node:crypto";
import { isEnd, isHookChannel, MESSAGE_MOVES } from "../../src/messages/delivery.ts";
import type { MessageRow } from "../../src/messages/mailbox.ts";
import type { Database } from "../../src/storage/database.ts";
import type { ModelEntry } from "./agent-world.ts";
import type { Answered, Letter } from "./callers.ts";
import type { Sim } from "./sim.ts";

export interface Evidence {
  sim: Sim;
  db: Database;
  model: readonly ModelEntry[];
  letters: readonly Letter[];
  answered: readonly Answered[];
  /** The state a person is shown; null for an agent that was deleted. */
  stateOf(agentId: string): string | null;
  /** What its program really does, in words. */
  truthOf(agentId: string): string;
}

/** States in which a queue may stand still. */
const RESTING = ["closed", "exited", "failed"];

/** Messages that should have their verdict by now and have none. */
export function withoutVerdict({ db, stateOf }: Pick<Evidence, "db" | "stateOf">): MessageRow[] {
  return db
    .all<MessageRow>("SELECT * FROM messages ORDER BY seq")
    .filter((row) => !isEnd(row.state))
    .filter((row) => row.state !== "queued" || !RESTING.includes(stateOf(row.agent_id) ?? ""));
}

export function checkAll(evidence: Evidence): void {
  checkVerdicts(evidence);
  checkAcceptance(evidence);
  checkModel(evidence);
  checkOrder(evidence);
  checkMoves(evidence);
  checkAudit(evidence);
}

function checkVerdicts(evidence: Evidence): void {
  for (const row of withoutVerdict(evidence)) {
    const state = evidence.stateOf(row.agent_id);
    evidence.sim.violate(
      "every accepted message gets its verdict",
      `${row.message_id} is ${row.state}, its agent ${state ?? "deleted"}, in truth ${evidence.truthOf(row.agent_id)}`,
    );
  }
}

function checkAcceptance({ sim, db, letters }: Evidence): void {
  for (const letter of letters) {
    const rows = db.all<MessageRow>("SELECT * FROM messages WHERE body = ?", [letter.nonce]);
    if (rows.length > 1)
      sim.violate("a message asked for twice is accepted once", `${letter.nonce}: ${rows.length} rows`);
    if (letter.messageId !== null && rows[0]?.message_id !== letter.messageId) {
      sim.violate("an accepted message is on disk", `${letter.nonce}, ${letter.messageId}`);
    }
    if (letter.isRefused && rows.length > 0) sim.violate("a refused message is not accepted", letter.nonce);
  }
}

function checkModel({ sim, db, model }: Evidence): void {
  for (const row of db.all<MessageRow>("SELECT * FROM messages ORDER BY seq")) {
    const seen = model.filter((entry) => entry.messageId === row.message_id);
    const given = seen.filter((entry) => entry.by === "daemon");
    // Nothing tells of a prompt that the gate refused, whose program did not hear it, and was killed before it wrote that down; and
    // nothing keeps a second copy from the model that a program has in hand while no daemon can be asked.
    const isUntold = (entry: ModelEntry) =>
      entry.isTraceless ||
      entry.isUnasked ||
      (entry.isForgotten && row.refused_prompts !== "" && entry.promptId !== null);
    const kept = given.filter((entry) => !isUntold(entry));
    const about = `${row.message_id} (${row.state}${row.failure_code === null ? "" : `, ${row.failure_code}`})`;
    if (seen.some((entry) => entry.agentId !== row.agent_id))
      sim.violate("a message reaches its own agent only", about);
    if (kept.length > 1)
      sim.violate(
        "no message reaches the model twice",
        `${about}: ${kept.map((one) => `${one.via} at ${one.atMs.toFixed(0)}`).join(", ")}`,
      );
    if (seen.length > given.length && kept.length > 0) sim.count("seen again: resubmitted by a person");
    if (given.length > 1 && given.some(isUntold))
      sim.count("seen again: a power cut or an unheard refusal left no trace");
    const isAway = row.state === "failed" || row.state === "expired" || row.state === "cancelled";
    if (isAway && seen.some((entry) => !entry.isForgotten))
      sim.violate("a message that failed never reached the model", about);
    if (row.state === "processed" && row.failure_code === null && seen.length === 0) {
      sim.violate("a processed message did reach the model", about);
    }
    if (row.state === "processed" && row.failure_code !== null && seen.length === 0)
      sim.count("passed the gate, ended before the model");
    if (row.state === "unknown" && isHookChannel(row.channel))
      sim.count("unknown: killed with a hook's answer in hand");
    else if (row.state === "unknown" && !sim.machine.wasTranscriptLost) {
      sim.violate(
        "a verdict is unknown only where the transcript could not be read",
        `${about}: ${row.failure_message}`,
      );
    }
  }
}

/** First in, first out: per sender, recipient and priority, in the order of acceptance. */
function checkOrder({ sim, db, model }: Evidence): void {
  const rows = new Map(db.all<MessageRow>("SELECT * FROM messages").map((row) => [row.message_id as string, row]));
  const last = new Map<string, number>();
  const seen = new Set<string>();
  for (const entry of model) {
    const row = rows.get(entry.messageId);
    if (row === undefined || seen.has(entry.messageId) || entry.by === "person" || entry.isForgotten) continue;
    seen.add(entry.messageId);
    const pair = `${row.sender} -> ${row.agent_id} ${row.priority}`;
    const before = last.get(pair) ?? 0;
    if (row.seq < before) sim.violate("messages of one sender arrive in order", `${pair}: ${row.message_id}`);
    last.set(pair, Math.max(before, row.seq));
  }
}

function checkMoves({ sim, db }: Evidence): void {
  for (const { message_id, was, became } of db.all<{ message_id: string; was: string; became: string }>(
    "SELECT * FROM sim_moves WHERE was <> 'start'",
  )) {
    sim.count(`move ${was === "" ? "(new)" : was} -> ${became}`);
    if (was === "" ? became === "queued" : (MESSAGE_MOVES as Record<string, readonly string[]>)[was]?.includes(became))
      continue;
    sim.violate("a message moves along the table only", `${message_id}: ${was} -> ${became}`);
  }
}

function checkAudit({ sim, db, answered }: Evidence): void {
  const rows = db.all<{
    seq: number;
    at: number;
    actor: string;
    role: string;
    tool: string;
    target: string | null;
    outcome: string;
    detail: string;
    hash: string;
  }>("SELECT * FROM audit ORDER BY seq");
  let previous = "0".repeat(64);
  for (const [index, row] of rows.entries()) {
    const fields = [row.seq, row.at, row.actor, row.role, row.tool, row.target, row.outcome, row.detail];
    const hash = createHash("sha256").update(previous).update(JSON.stringify(fields)).digest("hex");
    if (row.seq !== index + 1 || row.hash !== hash) return sim.violate("the audit chain holds", `at ${row.seq}`);
    previous = hash;
  }
  for (const { message_id } of db.all<{ message_id: string }>("SELECT message_id FROM messages")) {
    if (
      !rows.some((row) => row.target === message_id && row.tool === "send_message_to_agent" && row.outcome === "ok")
    ) {
      sim.violate("every command leaves an audit row", `${message_id} was accepted without one`);
    }
  }
  const calls = new Map<string, number>();
  for (const { tool, outcome } of answered) {
    // A repeated call changes nothing and is answered from the first one's row; a full disk holds no row either.
    if (tool === "send_message_to_agent" || outcome === "storage_error") continue;
    calls.set(`${tool} ${outcome}`, (calls.get(`${tool} ${outcome}`) ?? 0) + 1);
  }
  for (const [call, count] of calls) {
    const written = rows.filter((row) => `${row.tool} ${row.outcome}` === call).length;
    // A command that was carried out and then failed has a row for both.
    if (written < count) sim.violate("every command leaves an audit row", `${call}: ${count} answers, ${written} rows`);
  }
}
