import { afterEach, beforeEach, expect, test } from "vitest";
import type { ServiceProcess } from "../support/service-process.ts";
import {
  connect,
  expectReason,
  openVaultBench,
  ready,
  resolve,
  until,
  type VaultBench,
} from "../support/vault-service.ts";

let bench: VaultBench;
beforeEach(async () => {
  bench = await openVaultBench();
});
afterEach(() => bench.close());

/** The exit code of a process that ends by itself. */
async function exitOf(service: ServiceProcess): Promise<number | null> {
  await until(() => !isAlive(service.pid), "it ends by itself");
  return service.end();
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Expects that the process ends with a failure that says all this, and that no door was opened. */
async function refusesToStart(keyIds: readonly string[], ...said: readonly string[]): Promise<void> {
  const failure = await bench.start(keyIds).then(
    () => "it served",
    (error: unknown) => String(error),
  );
  expect(failure).toContain("it ended with 1");
  expect(failure).not.toContain('"msg":"serving"');
  for (const words of said) expect(failure).toContain(words);
}

async function sealOnce(): Promise<void> {
  const service = await bench.start();
  await ready(service);
  await service.end();
}

test("a database of another environment is not served, and the message names both", async () => {
  await sealOnce();
  await expect(bench.start(undefined, { env: { PLORI_ENVIRONMENT: "staging" } })).rejects.toThrow(
    /belongs to the environment \\?"development\\?", but PLORI_ENVIRONMENT says \\?"staging\\?"/,
  );
});

test("KMS keys that are not this installation's end the process, and the message names the one that was expected", async () => {
  await sealOnce();
  await refusesToStart(
    [bench.secondArn],
    `wrapped by the KMS key ${bench.firstArn}, which PLORI_KMS_KEY_IDS does not name`,
  );
});

test("a KMS key of another Region ends the process before a door opens, and the message names key, Region and environment that were expected", async () => {
  await sealOnce();
  const elsewhere = bench.firstArn.replace(bench.kms.region, "us-gov-west-1");
  expect(elsewhere).not.toBe(bench.firstArn);
  const expected = `wrapped by the KMS key ${bench.firstArn} in the environment "development"`;
  await refusesToStart([elsewhere], `KMS key ${elsewhere} may not be used (NotFoundException)`, expected);
});

test("a KMS key that was disabled ends the process before a door opens, and the message names what was expected", async () => {
  await sealOnce();
  bench.kms.control.setState(bench.firstArn, "Disabled");
  const expected = `wrapped by the KMS key ${bench.firstArn} in the environment "development"`;
  await refusesToStart([bench.firstArn], `KMS key ${bench.firstArn} may not be used (DisabledException)`, expected);
});

test("a KMS that takes its time to say no is waited for: no door opens meanwhile", async () => {
  await sealOnce();
  bench.kms.control.inject({ kind: "delay", ms: 500 });
  await refusesToStart([bench.secondArn], `${bench.firstArn}, which PLORI_KMS_KEY_IDS does not name`);
});

test("a KMS that answers only once the doors are open, and says no, ends the process with what was expected", async () => {
  await sealOnce();
  bench.kms.control.inject({ kind: "reset" });
  const service = await bench.start();
  expect((await fetch(`http://127.0.0.1:${service.opsPort}/readyz`)).status).toBe(503);
  bench.kms.control.setState(bench.firstArn, "Disabled");
  bench.kms.control.heal();
  expect(await exitOf(service)).toBe(1);
  expect(service.output()).toContain(`wrapped by the KMS key ${bench.firstArn} in the environment`);
});

test("a rotation of the platform's own data key leaves the canary as it is", async () => {
  const service = await bench.start();
  await ready(service);
  const rotated = await service.as("admin").keyVault.rotateAccountKey({ account: "platform" });
  expect(rotated.dataKeyVersion).toBe(2n);
  await service.end();
  await ready(await bench.start());
});

test("an environment that was renamed in the database does not open what another one sealed", async () => {
  await sealOnce();
  bench.database((db) =>
    db.exec(
      "UPDATE installation SET value = CAST(replace(CAST(value AS TEXT), 'development', 'staging') AS BLOB) WHERE name = 'canary'",
    ),
  );
  await expect(bench.start(undefined, { env: { PLORI_ENVIRONMENT: "staging" } })).rejects.toThrow(bench.firstArn);
});

test("a KMS that is away at the start leaves the service live and not ready, until it answers", async () => {
  await sealOnce();
  bench.kms.control.inject({ kind: "error", name: "KMSInternalException" });
  const service = await bench.start();
  expect((await fetch(`http://127.0.0.1:${service.opsPort}/livez`)).status).toBe(200);
  expect((await fetch(`http://127.0.0.1:${service.opsPort}/readyz`)).status).toBe(503);
  bench.kms.control.heal();
  await ready(service);
});

test("a thousand concurrent calls for one cold account make one KMS call", async () => {
  const first = await bench.start();
  const secret = await connect(bench, first, "a1");
  await first.end();
  const service = await bench.start();
  await ready(service);
  const before = bench.kms.control.callsFor("a1");
  const served = await Promise.all(
    Array.from({ length: 1_000 }, (_none, index) => resolve(service, "a1", `c-${index}`)),
  );
  expect(new Set(served)).toEqual(new Set([secret]));
  expect(bench.kms.control.callsFor("a1") - before).toBe(1);
});

test("a KMS that is away stops no warm account; a cold one is told to come back, within the KMS client's bound", async () => {
  const service = await bench.start();
  const secret = await connect(bench, service, "a1");
  await connect(bench, service, "a2");
  await resolve(service, "a1", "c1");
  await service.as("admin").keyVault.evictDataKeys({ account: "a2" });
  bench.kms.control.inject({ kind: "error", name: "KMSInternalException" });
  expect(await resolve(service, "a1", "c2")).toBe(secret);
  await expectReason(resolve(service, "a2", "c3"), "KMS_UNAVAILABLE");
  expect(await resolve(service, "a1", "c4")).toBe(secret);
});

test("a KMS key that was disabled serves nobody who asks anew, and serves again once it is enabled", async () => {
  const service = await bench.start();
  const secret = await connect(bench, service, "a1");
  await ready(service);
  bench.kms.control.setState(bench.firstArn, "Disabled");
  await service.as("admin").keyVault.evictDataKeys({});
  await expectReason(resolve(service, "a1", "c1"), "KEY_UNREADABLE");
  bench.kms.control.setState(bench.firstArn, "Enabled");
  await service.as("admin").keyVault.evictDataKeys({});
  expect(await resolve(service, "a1", "c2")).toBe(secret);
  await service.end();
  const details = bench.database((db) =>
    db.prepare("SELECT details FROM audit WHERE kind = 'record.refused'").pluck().all(),
  );
  expect(details).toEqual(['{"fault":"KEY_UNREADABLE","version":"1"}']);
});
