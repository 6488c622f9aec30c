import { expect, test } from "vitest";
import { DEFAULT_ROLE_MAP, parseRoleMap, type RoleMap, roleOf } from "../../src/identity/role-map.ts";
import { ROLES } from "../../src/identity/roles.ts";

function mapOf(entries: Readonly<Record<string, string>>): RoleMap {
  const reading = parseRoleMap(JSON.stringify(entries));
  if (reading.kind === "wrong") throw new Error(reading.mistakes.join());
  return reading.roleMap;
}

test("by default each role stands under its own name", () => {
  for (const role of ROLES) expect(roleOf(DEFAULT_ROLE_MAP, `/${role}/n1`)).toEqual({ role, name: "n1" });
});

test("a path that no entry matches has no role", () => {
  for (const path of ["/nobody/n1", "/admin", "/Admin/n1", "/x/admin/n1", "/admin/a/b"])
    expect(roleOf(DEFAULT_ROLE_MAP, path)).toBeUndefined();
});

test("an exact path wins over a pattern", () => {
  const map = mapOf({ "/ops/*": "auditor", "/ops/alice": "admin" });
  expect(roleOf(map, "/ops/alice")).toEqual({ role: "admin", name: "alice" });
  expect(roleOf(map, "/ops/bob")).toEqual({ role: "auditor", name: "bob" });
});

test("a star stands for one segment only, so that two hosts cannot share a name", () => {
  const map = mapOf({ "/agent-host/*": "agent-host" });
  expect(roleOf(map, "/agent-host/h1")).toEqual({ role: "agent-host", name: "h1" });
  expect(roleOf(map, "/agent-host/elsewhere/h1")).toBeUndefined();
});

test("a star may stand alone", () => {
  expect(roleOf(mapOf({ "/*": "recorder" }), "/meter")).toEqual({ role: "recorder", name: "meter" });
});

test("a name that could be no id of the platform's gives no role", () => {
  expect(roleOf(DEFAULT_ROLE_MAP, `/agent-host/${"h".repeat(128)}`)).toBeDefined();
  expect(roleOf(DEFAULT_ROLE_MAP, `/agent-host/${"h".repeat(129)}`)).toBeUndefined();
});

test("every mistake is told at once", () => {
  const reading = parseRoleMap(
    JSON.stringify({ "/ok/*": "admin", "no-slash": "admin", "/a/*/b": "admin", "/a": "king", "/../*": 7 }),
  );
  expect(reading).toEqual({
    kind: "wrong",
    mistakes: [
      expect.stringContaining("no-slash"),
      expect.stringContaining("/a/*/b"),
      expect.stringContaining("must map to one of"),
      expect.stringContaining("must map to one of"),
      expect.stringContaining("/../*"),
    ],
  });
});

test.each(["", "nonsense", "[]", "null", '"x"', "{}"])("%j is no role map", (text) => {
  expect(parseRoleMap(text).kind).toBe("wrong");
});
