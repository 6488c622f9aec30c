import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { toBinary } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CHAIN_START, canonicalDetails, chainHash } from "../../src/audit/chain.ts";
import { type AuditEvent, AuditEventSchema, AuditFindingKind } from "../../src/gen/plori/keyvault/v1/audit_pb.ts";
import type { VerifyAuditResponse } from "../../src/gen/plori/keyvault/v1/keyvault_service_pb.ts";
import { Provider } from "../../src/gen/plori/type/v1/type_pb.ts";
import { type ProviderSimulators, startProviderSimulators } from "../simulators/start.ts";
import { type Clients, type ServiceProcess, startService } from "../support/service-process.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const ACCOUNT = "acct-1";
const MODEL = "openai/gpt-5.5";

let directory: ReturnType<typeof temporaryDirectory>;
let simulators: ProviderSimulators;
let service: ServiceProcess;

beforeEach(async () => {
  directory = temporaryDirectory();
  simulators = await startProviderSimulators();
  service = await start();
});
afterEach(async () => {
  await service.end();
  await simulators.close();
  directory.remove();
});

function start(): Promise<ServiceProcess> {
  return startService({ dataDir: directory.path, providerUrls: simulators.providerUrlsJson });
}

async function connect(secret: string): Promise<void> {
  await service
    .as("settings")
    .keyVault.connectKey({ account: ACCOUNT, provider: Provider.OPENAI, secret, actor: "user-7" });
}

async function place(host: string, generation: bigint): Promise<void> {
  const expireTime = timestampFromMs(Date.now() + 60_000);
  await service
    .as("scheduler")
    .router.placeAgents({ placements: [{ account: ACCOUNT, agent: "agent-1", host, generation, expireTime }] });
}

async function resolve(host: "agent-host-1" | "agent-host-2"): Promise<void> {
  await service
    .as(host)
    .router.resolveRoute({ account: ACCOUNT, agent: "agent-1", model: MODEL, callId: randomUUID() });
}

async function verdict(clients: Clients): Promise<VerifyAuditResponse> {
  let last: VerifyAuditResponse | undefined;
  for await (const progress of clients.keyVault.verifyAudit({})) last = progress;
  if (last?.done !== true) throw new Error("no verdict");
  return last;
}

async function exported(clients: Clients, afterSequence = 0n, throughSequence = 0n) {
  const events: AuditEvent[] = [];
  const checkpoints: string[] = [];
  for await (const part of clients.keyVault.exportAudit({ afterSequence, throughSequence })) {
    events.push(...part.events);
    checkpoints.push(...part.checkpoints);
  }
  return { events, checkpoints };
}

function bytesOf(events: readonly AuditEvent[]): string[] {
  return events.map((event) => Buffer.from(toBinary(AuditEventSchema, event)).toString("hex"));
}

/** Waits until everything that happened so far has a signed checkpoint. */
async function checkpointed(clients: Clients): Promise<VerifyAuditResponse> {
  let found: VerifyAuditResponse | undefined;
  await expect
    .poll(
      async () => {
        found = await verdict(clients);
        return found.checkpointSequence;
      },
      { timeout: 20_000, interval: 300 },
    )
    .toBeGreaterThan(0n);
  if (found === undefined) throw new Error("no verdict");
  return found;
}

