import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ResolveRouteRequestSchema,
  ResolveRouteResponseSchema,
} from "../../src/gen/plori/router/v1/router_service_pb.ts";
import { Payer, Provider } from "../../src/gen/plori/type/v1/type_pb.ts";
import { callRaw, openSession, type RawAnswer } from "../support/raw-call.ts";
import { readRows } from "./database.ts";
import { DOORS, given, type House, nano, openHouse } from "./house.ts";
import { refused } from "./refusal.ts";

const RESOLVE_ROUTE = "plori.router.v1.RouterService/ResolveRoute";
const HOSTS = ["agent-host-1", "agent-host-2"] as const;
const MODEL = "openai/gpt-5.4-mini";
/** What stands before a message on the wire. */
const FRAME_PREFIX_BYTES = 5;
const ROUNDS = 150;
const AT_ONCE = 25;

let house: House;
beforeAll(async () => {
  house = await openHouse();
});
afterAll(() => house.close());

describe.each(DOORS)("a model that nothing knows, by the %s door", (door) => {
  test.each([
    ["OpenAI/GPT-5.5", "openai/gpt-5.5"],
    ["openai/gpt5.5", "openai/gpt-5.5"],
    ["gpt-55", "openai/gpt-5.5"],
    ["Anthropic/Claude-Opus-4.8", "anthropic/claude-opus-4.8"],
    ["zzz/nothing-like-it", undefined],
  ] as const)("%s is NOT_FOUND, with what may have been meant", async (model, meant) => {
    const account = `unknown-${door}`;
    await house.place(account, "agent");
    const refusal = await refused(house.resolve({ account, model, callId: "c1", door }));
    expect(refusal).toMatchObject({ code: "NotFound", reason: "MODEL_UNKNOWN", metadata: { model } });
    const suggestions = refusal.metadata["suggestions"]?.split(",") ?? [];
    expect(suggestions).toEqual(meant === undefined ? [] : expect.arrayContaining([meant]));
    expect(suggestions.length).toBeLessThanOrEqual(3);
    for (const id of suggestions) expect(refusal.message).toContain(id);
    expect(refusal.message.includes("Did you mean")).toBe(suggestions.length > 0);
    const explained = await house.as("settings", door).router.explainRoute({ account, model });
    expect(explained).toMatchObject({ refusal: "MODEL_UNKNOWN", payer: Payer.UNSPECIFIED, upstreamModel: "" });
  });
});

test("what was perhaps meant is only said: no name is bent until a key serves it", async () => {
  await house.place("literal", "agent");
  await house.connectOwn("literal", "openai");
  const wanted = { account: "literal", model: "OpenAI/GPT-5.5" } as const;
  expect(await refused(house.resolve({ ...wanted, callId: "c1" }))).toMatchObject({ reason: "MODEL_UNKNOWN" });
  // OpenRouter takes any id, as it was written.
  await house.connectOwn("literal", "openrouter");
  expect(await house.resolve({ ...wanted, callId: "c2" })).toMatchObject({
    provider: Provider.OPENROUTER,
    upstreamModel: "OpenAI/GPT-5.5",
  });
});

test("two hosts that race for one call id: one gets the hold, the other the plain denial, every time", async () => {
  const account = "race";
  await house.connectOwn("platform", "openai");
  await house.grant(account, { units: 1_000n });
  for (const host of HOSTS) await house.place(account, `agent-of-${host}`, host);
  const sessions = HOSTS.map((host) => {
    const { ca, cert, key } = house.service.pem(host);
    return openSession(house.service.grpcPort, ca, { cert, key });
  });
  const resolve = (at: number, agent: string, callId: string): Promise<RawAnswer> => {
    const estimate = { inputTokens: 100n, maxOutputTokens: 50n };
    const request = create(ResolveRouteRequestSchema, { account, agent, model: MODEL, callId, estimate });
    return callRaw(given(sessions[at]), RESOLVE_ROUTE, toBinary(ResolveRouteRequestSchema, request));
  };
  /** Both at once; who is sent first alternates. */
  const race = async (round: number) => {
    const order = round % 2 === 0 ? [0, 1] : [1, 0];
    const answers = await Promise.all(order.map((at) => resolve(at, `agent-of-${HOSTS[at]}`, `call-${round}`)));
    const won = answers.filter(({ code }) => code === 0);
    const lost = answers.filter(({ code }) => code !== 0);
    expect([won.length, lost.length]).toEqual([1, 1]);
    return { winner: given(won[0]), loser: given(lost[0]) };
  };
  try {
    const nowhere = await resolve(0, "nobody", "call-x");
    expect(nowhere.code).toBe(7);
    const holds = new Map<string, bigint>();
    for (let begin = 0; begin < ROUNDS; begin += AT_ONCE) {
      const raced = await Promise.all(Array.from({ length: AT_ONCE }, (_none, at) => race(begin + at)));
      for (const { winner, loser } of raced) {
        // Byte for byte what somebody gets who has no business here at all.
        expect(loser).toEqual(nowhere);
        const { route } = fromBinary(ResolveRouteResponseSchema, winner.body.subarray(FRAME_PREFIX_BYTES));
        const hold = given(route?.hold);
        holds.set(hold.name, nano(hold.amount));
      }
    }
    expect(holds.size).toBe(ROUNDS);
    const { balance } = await house.as("settings").ledger.getBalance({ account });
    expect(nano(given(balance).held)).toBe([...holds.values()].reduce((sum, amount) => sum + amount, 0n));
    const released = "SELECT count(*) AS n FROM audit WHERE account = ? AND kind = 'credential.released'";
    expect(Number(readRows(house.service.dataDir, released, account)[0]?.["n"])).toBe(ROUNDS);
  } finally {
    for (const session of sessions) session.close();
  }
});

test("a call id is its account's own: another account's host may use the same one", async () => {
  for (const [account, host] of [
    ["twin-1", "agent-host-1"],
    ["twin-2", "agent-host-2"],
  ] as const) {
    await house.place(account, "agent", host);
    await house.grant(account, { units: 100n });
    const route = await house.resolve({ account, model: MODEL, callId: "the-same", host });
    expect(route.hold?.name.startsWith(`accounts/${account}/`)).toBe(true);
  }
});
