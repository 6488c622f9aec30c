import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Provider } from "../../src/gen/plori/type/v1/type_pb.ts";
import type { ServiceProcess } from "../support/service-process.ts";
import { connect, openVaultBench, resolve, until, type VaultBench } from "../support/vault-service.ts";

let bench: VaultBench;
beforeEach(async () => {
  bench = await openVaultBench();
});
afterEach(() => bench.close());

/** Kills the process, whatever it does; calls under way fail. */
async function kill(service: ServiceProcess, underWay: Promise<unknown>): Promise<void> {
  underWay.catch(() => {});
  await service.end("SIGKILL");
}

/** Starts anew with a KMS that answers, and expects that nothing is wrong with any record. */
async function startWhole(keyIds?: readonly string[]): Promise<ServiceProcess> {
  bench.kms.control.heal();
  const service = await bench.start(keyIds);
  const findings = [];
  for await (const message of service.as("admin").keyVault.verifyVault({})) findings.push(...message.findings);
  expect(findings).toEqual([]);
  return service;
}

const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));
const count = (sql: string): number => bench.database((db) => db.prepare(sql).pluck().get() as number);

test("killed while a key is replaced, the account has the old key or the new one, whole", async () => {
  let service = await bench.start();
  let current = await connect(bench, service, "a1");
  for (const delayMs of [0, 5, 15]) {
    const secret = bench.simulators.openai.mintKey();
    const call = service.as("settings").keyVault.connectKey({ account: "a1", provider: Provider.OPENAI, secret });
    await pause(delayMs);
    await kill(service, call);
    service = await startWhole();
    const served = await resolve(service, "a1", `after-${delayMs}`);
    expect([current, secret]).toContain(served);
    current = served;
  }
});

test("killed in the middle of a rewrap, everything opens, and the next call finishes it", async () => {
  const first = await bench.start();
  const secrets = new Map<string, string>();
  for (const account of ["a1", "a2", "a3", "a4", "a5", "a6"])
    secrets.set(account, await connect(bench, first, account));
  await first.end();
  const old = `SELECT count(*) FROM data_key WHERE kms_key_arn <> '${bench.secondArn}'`;
  // Those of the accounts, of fingerprints, and of the audit's signing key if it was made by then.
  const all = count(old);
  const both = [bench.secondArn, bench.firstArn];
  let service = await bench.start(both);
  // The first time it dies before any data key is swapped, the second time between two of them.
  for (const swapped of [0, 4]) {
    bench.kms.control.inject({ kind: "delay", ms: 60 });
    const call = drain(service.as("admin").keyVault.rewrapDataKeys({}));
    call.catch(() => {});
    const before = bench.kms.control.calls("ReEncrypt");
    await until(() => bench.kms.control.calls("ReEncrypt") >= before + swapped + 1, "it rewraps");
    await kill(service, call);
    const remaining = count(old);
    if (swapped === 0) expect(remaining).toBe(all);
    else expect([all - swapped, all - swapped - 1, all - swapped - 2]).toContain(remaining);
    service = await startWhole(both);
    for (const [account, secret] of secrets)
      expect(await resolve(service, account, `${account}-${swapped}`)).toBe(secret);
  }
  await drain(service.as("admin").keyVault.rewrapDataKeys({}));
  await service.end();
  expect(count(old)).toBe(0);
  bench.kms.control.setState(bench.firstArn, "Disabled");
  const last = await bench.start([bench.secondArn]);
  for (const [account, secret] of secrets) expect(await resolve(last, account, `${account}-last`)).toBe(secret);
});

test("killed before its new data key exists, a rotation has not happened", async () => {
  let service = await bench.start();
  const secret = await connect(bench, service, "a1");
  const before = bench.kms.control.calls("GenerateDataKey");
  bench.kms.control.inject({ kind: "hang" });
  const call = service.as("admin").keyVault.rotateAccountKey({ account: "a1" });
  await until(() => bench.kms.control.calls("GenerateDataKey") > before, "it asks for a data key");
  await kill(service, call);
  service = await startWhole();
  expect(await resolve(service, "a1", "c1")).toBe(secret);
  expect(count("SELECT max(data_key_version) FROM data_key WHERE account = 'a1'")).toBe(1);
});

test("killed between its new data key and the first record sealed anew, a rotation is finished by the next start", async () => {
  let service = await bench.start();
  const secret = await connect(bench, service, "a1");
  const { control } = bench.kms;
  await service.as("admin").keyVault.evictDataKeys({});
  const [generated, decrypted] = [control.calls("GenerateDataKey"), control.calls("Decrypt")];
  control.inject({ kind: "delay", ms: 100 }, 1);
  const call = service.as("admin").keyVault.rotateAccountKey({ account: "a1" });
  await until(() => control.calls("GenerateDataKey") > generated, "it asks for a data key");
  control.inject({ kind: "hang" });
  await until(() => control.calls("Decrypt") > decrypted, "it needs the old data key");
  await kill(service, call);
  expect(count("SELECT max(data_key_version) FROM provider_key")).toBe(1);
  service = await startWhole();
  await until(() => count("SELECT count(*) FROM rotation") === 0, "the sweep is through");
  expect(count("SELECT min(data_key_version) FROM provider_key")).toBe(2);
  expect(await resolve(service, "a1", "c1")).toBe(secret);
});

test("killed while an account is destroyed, it is whole, or gone from every file once the next process has started", async () => {
  for (const when of ["at once", "after the commit"] as const) {
    const account = `gone-${when.replaceAll(" ", "-")}`;
    let service = await bench.start();
    const secret = await connect(bench, service, account);
    const wrapped = bench.database(
      (db) => db.prepare("SELECT wrapped FROM data_key WHERE account = ?").pluck().get(account) as Buffer,
    );
    const admin = service.as("admin").keyVault;
    const { etag } = await admin.shredAccount({ account, validateOnly: true });
    const call = admin.shredAccount({ account, etag, confirmation: `shred ${account}` });
    call.catch(() => {});
    const shredded = `SELECT count(*) FROM audit WHERE kind = 'account.shredded' AND account = '${account}'`;
    if (when === "after the commit") await until(() => count(shredded) === 1, "it is committed");
    await kill(service, call);
    service = await startWhole();
    if (count(shredded) === 0) {
      expect(await resolve(service, account, "c1")).toBe(secret);
    } else {
      for (const file of readdirSync(bench.directory.path).filter((name) => name.startsWith("plori.db")))
        expect(readFileSync(join(bench.directory.path, file)).includes(wrapped)).toBe(false);
    }
    await service.end();
  }
});

async function drain(messages: AsyncIterable<unknown>): Promise<void> {
  for await (const _message of messages);
}