test("a leaked secret is traced to its key versions and to every host that had it, also after the key is gone", async () => {
  const first = simulators.openai.mintKey();
  const second = simulators.openai.mintKey();
  await connect(first);
  await place("agent-host-1", 1n);
  await resolve("agent-host-1");
  await resolve("agent-host-1");
  await connect(second);
  await place("agent-host-2", 2n);
  await resolve("agent-host-2");
  const { keyVault } = service.as("admin");
  const ask = (secret: string) => keyVault.identifySecret({ secret: Buffer.from(secret), actor: "responder" });

  const old = await ask(` ${first}\n`);
  expect(old.keys).toMatchObject([
    {
      key: `accounts/${ACCOUNT}/keys/openai`,
      account: ACCOUNT,
      provider: Provider.OPENAI,
      version: 1n,
      current: false,
    },
  ]);
  expect(old.keys[0]?.holders).toMatchObject([{ host: "agent-host-1", releaseCount: 2n }]);
  expect((await ask(second)).keys).toMatchObject([
    { version: 2n, current: true, holders: [{ host: "agent-host-2", releaseCount: 1n }] },
  ]);
  await service.as("settings").keyVault.deleteKey({ account: ACCOUNT, provider: Provider.OPENAI });
  expect((await ask(second)).keys).toMatchObject([{ version: 2n, current: false }]);
  expect((await ask(simulators.openai.mintKey())).keys).toEqual([]);

  const auditor = service.as("auditor");
  const { events } = await auditor.keyVault.listAuditEvents({ kind: "secret.identified" });
  expect(events.map(({ actor, details }) => [actor, details["keys"]])).toEqual([
    ["responder", "0"],
    ["responder", "1"],
    ["responder", "1"],
    ["responder", "1"],
  ]);
  for (const caller of ["auditor", "settings", "agent-host-1"] as const) {
    const attempt = service.as(caller).keyVault.identifySecret({ secret: Buffer.from(first) });
    await expect(attempt).rejects.toMatchObject({ code: Code.PermissionDenied });
  }
  await expect(ask("white space only inside is\u0007 not enough")).rejects.toMatchObject({
    code: Code.InvalidArgument,
  });
  for (let n = 0; n < 6; n += 1) await ask(`unknown-${n}`);
  await expect(ask("one too many")).rejects.toMatchObject({ code: Code.ResourceExhausted });

  // Neither what was found nor what was searched for stands anywhere.
  await service.end();
  const kept = readdirSync(directory.path)
    .filter((name) => /^plori\.db|checkpoints/.test(name))
    .map((name) => readFileSync(join(directory.path, name), "latin1"));
  for (const text of [...kept, service.output()]) {
    for (const secret of [first, second, "unknown-3"]) expect(text).not.toContain(secret);
  }
});

test("settings sees the releases of its account's keys, an auditor those of every account and host", async () => {
  await service
    .as("admin")
    .keyVault.connectKey({ account: "platform", provider: Provider.OPENAI, secret: simulators.openai.mintKey() });
  await service.as("billing").ledger.grantCredits({ account: ACCOUNT, amount: { units: 1_000n } });
  await place("agent-host-1", 1n);
  await resolve("agent-host-1");
  await connect(simulators.openai.mintKey());
  for (let n = 0; n < 3; n += 1) await resolve("agent-host-1");

  const settings = service.as("settings", "connect").keyVault;
  const own = await settings.listReleases({ account: ACCOUNT, pageSize: 2 });
  expect(own.releases).toHaveLength(2);
  const rest = await settings.listReleases({ account: ACCOUNT, pageSize: 2, pageToken: own.nextPageToken });
  const all = [...own.releases, ...rest.releases];
  expect(all).toMatchObject(
    Array.from({ length: 3 }, () => ({
      key: `accounts/${ACCOUNT}/keys/openai`,
      keyVersion: 1n,
      host: "agent-host-1",
      agent: "agent-1",
      model: MODEL,
      account: ACCOUNT,
    })),
  );
  expect(new Set(all.map(({ route }) => route)).size).toBe(3);
  for (const wrong of [{}, { account: ACCOUNT, host: "agent-host-1" }, { account: ACCOUNT, pageToken: "bm8" }]) {
    await expect(settings.listReleases(wrong)).rejects.toMatchObject({ code: Code.InvalidArgument });
  }
  await expect(settings.listReleases({ account: "platform" })).rejects.toMatchObject({ code: Code.PermissionDenied });
  await expect(
    settings.listReleases({ account: "acct-2", pageSize: 2, pageToken: own.nextPageToken }),
  ).rejects.toMatchObject({ code: Code.InvalidArgument });

  const auditor = service.as("auditor").keyVault;
  expect((await auditor.listReleases({ account: ACCOUNT })).releases).toHaveLength(4);
  expect((await auditor.listReleases({ host: "agent-host-1" })).releases).toHaveLength(4);
  expect((await auditor.listReleases({ host: "agent-host-2" })).releases).toEqual([]);
  const platform = await auditor.listReleases({ account: "platform" });
  expect(platform.releases).toMatchObject([{ key: "accounts/platform/keys/openai", account: ACCOUNT }]);
  const since = all.at(-1)?.releaseTime;
  if (since === undefined) throw new Error("no time");
  const timed = await auditor.listReleases({ account: ACCOUNT, startTime: since });
  expect(
    timed.releases.every(
      ({ releaseTime }) => releaseTime !== undefined && timestampMs(releaseTime) >= timestampMs(since),
    ),
  ).toBe(true);
});

