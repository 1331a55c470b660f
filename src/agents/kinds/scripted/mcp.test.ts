// biome-ignore-all lint/suspicious/noTemplateCurlyInString: scripts write their variables this way.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { describe, expect, it, onTestFinished } from "vitest";
import * as z from "zod";
import { driveScriptedAgent } from "../../../../test/support/scripted-agent.ts";
import { systemClock } from "../../../kernel/clock.ts";
import { createHttpClient } from "./http.ts";
import { createMcpClient } from "./mcp.ts";

describe("a tool call over MCP", () => {
  it("reaches a real server in one request and brings its result back", async () => {
    const { url, seen } = await serveTools();
    const client = createMcpClient({ url, token: "t0ken", http: createHttpClient(systemClock) });
    expect(await client.call("send_message_to_agent", { agent_id: "agt_2", message: "hi" })).toEqual({
      isError: false,
      text: "sent",
      structured: { message_id: "msg_1" },
    });
    expect(seen).toEqual(["Bearer t0ken agt_2 hi"]);
  });

  it("that fails is a result that says why", async () => {
    const { url } = await serveTools();
    const http = createHttpClient(systemClock);
    const unknown = await createMcpClient({ url, token: "", http }).call("nonsense", {});
    expect(unknown.isError).toBe(true);
    const nowhere = await createMcpClient({ url: null, token: "", http }).call("nonsense", {});
    expect(nowhere).toMatchObject({ isError: true, text: expect.stringContaining("SIGNALBOX_MCP_URL") });
  });

  it("lets a scripted agent write to another one by name", async () => {
    const { url, seen } = await serveTools();
    const tool = {
      name: "send_message_to_agent",
      arguments: { agent_id: "${agent:Agent_2}", message: "${agent} says ${prompt}" },
    };
    const agent = await driveScriptedAgent({
      script: { rules: [{ actions: [{ tool }, { reply: "${result}" }] }] },
      env: { SIGNALBOX_MCP_URL: url, SIGNALBOX_AGENT_TOKEN: "t0ken" },
    });
    await agent.ready();
    agent.send("hello");
    await agent.until("the reply", () => agent.events("reply")[0]?.text === "sent");
    expect(seen).toEqual(["Bearer t0ken agt_2 Agent_1 says hello"]);
    expect(agent.hooks.map((hook) => hook.tool_name).filter(Boolean)).toEqual([
      "mcp__signalbox__send_message_to_agent",
      "mcp__signalbox__send_message_to_agent",
    ]);
  });
});

/** A signalbox of two tools, behind the real protocol stack. */
async function serveTools(): Promise<{ url: string; seen: string[] }> {
  const seen: string[] = [];
  let authorization = "";
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: "test", version: "1" });
    const message = { agent_id: z.string(), message: z.string() };
    server.registerTool("send_message_to_agent", { inputSchema: z.object(message) }, async (input) => {
      seen.push(`${authorization} ${input.agent_id} ${input.message}`);
      return { content: [{ type: "text", text: "sent" }], structuredContent: { message_id: "msg_1" } };
    });
    server.registerTool("get_session_status", { inputSchema: z.object({}) }, async () => ({
      content: [{ type: "text", text: "status" }],
      structuredContent: { sessions: [{ agents: [{ name: "Agent_2", agent_id: "agt_2" }] }] },
    }));
    return server;
  });
  const node = toNodeHandler(handler);
  const server = createServer((request, response) => {
    authorization = request.headers.authorization ?? "";
    void node(request as Parameters<typeof node>[0], response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, seen };
}
