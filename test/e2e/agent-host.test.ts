import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type AgentHost, connectHost } from "../../src/client/connect-host.ts";
import { HostError } from "../../src/client/host-error.ts";
import { Provider } from "../../src/gen/plori/type/v1/type_pb.ts";
import { connectListening, countCalls, hostOptions, keepingLog } from "../support/agent-host.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { type House, nano, openHouse } from "./house.ts";

const RESOLVE = "plori.router.v1.RouterService/ResolveRoute";
const MODEL = "openai/gpt-5.5";

let house: House;
let host: AgentHost;
const spool = temporaryDirectory();
beforeAll(async () => {
  house = await openHouse();
  host = await connectListening(hostOptions(house.service, spool.path));
});
afterAll(async () => {
  await host?.close();
  await house?.close();
  spool.remove();
});

/** An account with an OpenAI key and its agent on this host. */
async function furnishAccount(account: string): Promise<string> {
  const key = await house.connectOwn(account, "openai");
  await house.place(account, "agent");
  return key;
}

const wanted = (account: string, callId: string) => ({ account, agent: "agent", model: MODEL, callId });
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

/** How many calls of ResolveRoute the service answered while `run` ran. */
async function callsOf(run: () => Promise<unknown>): Promise<number> {
  const before = await countCalls(house.service, RESOLVE);
  await run();
  return (await countCalls(house.service, RESOLVE)) - before;
}