test("an export is the same through both doors, verifies offline, and what was exported can be pruned", async () => {
  await connect(simulators.openai.mintKey());
  await place("agent-host-1", 1n);
  await resolve("agent-host-1");
  const auditor = service.as("auditor");
  const { checkpointSequence, verifierKeys, intact } = await checkpointed(auditor);
  expect([intact, verifierKeys.length]).toEqual([true, 1]);

  const whole = await exported(auditor, 0n, checkpointSequence);
  const again = await exported(service.as("auditor", "connect"), 0n, checkpointSequence);
  expect(bytesOf(again.events)).toEqual(bytesOf(whole.events));
  expect(again.checkpoints).toEqual(whole.checkpoints);
  let hash: Uint8Array = CHAIN_START;
  for (const [index, event] of whole.events.entries()) {
    const { sequence: seq, writer, kind, caller, actor, account, subject, details, eventTime } = event;
    expect(seq).toBe(BigInt(index + 1));
    const timeMs = eventTime === undefined ? 0 : timestampMs(eventTime);
    hash = chainHash(hash, { seq, writer, kind, caller, actor, account, subject, timeMs }, canonicalDetails(details));
    expect(Buffer.compare(hash, event.hash)).toBe(0);
  }
  const [note] = whole.checkpoints.slice(-1);
  expect(note?.split("\n").slice(1, 3)).toEqual([String(checkpointSequence), Buffer.from(hash).toString("base64")]);
  expect(readFileSync(join(directory.path, "audit-checkpoints"), "utf8")).toContain(note);
  const resumed = await exported(auditor, 2n, checkpointSequence);
  expect(bytesOf(resumed.events)).toEqual(bytesOf(whole.events.slice(2)));

  const { keyVault } = service.as("admin");
  const last = whole.events.at(-1);
  if (last === undefined) throw new Error("nothing exported");
  const request = { throughSequence: last.sequence, hash: last.hash, requestId: randomUUID(), actor: "operator" };
  for (const wrong of [
    { hash: Buffer.alloc(32) },
    { throughSequence: last.sequence + 10_000n },
    { hash: Buffer.alloc(3) },
  ]) {
    await expect(keyVault.pruneAudit({ ...request, ...wrong })).rejects.toMatchObject({ code: Code.InvalidArgument });
  }
  await expect(auditor.keyVault.pruneAudit(request)).rejects.toMatchObject({ code: Code.PermissionDenied });
  expect(await keyVault.pruneAudit(request)).toMatchObject({
    baseSequence: last.sequence,
    removedCount: BigInt(whole.events.length),
  });
  expect(await keyVault.pruneAudit(request)).toMatchObject({ baseSequence: last.sequence, removedCount: 0n });
  const { events } = await auditor.keyVault.listAuditEvents({});
  expect(events.every(({ sequence }) => sequence > last.sequence)).toBe(true);
  expect(events.map(({ kind }) => kind)).toContain("audit.pruned");
  expect((await auditor.keyVault.listReleases({ account: ACCOUNT })).releases).toHaveLength(1);
  expect(await verdict(auditor)).toMatchObject({ intact: true, baseSequence: last.sequence });
  await service.end();
  service = await start();
  // Checkpoints go on after the cut.
  await expect
    .poll(async () => (await verdict(service.as("auditor"))).checkpointSequence, { timeout: 20_000, interval: 300 })
    .toBeGreaterThan(events[0]?.sequence ?? 0n);
  expect(await verdict(service.as("auditor"))).toMatchObject({ intact: true, baseSequence: last.sequence });
});

