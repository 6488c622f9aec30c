import { request } from "node:http";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { chainHash } from "../../src/audit/chain.ts";
import type { AuditKind } from "../../src/audit/event.ts";
import { RecordOutcome } from "../../src/gen/plori/ledger/v1/ledger_service_pb.ts";
import { Provider } from "../../src/gen/plori/type/v1/type_pb.ts";
import { type ProviderSimulators, startProviderSimulators } from "../simulators/start.ts";
import { type Clients, type ServiceProcess, startService } from "../support/service-process.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { readRows } from "./database.ts";
import { startHeldProvider } from "./held-provider.ts";
import { diskRecord, endSurely, furnish, given } from "./house.ts";
import { type Refused, refused } from "./refusal.ts";
import { FREE_PORTS, runMain } from "./run-main.ts";

/** For what takes moments, on a machine that is busy with other things. */
const SLOW_MAX_MS = 10_000;
/** Seven starts of the service. */
const KILLS_MAX_MS = 90_000;

const started: ServiceProcess[] = [];
const directories: ReturnType<typeof temporaryDirectory>[] = [];

async function start(dataDir: string, providerUrls?: string): Promise<ServiceProcess> {
  const service = await startService({ dataDir, ...(providerUrls === undefined ? {} : { providerUrls }) });
  started.push(service);
  return service;
}

function newDirectory(): string {
  const directory = temporaryDirectory();
  directories.push(directory);
  return directory.path;
}

afterEach(async () => {
  for (const service of started.splice(0)) await endSurely(service);
  for (const directory of directories.splice(0)) directory.remove();
});

/** The whole chain is hashed anew: a row that was lost, doubled or changed breaks it. */
function expectWholeAudit(dataDir: string): void {
  let previous: Uint8Array = new Uint8Array(32);
  let seq = 0n;
  for (const row of readRows(dataDir, "SELECT * FROM audit ORDER BY seq")) {
    seq += 1n;
    const text = (name: string): string => String(row[name]);
    const record = {
      writer: text("writer"),
      seq: BigInt(text("seq")),
      timeMs: Number(row["time_ms"]),
      kind: text("kind") as AuditKind,
      caller: text("caller"),
      actor: text("actor"),
      account: text("account"),
      subject: text("subject"),
    };
    expect(record.seq).toBe(seq);
    previous = chainHash(previous, record, text("details"));
    expect(Buffer.from(previous).equals(row["hash"] as Uint8Array)).toBe(true);
  }
}

function readyStatus({ opsPort }: ServiceProcess): Promise<string> {
  return new Promise((resolve) => {
    const asked = request({ port: opsPort, host: "127.0.0.1", path: "/readyz" }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      response.on("end", () => resolve(body.trim()));
    });
    asked.on("error", () => resolve("closed"));
    asked.end();
  });
}

