import { expect, test } from "vitest";
import { SERVICES } from "../../src/doors/rpc.ts";
import { ServerReflection } from "../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../src/gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { Health } from "../../src/gen/health/v1/health_pb.ts";
import { ROLES } from "../../src/identity/roles.ts";
import { authorise, RPC_TABLE } from "../../src/identity/rpc-table.ts";

const existing = [...SERVICES, Health, ServerReflection, ServerReflectionAlpha].flatMap((service) =>
  service.methods.map((method) => `${service.typeName}/${method.name}`),
);
const REPORT = "plori.router.v1.RouterService/ReportOutcome";
const WATCH = "plori.router.v1.RouterService/WatchRevocations";
const RESOLVE = "plori.router.v1.RouterService/ResolveRoute";

test("every RPC that exists stands in the table, and nothing else", () => {
  expect([...RPC_TABLE.keys()].sort()).toEqual([...existing].sort());
});

test("a role that the table does not name is denied, for every RPC and role", () => {
  for (const [rpc, allowed] of RPC_TABLE)
    for (const role of ROLES) {
      const call = () => authorise({ spiffeId: "spiffe://td/x", role }, rpc);
      if (allowed === "any valid identity" || allowed.includes(role)) expect(call).not.toThrow();
      else expect(call).toThrow(expect.objectContaining({ reason: "ROLE_NOT_ALLOWED" }));
    }
});

test("only an agent host may ask for a credential", () => {
  expect(RPC_TABLE.get(RESOLVE)).toEqual(["agent-host"]);
});

test("an agent host may do nothing but ask for routes, report on them, hear of their end and record usage", () => {
  const may = [...RPC_TABLE].filter(
    ([, allowed]) => allowed !== "any valid identity" && allowed.includes("agent-host"),
  );
  const ledger = ["RecordUsage", "ExtendHold", "ReleaseHold"].map((name) => `plori.ledger.v1.LedgerService/${name}`);
  expect(may.map(([rpc]) => rpc)).toEqual([RESOLVE, REPORT, WATCH, ...ledger]);
});

test("an auditor may change nothing", () => {
  const may = [...RPC_TABLE].filter(([, allowed]) => allowed !== "any valid identity" && allowed.includes("auditor"));
  for (const [rpc] of may) expect(rpc).toMatch(/\/(Get|List|Explain|Verify|Export|Summarize|Preview)/);
});

test("an RPC that is missing from the table may be called by nobody", () => {
  for (const role of ROLES)
    expect(() => authorise({ spiffeId: "spiffe://td/x", role }, "plori.router.v1.RouterService/New")).toThrow();
});

test("a denial names the role and the RPC", () => {
  expect(() => authorise({ spiffeId: "spiffe://td/x", role: "admin" }, RESOLVE)).toThrow(
    expect.objectContaining({
      message: expect.stringMatching(/admin.*ResolveRoute/),
      refusal: expect.objectContaining({ metadata: { role: "admin", rpc: RESOLVE } }),
    }),
  );
});

test("a valid identity without a role may ask for health and reflection only", () => {
  for (const [rpc] of RPC_TABLE) {
    const call = () => authorise({ spiffeId: "spiffe://td/x" }, rpc);
    if (rpc.startsWith("grpc.")) expect(call).not.toThrow();
    else expect(call).toThrow(expect.objectContaining({ reason: "ROLE_NOT_ALLOWED" }));
  }
});
