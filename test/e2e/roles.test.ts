import { readFileSync } from "node:fs";
import { join } from "node:path";
import { create, type DescMethodUnary, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KeyVaultService } from "../../src/gen/plori/keyvault/v1/keyvault_service_pb.ts";
import { LedgerService } from "../../src/gen/plori/ledger/v1/ledger_service_pb.ts";
import { ResolveRouteRequestSchema, RouterService } from "../../src/gen/plori/router/v1/router_service_pb.ts";
import { callRaw, openSession, type RawAnswer } from "../support/raw-call.ts";
import type { CallerName } from "../support/service-process.ts";
import { CALLERS, DOORS, type House, openHouse } from "./house.ts";
import { readRefusal, refused } from "./refusal.ts";

const PROTOS = join(import.meta.dirname, "../../proto");
const SERVICES = [KeyVaultService, RouterService, LedgerService];
const CALLER_NAMES = Object.keys(CALLERS) as CallerName[];
const RESOLVE_ROUTE = "plori.router.v1.RouterService/ResolveRoute";

/** Every RPC with the roles that its own comment in the proto names: what callers read is what holds. */
const RPCS = SERVICES.flatMap((service) => {
  const text = readFileSync(join(PROTOS, `${service.file.name}.proto`), "utf8");
  return service.methods
    .filter((method): method is DescMethodUnary => method.methodKind === "unary")
    .map((method) => ({
      name: `${service.typeName}/${method.name}`,
      method,
      roles: documentedRoles(text, method.name),
    }));
});

function documentedRoles(proto: string, rpc: string): readonly string[] {
  const comment = new RegExp(`((?:[ \\t]*//[^\\n]*\\n)+)[ \\t]*rpc ${rpc}\\(`).exec(proto)?.[1] ?? "";
  const named = /Roles?: ([^.]*)\./.exec(comment.replaceAll(/\n?[ \t]*\/\/ ?/g, " "))?.[1] ?? "";
  return named
    .replaceAll(/\([^)]*\)/g, "")
    .split(",")
    .map((role) => role.trim());
}

let house: House;
beforeAll(async () => {
  house = await openHouse();
  await house.place("maya", "scout");
  await house.connectOwn("maya", "openai");
});
afterAll(() => house.close());

test("every RPC is documented with roles that exist", () => {
  const known = new Set(Object.values(CALLERS));
  expect(RPCS.length).toBeGreaterThanOrEqual(14);
  for (const { name, roles } of RPCS) {
    expect(roles, name).not.toEqual([]);
    expect(
      roles.filter((role) => !known.has(role)),
      name,
    ).toEqual([]);
  }
});

describe.each(DOORS)("by the %s door", (door) => {
  test.each(RPCS)("$name is open to exactly the roles of its comment", async ({ name, method, roles }) => {
    for (const caller of CALLER_NAMES) {
      // An empty request does nothing anywhere: whoever is let in learns that fields are wrong, or reads.
      const outcome = await house
        .transport(caller, door)
        .unary(method, undefined, 10_000, undefined, {})
        .then(
          () => ({ code: "", reason: "", metadata: {} }),
          (error: unknown) => readRefusal(ConnectError.from(error)),
        );
      const mayCall = roles.includes(CALLERS[caller]);
      if (mayCall) {
        expect(["", "FIELDS_INVALID"], `${caller} ${name}`).toContain(outcome.reason);
      } else {
        expect(outcome, `${caller} ${name}`).toMatchObject({
          code: Code[Code.PermissionDenied],
          reason: "ROLE_NOT_ALLOWED",
          metadata: { role: CALLERS[caller], rpc: name },
        });
      }
    }
  });

  test("a role that may not call learns nothing about what exists: right, wrong and absent look the same", async () => {
    const recorder = house.as("recorder", door);
    const answers = await Promise.all(
      ["maya", "nobody", "not an id"].map((account) => refused(recorder.keyVault.getKey({ account, provider: 2 }))),
    );
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
  });

  test("nobody but the host that runs the agent obtains its credential", async () => {
    for (const caller of CALLER_NAMES) {
      const call = house.as(caller, door).router.resolveRoute({
        account: "maya",
        agent: "scout",
        model: "openai/gpt-5.5",
        callId: `c-${caller}-${door}`,
      });
      if (caller === "agent-host-1") expect((await call).route?.credential.length).toBeGreaterThan(20);
      else {
        const reason = CALLERS[caller] === "agent-host" ? "AGENT_NOT_PLACED" : "ROLE_NOT_ALLOWED";
        expect(await refused(call), caller).toMatchObject({ code: "PermissionDenied", reason });
      }
    }
  });

  test("plori's own keys are changed by admins alone and seen by admins and auditors alone", async () => {
    const account = "platform";
    const secret = house.simulators.groq.mintKey();
    const settings = house.as("settings", door).keyVault;
    for (const call of [
      settings.connectKey({ account, provider: 4, secret }),
      settings.listKeys({ account }),
      settings.getKey({ account, provider: 4 }),
      settings.deleteKey({ account, provider: 4 }),
    ]) {
      expect(await refused(call)).toMatchObject({ code: "PermissionDenied", reason: "ROLE_NOT_ALLOWED" });
    }
    await house.as("admin", door).keyVault.connectKey({ account, provider: 4, secret });
    expect((await house.as("auditor", door).keyVault.listKeys({ account })).keys).toHaveLength(1);
    await house.as("admin", door).keyVault.deleteKey({ account, provider: 4 });
  });

  test("an unknown account, an unknown agent, an agent elsewhere, one whose placement ended and one that was removed are denied byte for byte alike", async () => {
    await house.place("maya", `elsewhere-${door}`, "agent-host-2");
    await house.place("maya", `removed-${door}`);
    await house.as("scheduler").router.removeAgents({ agents: [{ account: "maya", agent: `removed-${door}` }] });
    await house.as("scheduler").router.placeAgents({
      placements: [
        {
          account: "maya",
          agent: `expired-${door}`,
          host: "agent-host-1",
          generation: 1n,
          expireTime: timestampFromMs(Date.now() + 500),
        },
      ],
    });
    const { ca, cert, key } = house.service.pem("agent-host-1");
    const session = openSession(door === "grpc" ? house.service.grpcPort : house.service.connectPort, ca, {
      cert,
      key,
    });
    const resolve = (account: string, agent: string): Promise<RawAnswer> =>
      callRaw(
        session,
        RESOLVE_ROUTE,
        toBinary(
          ResolveRouteRequestSchema,
          create(ResolveRouteRequestSchema, { account, agent, model: "openai/gpt-5.5", callId: "c1" }),
        ),
      );
    try {
      await expect.poll(async () => (await resolve("maya", `expired-${door}`)).code, { timeout: 5_000 }).toBe(7);
      const [first, ...others] = [
        await resolve("nobody", "scout"),
        await resolve("maya", "nobody"),
        await resolve("maya", `elsewhere-${door}`),
        await resolve("maya", `removed-${door}`),
        await resolve("maya", `expired-${door}`),
      ];
      expect(first).toMatchObject({ code: 7, status: { code: 7 } });
      for (const other of others) expect(other).toEqual(first);
    } finally {
      session.destroy();
    }
  });
});