describe("SIGTERM", () => {
  test("lets 50 calls in flight finish, refuses later ones as UNAVAILABLE, exits with 0, and what was acknowledged is there afterwards", async () => {
    const dataDir = newDirectory();
    const provider = await startHeldProvider();
    try {
      const service = await start(dataDir, JSON.stringify({ openai: provider.origin }));
      const secret = (index: number): string =>
        `sk-${"proj"}-${String(index).padStart(3, "0")}${"aB3dE6gH9k".repeat(4)}`;
      const grpc = service.as("settings");
      const connect = service.as("settings", "connect");
      const keyOf = (clients: Clients, index: number) =>
        clients.keyVault.connectKey({ account: `drain-${index}`, provider: Provider.OPENAI, secret: secret(index) });
      const inFlight = Array.from({ length: 50 }, (_, index) => keyOf(index % 2 === 0 ? grpc : connect, index));
      await provider.whenWaiting(50);
      const ended = service.end("SIGTERM");
      await expect.poll(() => readyStatus(service), { timeout: SLOW_MAX_MS }).toBe("draining");
      const late = await Promise.all(
        [grpc, connect].map((clients, index) => keyOf(clients, 100 + index).then(() => undefined, toRefusal)),
      );
      for (const refusal of late) expect(refusal).toMatchObject({ code: "Unavailable" });
      provider.release();
      const keys = await Promise.all(inFlight);
      expect(await ended).toBe(0);

      const again = await start(dataDir, JSON.stringify({ openai: provider.origin }));
      const settings = again.as("settings").keyVault;
      for (const [index, { key }] of keys.entries()) {
        const found = await settings.getKey({ account: `drain-${index}`, provider: Provider.OPENAI });
        expect(found.key).toEqual(key);
      }
      expect(readRows(dataDir, "SELECT count(*) AS n FROM provider_key")).toEqual([{ n: 50 }]);
      expectWholeAudit(dataDir);
    } finally {
      await provider.close();
    }
  });

  test("in the moment in which it begins to serve ends it with exit code 0", async () => {
    const dataDir = newDirectory();
    for (let starts = 0; starts < 2; starts += 1) expect(await (await start(dataDir)).end()).toBe(0);
  });

  test("in the middle of a stream of records: each one either was acknowledged and is there, or was refused as UNAVAILABLE", async () => {
    const dataDir = newDirectory();
    const service = await start(dataDir);
    const clients = [service.as("recorder"), service.as("recorder", "connect")];
    await given(clients[0]).ledger.recordUsage({ records: [diskRecord("stream", "warm")] });
    const calls = Array.from({ length: 50 }, (_, index) =>
      given(clients[index % 2])
        .ledger.recordUsage({ records: [diskRecord("stream", `d-${index}`)] })
        .then(() => undefined, toRefusal),
    );
    const code = service.end("SIGTERM");
    const outcomes = await Promise.all(calls);
    expect(await code).toBe(0);
    const ids = outcomes.flatMap((outcome, index) => (outcome === undefined ? [`d-${index}`] : []));
    for (const refusal of outcomes) if (refusal !== undefined) expect(refusal).toMatchObject({ code: "Unavailable" });
    const rows = readRows(dataDir, "SELECT usage_id FROM charge WHERE account = 'stream' AND usage_id <> 'warm'");
    const kept = new Set(rows.map((row) => row["usage_id"]));
    expect(ids.filter((id) => !kept.has(id))).toEqual([]);
  });
});

async function toRefusal(error: unknown): Promise<Refused> {
  return refused(Promise.reject(error));
}

