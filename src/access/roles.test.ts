import { expect, test } from "vitest";
import type { Principal, Role } from "./principal.ts";
import { authorize, type Level } from "./roles.ts";

function refusalOf(role: Role, name: string, level: Level): { message: string; nextStep: string } | null {
  const principal: Principal = { role, sessionId: null, agentId: null, actor: "local" };
  try {
    authorize(principal, { name, level });
    return null;
  } catch (error) {
    return error as { message: string; nextStep: string };
  }
}

test.each<[Role, string, Level, RegExp | null]>([
  ["owner", "create_token", "HIGH", null],
  ["operator", "create_session", "MEDIUM", null],
  ["operator", "create_token", "HIGH", /owner.*--as owner/],
  ["observer", "create_token", "HIGH", /owner.*--as owner/],
  ["observer", "create_session", "MEDIUM", /--role operator.*--as operator.*token/],
  ["observer", "stop_daemon", "MEDIUM", /--as operator/],
  ["agent", "create_agent", "HIGH", /person/],
  ["agent", "describe_daemon", "LOW", /person/],
])("to %s, %s (%s) is allowed, or refused with a way that leads somewhere", (role, name, level, way) => {
  const refusal = refusalOf(role, name, level);
  if (way === null) return expect(refusal).toBeNull();
  expect(refusal).toMatchObject({ code: "permission_denied", message: `The role ${role} may not call ${name}.` });
  expect(refusal?.nextStep).toMatch(way);
});
