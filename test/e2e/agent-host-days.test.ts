import { copyFileSync, cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { readEvents } from "../../src/client/calls/read-events.ts";
import type { TrackedCall } from "../../src/client/calls/track-call.ts";
import type { AgentHost } from "../../src/client/connect-host.ts";
import type { Route } from "../../src/client/routes/route.ts";
import { DEVELOPMENT_TRUST_DOMAIN, ensureDevelopmentPki } from "../../src/doors/development-pki.ts";
import { CallOutcome } from "../../src/gen/plori/ledger/v1/ledger_pb.ts";
import { type ProviderSimulators, startProviderSimulators } from "../simulators/start.ts";
import { connectListening, countCalls, hostOptions, keepingLog, whenListening } from "../support/agent-host.ts";
import { type ServiceProcess, startService } from "../support/service-process.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { endSurely, furnish, type House } from "./house.ts";

const MODEL = "openai/gpt-5.5";
const ACCOUNT = "a1";
const FLUSH_MAX_MS = 15_000;
const PACE_MS = 10;
/** Starting the service again can take long on a busy machine. */
const RESTART_MAX_MS = 60_000;

const directory = temporaryDirectory();
let simulators: ProviderSimulators;
let service: ServiceProcess;
let house: Omit<House, "close">;
let key: string;
let spools = 0;

beforeAll(async () => {
  simulators = await startProviderSimulators();
  service = await start();
  house = furnish(service, simulators);
  key = await house.connectOwn(ACCOUNT, "openai");
  await house.place(ACCOUNT, "agent");
});
afterAll(async () => {
  await endSurely(service);
  await simulators.close();
  directory.remove();
});

function start(grpcPort = 0): Promise<ServiceProcess> {
  return startService({
    dataDir: join(directory.path, "data"),
    providerUrls: simulators.providerUrlsJson,
    env: { PLORI_GRPC_ADDRESS: `127.0.0.1:${grpcPort}` },
  });
}

/** The same service again: same data, same address. */
async function restart(): Promise<void> {
  service = await start(service.grpcPort);
  house = furnish(service, simulators);
}

function options() {
  spools += 1;
  return hostOptions(service, join(directory.path, `spool-${spools}`));
}

const wanted = (callId: string) => ({ account: ACCOUNT, agent: "agent", model: MODEL, callId });

/** The account's charges of one call, as the ledger has them. */
async function chargesOf(callId: string) {
  const { charges } = await house
    .as("settings")
    .ledger.listCharges({ account: ACCOUNT, pageSize: 500, filter: `call_id = "${callId}"` });
  return charges;
}

describe("model calls over a route, streamed", () => {
  let host: AgentHost;
  beforeAll(async () => {
    host = await connectListening(options());
  });
  afterAll(() => host.close());

  async function open(route: Route, signal?: AbortSignal): Promise<Response> {
    const response = await fetch(`${route.baseUrl}/chat/completions`, {
      method: "POST",
      headers: { ...route.headers(), "content-type": "application/json" },
      body: JSON.stringify({
        model: route.upstreamModel,
        messages: [{ role: "user", content: "Plan the next step of this." }],
        stream: true,
        stream_options: { include_usage: true },
      }),
      ...(signal === undefined ? {} : { signal }),
    });
    expect(response.status).toBe(200);
    return response;
  }
  async function begin(callId: string): Promise<{ route: Route; call: TrackedCall; events: AsyncIterable<unknown> }> {
    const route = await host.resolve(wanted(callId));
    const { body } = await open(route);
    if (body === null) throw new Error("no body");
    const call = host.trackCall(route);
    return { route, call, events: call.follow(readEvents(body)) };
  }
  async function theChargeOf(callId: string) {
    expect(await host.flush(FLUSH_MAX_MS)).toBe(true);
    const charges = await chargesOf(callId);
    expect(charges).toHaveLength(1);
    return charges[0];
  }

  test("one that ends leaves one record, with the provider's usage word for word, and a wiped credential", async () => {
    const { route, call, events } = await begin("whole");
    let chunks = 0;
    for await (const _ of events) chunks += 1;
    expect(chunks).toBeGreaterThan(5);
    await call.cancelled();
    expect(() => route.credential.reveal()).toThrow("wiped");
    const charge = await theChargeOf("whole");
    expect(charge).toMatchObject({ outcome: CallOutcome.SUCCEEDED, route: route.id, usageId: "whole", attempt: 1 });
    expect(charge?.providerRequestId).toMatch(/^chatcmpl-/);
    const quantity = charge?.lines.reduce((sum, line) => sum + line.quantity, 0n) ?? 0n;
    expect(quantity).toBeGreaterThan(6n);
    expect(charge?.amount).toMatchObject({ units: 0n, nanos: 0 });
  });

  test("one that its consumer leaves early leaves one record, CANCELLED", async () => {
    const { events } = await begin("left");
    for await (const _ of events) break;
    expect(await theChargeOf("left")).toMatchObject({ outcome: CallOutcome.CANCELLED });
  });

  test("one that the provider cuts leaves one record, FAILED", async () => {
    simulators.openai.setFault({ kind: "cut_stream", afterChunks: 3 }, "call");
    const { events } = await begin("cut");
    await expect(
      (async () => {
        for await (const _ of events);
      })(),
    ).rejects.toThrow();
    simulators.openai.setFault(undefined);
    expect(await theChargeOf("cut")).toMatchObject({ outcome: CallOutcome.FAILED });
  });

  test("one that is ended in several ways at once leaves one record, the first", async () => {
    const route = await host.resolve(wanted("twice"));
    const call = host.trackCall(route, { labels: { team: "x" } });
    const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
    await Promise.all([call.succeeded({ id: "chatcmpl-1", usage }), call.failed(), call.cancelled()]);
    expect(await theChargeOf("twice")).toMatchObject({ outcome: CallOutcome.SUCCEEDED, labels: { team: "x" } });
  });

  test("one that spans a restart of the service is recorded once, after it", { timeout: RESTART_MAX_MS }, async () => {
    const { events } = await begin("spans");
    let chunks = 0;
    for await (const _ of events) {
      if (chunks === 0) await service.end();
      chunks += 1;
    }
    expect(host.status().waitingRecords).toBe(1);
    await restart();
    expect(await theChargeOf("spans")).toMatchObject({ outcome: CallOutcome.SUCCEEDED });
    await whenListening(host);
  });
});

describe("when revocations are not heard", () => {
  test("a killed service ends reuse within the bound; once it is back, routes come from it, and may be reused again", {
    timeout: RESTART_MAX_MS,
  }, async () => {
    const host = await connectListening({ ...options(), limits: { brokenMaxMs: 100, resolveMaxMs: 3_000 } });
    await host.resolve(wanted("killed-1"));
    expect(await host.resolve(wanted("killed-2"))).toMatchObject({ isReused: true });
    await service.end("SIGKILL");
    await whenListening(host, false);
    expect(host.status().leases).toBe(0);
    await expect(host.resolve(wanted("killed-3"))).rejects.toMatchObject({
      code: expect.stringMatching(/^(UNAVAILABLE|DEADLINE_EXCEEDED)$/),
    });
    await restart();
    await whenListening(host);
    const route = await host.resolve(wanted("killed-4"));
    expect(route.isReused).toBe(false);
    expect(Buffer.from(route.credential.reveal()).toString()).toBe(key);
    expect(await host.resolve(wanted("killed-5"))).toMatchObject({ isReused: true });
    await host.close();
  });

  test("a service that hangs ends reuse as well: silence counts as loss", async () => {
    const host = await connectListening({ ...options(), limits: { silenceMaxMs: 6_000 } });
    await host.resolve(wanted("hung-1"));
    process.kill(service.pid, "SIGSTOP");
    try {
      await whenListening(host, false);
      expect(host.status().leases).toBe(0);
    } finally {
      process.kill(service.pid, "SIGCONT");
    }
    await whenListening(host);
    expect(await host.resolve(wanted("hung-2"))).toMatchObject({ isReused: false });
    await host.close();
  });
});

test("records that arrive while the service is killed, again and again, are in the ledger exactly once", async () => {
  const account = "a2";
  await house.connectOwn(account, "openai");
  await house.place(account, "agent");
  const host = await connectListening(options());
  const { id: route } = await host.resolve({ ...wanted("storm"), account });
  const kept: string[] = [];
  let isOver = false;
  const lane = async (name: string): Promise<void> => {
    for (let count = 0; !isOver; count += 1) {
      const usageId = `${name}-${count}`;
      const providerUsage = { prompt_tokens: count, completion_tokens: 1, total_tokens: count + 1 };
      const call = { account, agent: "agent", route, usageId, callId: usageId, providerUsage } as const;
      await host.recordUsage({ ...call, occurMs: Date.now(), outcome: "SUCCEEDED" });
      kept.push(usageId);
      // At the disk's own pace, tens of thousands would pile up while the service starts.
      await setTimeout(PACE_MS);
    }
  };
  const load = Promise.all(["n", "o", "p", "q"].map(lane));
  for (const records of [100, 150, 70]) {
    const soFar = kept.length;
    await vi.waitFor(() => expect(kept.length).toBeGreaterThan(soFar + records), { timeout: 20_000, interval: 2 });
    await service.end("SIGKILL");
    await restart();
  }
  isOver = true;
  await load;
  expect(await host.flush(60_000)).toBe(true);
  await host.close();
  const recorded: string[] = [];
  for (let pageToken = ""; ; ) {
    const page = await house.as("settings").ledger.listCharges({ account, pageSize: 500, pageToken });
    recorded.push(...page.charges.map(({ usageId }) => usageId));
    pageToken = page.nextPageToken;
    if (pageToken === "") break;
  }
  expect(recorded.toSorted()).toEqual(kept.toSorted());
}, 120_000);

describe("certificates", () => {
  /** Files of this host's own, and new pairs for them from the same authority. */
  function ownFiles(name: string) {
    const own = join(directory.path, name);
    cpSync(join(service.dataDir, "pki"), own, { recursive: true });
    const files = { certFile: join(own, "in-use.pem"), keyFile: join(own, "in-use.key") };
    copyFileSync(join(own, "agent-host-1.pem"), files.certFile);
    copyFileSync(join(own, "agent-host-1.key"), files.keyFile);
    const fresh = async (): Promise<{ cert: string; key: string }> => {
      for (const end of ["pem", "key"]) rmSync(join(own, `agent-host-1.${end}`), { force: true });
      await ensureDevelopmentPki(own, { clock: systemClock, trustDomain: DEVELOPMENT_TRUST_DOMAIN });
      return {
        cert: readFileSync(join(own, "agent-host-1.pem"), "utf8"),
        key: readFileSync(join(own, "agent-host-1.key"), "utf8"),
      };
    };
    return { files, fresh };
  }

  test("are swapped under load, half-written ones and those that do not match passed over, without one failed call", async () => {
    const { files, fresh } = ownFiles("swapped");
    const log = keepingLog();
    // No lease outlives such a margin, so every call goes to the service.
    const limits = { leaseMarginMs: 600_000, reloadEveryMs: 3_600_000 };
    const host = await connectListening({ ...options(), ...files, limits, log });
    const rpc = "plori.router.v1.RouterService/ResolveRoute";
    const answeredBefore = await countCalls(service, rpc);

    let isOver = false;
    let done = 0;
    const caller = async (name: string): Promise<void> => {
      for (let count = 0; !isOver; count += 1) {
        const callId = `${name}-${count}`;
        const route = await host.resolve(wanted(callId));
        await host.trackCall(route).succeeded({ usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } });
        done += 1;
      }
    };
    const load = Promise.all(["w", "x", "y", "z"].map(caller));
    for (let swaps = 0; swaps < 4; swaps += 1) {
      const soFar = done;
      await vi.waitFor(() => expect(done).toBeGreaterThan(soFar + 20), { timeout: 10_000, interval: 5 });
      const next = await fresh();
      writeFileSync(files.certFile, next.cert.slice(0, 300));
      expect(await host.reloadCertificates()).toBe(false);
      writeFileSync(files.certFile, next.cert);
      expect(await host.reloadCertificates()).toBe(false);
      writeFileSync(files.keyFile, next.key.slice(0, 100));
      expect(await host.reloadCertificates()).toBe(false);
      writeFileSync(files.keyFile, next.key);
      expect(await host.reloadCertificates()).toBe(true);
    }
    isOver = true;
    await load;
    await whenListening(host);
    expect(await host.flush(FLUSH_MAX_MS)).toBe(true);
    // Every call was answered at its first try: nothing failed that a retry would have hidden.
    expect((await countCalls(service, rpc)) - answeredBefore).toBe(done);
    expect(log.lines.filter((line) => line.startsWith("info: certificates loaded"))).toHaveLength(4);
    expect(log.lines.filter((line) => line.startsWith("error: certificates not loaded"))).toHaveLength(12);
    expect(log.lines.filter((line) => line.startsWith("warn"))).toEqual([]);
    await host.close();
  });

  test("that are swapped cost no lease, and what is revoked after that is heard", async () => {
    const account = "a3";
    await house.connectOwn(account, "openai");
    await house.place(account, "agent");
    const { files, fresh } = ownFiles("kept");
    const host = await connectListening({ ...options(), ...files, limits: { reloadEveryMs: 3_600_000 } });
    await host.resolve({ ...wanted("kept-1"), account });
    const next = await fresh();
    writeFileSync(files.certFile, next.cert);
    writeFileSync(files.keyFile, next.key);
    expect(await host.reloadCertificates()).toBe(true);
    expect(await host.resolve({ ...wanted("kept-2"), account })).toMatchObject({ isReused: true });
    await house.connectOwn(account, "openai");
    await vi.waitFor(() => expect(host.status().leases).toBe(0), { timeout: 10_000, interval: 20 });
    expect(await host.resolve({ ...wanted("kept-3"), account })).toMatchObject({ isReused: false, keyVersion: 2n });
    await host.close();
  });

  test("files that are not there, or do not belong together, are named at the start", async () => {
    const { certFile, keyFile, ...rest } = options();
    const { connectHost } = await import("../../src/client/connect-host.ts");
    await expect(connectHost({ ...rest, certFile: `${certFile}.not`, keyFile })).rejects.toThrow(
      "the certificate file cannot be read",
    );
    await expect(
      connectHost({ ...rest, certFile, keyFile: keyFile.replace("agent-host-1", "agent-host-2") }),
    ).rejects.toThrow("certificate and private key do not belong together");
  });
});