describe("kill -9", () => {
  test("under load, five times over: every acknowledged record is there exactly once, and a retry of it is answered REPLAYED", {
    timeout: KILLS_MAX_MS,
  }, async () => {
    const dataDir = newDirectory();
    const rounds = 5;
    const acknowledged = new Set<string>();
    let sent = 0;
    for (let round = 0; round < rounds; round += 1) {
      const service = await start(dataDir);
      const clients = [service.as("recorder"), service.as("recorder", "connect")];
      const target = acknowledged.size + 120 + round * 37;
      let killed: Promise<unknown> | undefined;
      const worker = async (clientIndex: number): Promise<void> => {
        while (killed === undefined) {
          const ids = Array.from({ length: 5 }, () => `d-${sent++}`);
          try {
            await given(clients[clientIndex % 2]).ledger.recordUsage({
              records: ids.map((id) => diskRecord("load", id)),
            });
          } catch {
            return;
          }
          for (const id of ids) acknowledged.add(id);
          // The answers to the other calls are on their way, or their records in the writer's hands: that is when it hurts.
          if (acknowledged.size >= target) killed ??= service.end("SIGKILL");
        }
      };
      await Promise.all(Array.from({ length: 8 }, (_, index) => worker(index)));
      await killed;
    }
    expect(acknowledged.size).toBeGreaterThan(600);

    const service = await start(dataDir);
    const rows = readRows(
      dataDir,
      "SELECT usage_id, count(*) AS n FROM charge WHERE account = 'load' GROUP BY usage_id",
    );
    const kept = new Map(rows.map((row) => [row["usage_id"], row["n"]]));
    expect([...acknowledged].filter((id) => kept.get(id) !== 1)).toEqual([]);
    expectWholeAudit(dataDir);
    // The charges and the balance tell the same story, whatever was cut off.
    const sums = "SELECT (SELECT sum(amount_nano) FROM charge) AS charged, (SELECT spent_nano FROM pool) AS spent";
    const [{ charged, spent } = {}] = readRows(dataDir, sums);
    expect(spent).toBe(charged);

    const ids = [...acknowledged];
    const occurTimes = new Map(
      readRows(dataDir, "SELECT usage_id, occur_ms FROM charge").map((row) => [
        row["usage_id"],
        Number(row["occur_ms"]),
      ]),
    );
    for (let at = 0; at < ids.length; at += 500) {
      const records = ids.slice(at, at + 500).map((id) => {
        const occurMs = given(occurTimes.get(id));
        const occurTime = { seconds: BigInt(Math.floor(occurMs / 1000)), nanos: (occurMs % 1000) * 1_000_000 };
        return {
          ...diskRecord("load", id),
          occurTime: { $typeName: "google.protobuf.Timestamp" as const, ...occurTime },
        };
      });
      const { results } = await service.as("recorder").ledger.recordUsage({ records });
      expect(results.filter(({ outcome }) => outcome !== RecordOutcome.REPLAYED)).toEqual([]);
    }
    expect(readRows(dataDir, "SELECT count(*) AS n FROM charge")).toEqual([{ n: kept.size }]);
  });
});

describe("a released credential", () => {
  let simulators: ProviderSimulators;
  beforeAll(async () => {
    simulators = await startProviderSimulators();
  });
  afterAll(() => simulators.close());

  test("is in the audit before its answer arrives: killed upon receipt, the row is there", {
    timeout: KILLS_MAX_MS,
  }, async () => {
    const dataDir = newDirectory();
    const routes: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      const service = await start(dataDir, simulators.providerUrlsJson);
      const house = furnish(service, simulators);
      if (round === 0) {
        await house.place("maya", "agent");
        await house.connectOwn("maya", "openai");
      }
      let killed: Promise<unknown> | undefined;
      const calls = Array.from({ length: 24 }, (_, index) =>
        house
          .resolve({
            account: "maya",
            model: "openai/gpt-5.5",
            callId: `c-${round}-${index}`,
            door: index % 2 === 0 ? "grpc" : "connect",
          })
          .then(
            ({ route }) => {
              routes.push(route);
              killed ??= service.end("SIGKILL");
            },
            () => {},
          ),
      );
      await Promise.all(calls);
      await killed;
    }
    expect(routes.length).toBeGreaterThanOrEqual(3);
    const audited = new Set(
      readRows(dataDir, "SELECT subject FROM audit WHERE kind = 'credential.released'").map((row) => row["subject"]),
    );
    const recorded = new Set(readRows(dataDir, "SELECT route_id FROM route").map((row) => row["route_id"]));
    for (const route of routes) {
      expect(audited.has(`routes/${route}`)).toBe(true);
      expect(recorded.has(route)).toBe(true);
    }
    expectWholeAudit(dataDir);
  });
});

describe("one process a database", () => {
  test("a second one on the same data directory refuses, says why and who has it, and the first one goes on", async () => {
    const dataDir = newDirectory();
    const service = await start(dataDir);
    const second = await runMain(["--dev"], { ...FREE_PORTS, PLORI_DATA_DIR: dataDir });
    expect(second.code).toBe(1);
    expect(second.output).toContain("is in use by process");
    expect(second.output).toContain(String(service.pid));
    expect(second.output).toContain("PLORI_DATA_DIR");
    expect((await service.as("settings").keyVault.listProviders({})).providers.length).toBeGreaterThan(0);
  });
});