describe("leases", () => {
  test("a second call for the same account, agent and model makes no call to the service, and has a credential of its own", async () => {
    const key = await furnishAccount("lease");
    const calls = await callsOf(async () => {
      const first = await host.resolve(wanted("lease", "lease-1"));
      expect(first).toMatchObject({ isReused: false, payer: "BYOK", provider: "openai", upstreamModel: "gpt-5.5" });
      first.credential.wipe();
      const second = await host.resolve(wanted("lease", "lease-2"));
      expect(second).toMatchObject({ isReused: true, id: first.id, callId: "lease-2" });
      expect(textOf(second.credential.reveal())).toBe(key);
      expect(second.headers()["authorization"]).toBe(`Bearer ${key}`);
      expect(JSON.stringify({ ...second.credential })).not.toContain(key);
    });
    expect(calls).toBe(1);
  });

  test("many calls at once for the same thing make one call to the service", async () => {
    await furnishAccount("herd");
    const calls = await callsOf(async () => {
      const routes = await Promise.all(
        Array.from({ length: 50 }, (_, index) => host.resolve(wanted("herd", `herd-${index}`))),
      );
      expect(new Set(routes.map(({ id }) => id)).size).toBe(1);
    });
    expect(calls).toBe(1);
  });

  test("another model, agent, account or pin is another question", async () => {
    await furnishAccount("other-1");
    await furnishAccount("other-2");
    await house.place("other-1", "agent-2");
    const calls = await callsOf(async () => {
      await host.resolve(wanted("other-1", "1"));
      await host.resolve({ ...wanted("other-1", "2"), model: "gpt-5.5" });
      await host.resolve({ ...wanted("other-1", "3"), agent: "agent-2" });
      await host.resolve({ ...wanted("other-1", "4"), provider: "openai" });
      await host.resolve(wanted("other-2", "5"));
    });
    expect(calls).toBe(5);
  });

  test("a hosted route serves one call", async () => {
    await house.connectOwn("platform", "openrouter");
    await house.grant("hosted", { units: 1_000n });
    await house.place("hosted", "agent");
    const small = (callId: string) => ({
      ...wanted("hosted", callId),
      estimate: { inputTokens: 100, maxOutputTokens: 100 },
    });
    const calls = await callsOf(async () => {
      const first = await host.resolve(small("hosted-1"));
      expect(first).toMatchObject({ payer: "HOSTED", key: "", isReused: false });
      expect(first.hold?.name).toMatch(/^accounts\/hosted\/holds\//);
      expect(first.maxOutputTokens).toBeGreaterThan(0);
      const second = await host.resolve(small("hosted-2"));
      expect(second.hold?.name).not.toBe(first.hold?.name);
      const again = await host.resolve(small("hosted-2"));
      expect(again.hold?.name).toBe(second.hold?.name);
    });
    expect(calls).toBe(3);
  });

  test("a revoked lease is not reused: the next call is refused as the service refuses it", async () => {
    await furnishAccount("revoked");
    await host.resolve(wanted("revoked", "revoked-1"));
    const leases = host.status().leases;
    await house.as("settings").keyVault.deleteKey({ account: "revoked", provider: Provider.OPENAI });
    await vi.waitFor(() => expect(host.status().leases).toBe(leases - 1), { interval: 5 });
    const error = await host.resolve(wanted("revoked", "revoked-2")).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(HostError);
    expect(error).toMatchObject({ code: "FAILED_PRECONDITION", reason: "CREDITS_EXHAUSTED" });
  });

  test("a replaced key's lease gives way to the new key", async () => {
    await furnishAccount("replaced");
    await host.resolve(wanted("replaced", "replaced-1"));
    const leases = host.status().leases;
    const key = await house.connectOwn("replaced", "openai");
    await vi.waitFor(() => expect(host.status().leases).toBe(leases - 1), { interval: 5 });
    const route = await host.resolve(wanted("replaced", "replaced-2"));
    expect(route).toMatchObject({ isReused: false, keyVersion: 2n });
    expect(textOf(route.credential.reveal())).toBe(key);
  });

  test("a route whose key is found dead by a report is not reused", async () => {
    const key = await furnishAccount("dying");
    const route = await host.resolve(wanted("dying", "dying-1"));
    house.simulators.openai.revoke(key);
    const verdict = await host.report({ route, httpStatus: 401, providerError: { code: "invalid_api_key" } });
    expect(verdict).toMatchObject({ advice: "STOP", keyState: "DEAD" });
    await expect(host.resolve(wanted("dying", "dying-2"))).rejects.toMatchObject({ reason: "KEY_DEAD" });
  });

  test("an agent that is not placed here gets nothing, and wrong fields are all named without asking", async () => {
    await expect(host.resolve(wanted("nobody", "nobody-1"))).rejects.toMatchObject({
      code: "PERMISSION_DENIED",
      reason: "AGENT_NOT_PLACED",
    });
    const error = await host.resolve({ ...wanted("no body", ""), model: "" }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "FIELDS_INVALID" });
    expect((error as HostError).violations.map(({ field }) => field)).toEqual(["account", "model", "call_id"]);
  });

  test("before revocations are heard, and after `close`, nothing is reused", async () => {
    await furnishAccount("deaf");
    const own = temporaryDirectory();
    const deaf = await connectHost(hostOptions(house.service, own.path));
    const [first, second] = [await deaf.resolve(wanted("deaf", "1")), await deaf.resolve(wanted("deaf", "2"))];
    // The first question was sent before the stream had said where it stands, so whatever came of it is no lease.
    expect(first.isReused || second.isReused).toBe(false);
    await deaf.close();
    await expect(deaf.resolve(wanted("deaf", "3"))).rejects.toMatchObject({ reason: "HOST_CLOSED" });
    own.remove();
  });
});

describe("holds", () => {
  test("of a call that never happened are given back; those of a long one are kept open", async () => {
    await house.connectOwn("platform", "openrouter");
    await house.grant("holding", { units: 1_000n });
    await house.place("holding", "agent");
    const small = { ...wanted("holding", "holding-1"), estimate: { inputTokens: 100, maxOutputTokens: 100 } };
    const heldUnits = async (): Promise<bigint> => {
      const { balance } = await house.as("billing").ledger.getBalance({ account: "holding" });
      return nano(balance?.held);
    };
    const route = await host.resolve(small);
    expect(await heldUnits()).toBe(route.hold?.amountNano);
    const extended = await host.extendHold(route, { inputUncached: 10, output: 1 });
    expect(extended?.name).toBe(route.hold?.name);
    expect(extended?.expireMs).toBeGreaterThanOrEqual(route.hold?.expireMs ?? Number.POSITIVE_INFINITY);
    await host.release(route);
    expect(await heldUnits()).toBe(0n);
    expect(() => route.headers()).toThrow("wiped");
  });

  test("a route on the user's key has none: releasing it only wipes", async () => {
    await furnishAccount("unheld");
    const route = await host.resolve(wanted("unheld", "unheld-1"));
    expect(await host.extendHold(route)).toBeUndefined();
    await host.release(route);
    expect(() => route.credential.reveal()).toThrow("wiped");
  });
});

