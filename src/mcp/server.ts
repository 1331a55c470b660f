// One MCP server for one principal, generated from the command table; the same for both protocol eras and every transport.
// It answers tools/list and tools/call and knows no command by name. Arguments are judged by `execute` alone, so that
// every wrong argument comes back in one shape (CONTRACT section 5) instead of in the SDK's.

import {
  type CallToolResult,
  type InputRequiredResult,
  type JSONRPCRequest,
  type Result,
  Server,
  type ServerContext,
  type Tool,
} from "@modelcontextprotocol/server";
import type { Principal } from "../access/principal.ts";
import type { CommandDescription, Commands } from "../commands/command.ts";
import type { Clock } from "../kernel/clock.ts";
import { asSignalboxError, SignalboxError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import { askPerson, canBeAsked, personSaidNo, personsAnswer } from "./confirmation.ts";
import { startProgress } from "./progress.ts";
import { errorResultOf, INSTRUCTIONS, resultOf, toolFor } from "./tools.ts";

export interface McpEdge {
  commands: Commands;
  clock: Clock;
  log: Log;
  /** The product's version, for clients that show it. */
  version: string;
  /** Hides from a principal the tools its role can never call. Absent: every tool is listed. */
  mayCall?: (principal: Principal, command: CommandDescription) => boolean;
}

export interface McpServers {
  /** A fresh server that is not connected yet; cheap enough to make one for each HTTP request. */
  serverFor(principal: Principal): Server;
}

/** Calls of one principal that may run at once. A wait costs a few kilobytes; this many is a loop, not a team. */
const CALLS_AT_ONCE_MAX = 128;

/** How long a client may keep the list. It changes only with the daemon's version. */
const TOOL_LIST_TTL_MS = 5 * 60_000;

export function createMcpServers(edge: McpEdge): McpServers {
  const offered = edge.commands.list.filter((command) => !command.localOnly);
  const commands = new Map(offered.map((command) => [command.name, command]));
  // Made when the first client asks: 5 ms of schemas that no greeting needs.
  let tools: readonly { command: CommandDescription; tool: Tool }[] | null = null;
  const running = new Map<string, number>();

  function toolsFor(principal: Principal): Tool[] {
    tools ??= offered.map((command) => ({ command, tool: toolFor(command) }));
    return tools.filter(({ command }) => edge.mayCall?.(principal, command) ?? true).map(({ tool }) => tool);
  }

  async function run(
    principal: Principal,
    name: string,
    input: unknown,
    context: ServerContext,
  ): Promise<Record<string, unknown>> {
    if (!commands.has(name)) throw noSuchTool(name);
    const atOnce = running.get(principal.actor) ?? 0;
    if (atOnce >= CALLS_AT_ONCE_MAX) throw tooManyCalls();
    running.set(principal.actor, atOnce + 1);
    const progress = startProgress(context, edge.clock);
    try {
      const { signal } = context.mcpReq;
      return await edge.commands.execute(principal, name, input, { signal, progress: progress.tell });
    } finally {
      progress.stop();
      const left = (running.get(principal.actor) ?? 1) - 1;
      if (left === 0) running.delete(principal.actor);
      else running.set(principal.actor, left);
    }
  }

  async function callTool(
    principal: Principal,
    server: Server,
    call: ToolCall,
    context: ServerContext,
  ): Promise<CallToolResult | InputRequiredResult> {
    const answer = personsAnswer(context);
    if (answer === "no") return errorResultOf(personSaidNo());
    const input = answer === "yes" ? { ...call.arguments, force: true } : call.arguments;
    try {
      return resultOf(await run(principal, call.name, input, context));
    } catch (thrown) {
      const error = asSignalboxError(thrown);
      if (answer === "not_asked" && canBeAsked(error, commands.get(call.name), server, context))
        return askPerson(error);
      return errorResultOf(error);
    }
  }

  /** Arguments that are no object at all: nothing to ask a person about, but an answer in the usual shape. */
  async function callWithOddArguments(
    principal: Principal,
    name: string,
    input: unknown,
    context: ServerContext,
  ): Promise<CallToolResult> {
    try {
      return resultOf(await run(principal, name, input, context));
    } catch (thrown) {
      return errorResultOf(asSignalboxError(thrown));
    }
  }

  return {
    serverFor(principal) {
      const server = new CommandServer(
        { name: "signalbox", title: "signalbox", version: edge.version },
        {
          capabilities: { tools: {} },
          instructions: INSTRUCTIONS,
          // A list depends on the principal's role, so it is for this client's cache only.
          cacheHints: { "tools/list": { ttlMs: TOOL_LIST_TTL_MS, cacheScope: "private" } },
        },
        (name, input, context) => callWithOddArguments(principal, name, input, context),
      );
      server.onerror = (error) => edge.log.debug("mcp_protocol_error", { kind: error.name });
      server.setRequestHandler("tools/list", () => ({ tools: toolsFor(principal) }));
      server.setRequestHandler("tools/call", ({ params }, context) =>
        callTool(principal, server, { name: params.name, arguments: params.arguments ?? {} }, context),
      );
      return server;
    },
  };
}

interface ToolCall {
  name: string;
  arguments: Record<string, unknown>;
}

type Handler = (request: JSONRPCRequest, context: ServerContext) => Promise<Result>;
type OddCall = (name: string, input: unknown, context: ServerContext) => Promise<CallToolResult>;

/** The SDK answers `arguments: "text"` with a bare JSON-RPC error before any handler sees it; this looks first. */
class CommandServer extends Server {
  readonly #odd: OddCall;

  constructor(
    info: ConstructorParameters<typeof Server>[0],
    options: ConstructorParameters<typeof Server>[1],
    odd: OddCall,
  ) {
    super(info, options);
    this.#odd = odd;
  }

  protected override _wrapHandler(method: string, handler: Handler): Handler {
    const checked = super._wrapHandler(method, handler);
    if (method !== "tools/call") return checked;
    return (request, context) => {
      const { name, arguments: input } = (request.params ?? {}) as { name?: unknown; arguments?: unknown };
      const isOdd = input !== undefined && (typeof input !== "object" || input === null || Array.isArray(input));
      return isOdd && typeof name === "string" ? this.#odd(name, input, context) : checked(request, context);
    };
  }
}

function noSuchTool(name: string): SignalboxError {
  return new SignalboxError(
    "invalid_input",
    `There is no tool ${JSON.stringify(name.slice(0, 80))}.`,
    "List the tools.",
  );
}

function tooManyCalls(): SignalboxError {
  return new SignalboxError(
    "limit_reached",
    `More than ${CALLS_AT_ONCE_MAX} calls are running for this client.`,
    "Wait until some have been answered.",
  );
}