describe("tampering while the service is down", () => {
  const databasePath = () => join(directory.path, "plori.db");

  /** Stops the service, which signs a last checkpoint, lets `tamper` at the database, and starts it again. */
  async function tampered(tamper: (db: Database.Database, newest: number) => void): Promise<VerifyAuditResponse> {
    await connect(simulators.openai.mintKey());
    await checkpointed(service.as("auditor"));
    await service.end();
    const db = new Database(databasePath());
    const { seq } = db.prepare("SELECT max(seq) AS seq FROM audit").get() as { seq: number };
    tamper(db, seq);
    db.close();
    service = await start();
    return verdict(service.as("auditor", "connect"));
  }

  const nameOf = (kind: number) => Object.entries(AuditFindingKind).find(([, number]) => number === kind)?.[0];
  const kinds = ({ findings }: VerifyAuditResponse) => [...new Set(findings.map(({ kind }) => nameOf(kind)))];

  test("an edit is found", async () => {
    const found = await tampered((db) => db.exec("UPDATE audit SET caller = 'somebody else' WHERE seq = 2"));
    expect([found.intact, kinds(found)]).toEqual([false, ["ALTERED"]]);
    expect(found.findings).toMatchObject([{ sequence: 2n }]);
  });

  test("a truncation is found, and from then on no checkpoint covers it up", async () => {
    const found = await tampered((db, newest) => db.exec(`DELETE FROM audit WHERE seq > ${newest - 2}`));
    expect(found.intact).toBe(false);
    // What the new process writes takes the place of what was cut off: another history than the one that was signed.
    expect(kinds(found).every((kind) => kind === "TRUNCATED" || kind === "FORKED")).toBe(true);
    const metrics = async () => (await fetch(`http://127.0.0.1:${service.opsPort}/metrics`)).text();
    await expect.poll(metrics, { timeout: 20_000 }).toContain("plori_audit_checkpoints_stopped 1");
  });

  test("a beginning that was cut off as if it had been pruned is found", async () => {
    const found = await tampered((db) => {
      const cut = db.prepare("SELECT size, note FROM audit_checkpoint ORDER BY size LIMIT 1").get() as { size: number };
      db.prepare("UPDATE audit_state SET base_seq = seq, base_hash = hash FROM audit WHERE audit.seq = ?").run(
        cut.size,
      );
      db.prepare("DELETE FROM audit WHERE seq <= ?").run(cut.size);
    });
    expect([found.intact, kinds(found)]).toEqual([false, ["MISSING"]]);
  });

  test("forged and missing checkpoints are found", async () => {
    const found = await tampered((db) => {
      db.exec(
        "UPDATE audit_checkpoint SET note = replace(note, char(10) || size || char(10), char(10) || '1' || char(10))",
      );
    });
    expect([found.intact, kinds(found).sort()]).toEqual([false, ["CHECKPOINT_FORGED", "CHECKPOINT_MISSING"]]);
  });

  test("a signing key that was put in from outside opens nothing", async () => {
    const attempt = tampered((db) => db.exec("UPDATE audit_signing_key SET sealed = zeroblob(229)"));
    await expect(attempt).rejects.toMatchObject({ code: Code.DataLoss });
  });
});