describe("usage", () => {
  test("of a hosted call settles its hold, once, however often it is recorded", async () => {
    await house.connectOwn("platform", "openrouter");
    await house.grant("settling", { units: 1_000n });
    await house.place("settling", "agent");
    const route = await host.resolve({
      ...wanted("settling", "settling-1"),
      estimate: { inputTokens: 100, maxOutputTokens: 100 },
    });
    const record = {
      usageId: "settling-1",
      account: "settling",
      agent: "agent",
      occurMs: Date.now(),
      route: route.id,
      callId: "settling-1",
      outcome: "SUCCEEDED",
      tokens: { inputUncached: 100, output: 50 },
    } as const;
    await Promise.all([host.recordUsage(record), host.recordUsage(record)]);
    expect(await host.flush(10_000)).toBe(true);
    await host.recordUsage(record);
    expect(await host.flush(10_000)).toBe(true);
    const { charges } = await house.as("settings").ledger.listCharges({ account: "settling" });
    expect(charges).toMatchObject([{ usageId: "settling-1", hold: route.hold?.name }]);
    expect(nano(charges[0]?.amount)).toBeGreaterThan(0n);
    const { balance } = await house.as("billing").ledger.getBalance({ account: "settling" });
    expect(nano(balance?.held)).toBe(0n);
  });

  test("that the service refuses for good is kept aside with its reason and told in the log; the rest goes on", async () => {
    const key = await furnishAccount("refusing");
    const own = temporaryDirectory();
    const log = keepingLog();
    const loud = await connectHost({ ...hostOptions(house.service, own.path), log });
    const route = await loud.resolve(wanted("refusing", "refusing-1"));
    const call = { account: "refusing", agent: "agent", occurMs: Date.now(), outcome: "SUCCEEDED" } as const;
    const usage = { providerUsage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 } };
    const good = { ...call, ...usage, route: route.id, usageId: "good-1", callId: "good-1" };
    await Promise.all([
      loud.recordUsage(good),
      loud.recordUsage({ ...good, route: "no-route-of-mine", usageId: "bad-1", callId: "bad-1" }),
      loud.recordUsage({ ...good, usageId: "good-2", callId: "good-2" }),
      loud.recordUsage({ ...good, providerUsage: { prompt_tokens: 9_999 } }),
    ]);
    await loud.close({ flushMs: 10_000 });
    const { charges } = await house.as("settings").ledger.listCharges({ account: "refusing" });
    expect(charges.map(({ usageId }) => usageId).toSorted()).toEqual(["good-1", "good-2"]);
    const [file = "", ...others] = readdirSync(own.path);
    expect([file, others]).toEqual([expect.stringMatching(/^[0-9a-f]{12}\.dead-letters\.jsonl$/), []]);
    const text = readFileSync(join(own.path, file), "utf8");
    const letters = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(letters).toMatchObject([
      { reason: "ROUTE_NOT_FOUND", record: { usageId: "bad-1" } },
      { reason: "USAGE_ID_CONFLICT", record: { usageId: "good-1" } },
    ]);
    const told = log.lines.filter((line) => line.startsWith("error: a usage record was refused"));
    expect(told).toHaveLength(2);
    expect(text + log.lines.join()).not.toContain(key);
    own.remove();
  });
});
