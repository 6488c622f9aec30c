import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import { afterEach, beforeEach, expect, test } from "vitest";
import { VaultFaultSchema } from "../../src/gen/plori/keyvault/v1/vault_pb.ts";
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

async function rewrap(service: ServiceProcess) {
  const messages = [];
  for await (const message of service.as("admin").keyVault.rewrapDataKeys({ actor: "op" })) messages.push(message);
  return messages;
}

async function verify(service: ServiceProcess) {
  const findings = [];
  let last: { checkedCount: bigint; faultCount: bigint; done: boolean; maxSealCount: bigint } | undefined;
  for await (const message of service.as("admin").keyVault.verifyVault({ actor: "op" })) {
    findings.push(...message.findings.map(({ name, fault }) => `${name} ${VaultFaultSchema.value[fault]?.localName}`));
    last = message;
  }
  return { findings, last };
}

/** Every file of the database holds none of these bytes. */
function expectNowhere(what: readonly Uint8Array[]): void {
  for (const file of readdirSync(bench.directory.path).filter((name) => name.startsWith("plori.db"))) {
    const bytes = readFileSync(join(bench.directory.path, file));
    for (const part of what) expect({ file, at: bytes.indexOf(part) }).toEqual({ file, at: -1 });
  }
}

test("a migration to another KMS key wraps every data key anew while every open succeeds, and the old key can then be taken away", async () => {
  const before = await bench.start();
  const secrets = new Map<string, string>();
  for (const account of ["a1", "a2", "a3"]) secrets.set(account, await connect(bench, before, account));
  await before.end();

  const service = await bench.start([bench.secondArn, bench.firstArn]);
  await ready(service);
  let resolving = true;
  let resolved = 0;
  const load = (async () => {
    while (resolving) {
      for (const [account, secret] of secrets) {
        await service.as("admin").keyVault.evictDataKeys({ account });
        expect(await resolve(service, account, `call-${++resolved}`)).toBe(secret);
      }
    }
  })();
  await until(() => resolved >= 3, "the load runs");
  const last = (await rewrap(service)).at(-1);
  const resolvedMeanwhile = resolved;
  await until(() => resolved >= resolvedMeanwhile + 3, "the load goes on");
  resolving = false;
  await load;
  expect(last).toMatchObject({ kmsKeyArn: bench.secondArn, failedCount: 0n, remainingCount: 0n, done: true });
  expect(last?.rewrappedCount).toBeGreaterThanOrEqual(4n);
  expect((await rewrap(service)).at(-1)).toMatchObject({ rewrappedCount: 0n, remainingCount: 0n, done: true });
  await service.end();

  bench.kms.control.setState(bench.firstArn, "Disabled");
  const after = await bench.start([bench.secondArn]);
  await ready(after);
  for (const [account, secret] of secrets) expect(await resolve(after, account, `after-${account}`)).toBe(secret);
  expect((await verify(after)).last).toMatchObject({ checkedCount: 3n, faultCount: 0n, done: true });
});

test("a rotated account seals its keys anew, the old data key still opens, and the same request id rotates once", async () => {
  const service = await bench.start();
  const secret = await connect(bench, service, "a1");
  const admin = service.as("admin").keyVault;
  const request = { account: "a1", requestId: "1b4e28ba-2fa1-41d2-883f-0016d3cca427", actor: "op" };
  const rotated = await admin.rotateAccountKey(request);
  expect(rotated).toMatchObject({ dataKeyVersion: 2n, recordCount: 1n });
  expect(await admin.rotateAccountKey(request)).toEqual(rotated);
  expect(await resolve(service, "a1", "c1")).toBe(secret);
  const { findings, last } = await verify(service);
  expect({ findings, maxSealCount: last?.maxSealCount }).toEqual({ findings: [], maxSealCount: 1n });
  await expectReason(admin.rotateAccountKey({ account: "nobody" }), "KEY_NOT_FOUND");
  await service.end();
  bench.database((db) => {
    expect(db.prepare("SELECT data_key_version FROM provider_key").pluck().all()).toEqual([2]);
    expect(db.prepare("SELECT count(*) FROM data_key WHERE account = 'a1'").pluck().get()).toBe(2);
    expect(db.prepare("SELECT count(*) FROM rotation").pluck().get()).toBe(0);
    const kinds = db.prepare("SELECT kind FROM audit WHERE account = 'a1' ORDER BY seq").pluck().all();
    expect(kinds).toEqual(expect.arrayContaining(["account.key-rotated", "account.key-resealed"]));
  });
});

test("a destroyed account leaves no wrapped key in any file, opens nowhere, and begins anew under a higher data key", async () => {
  const service = await bench.start();
  await connect(bench, service, "a1");
  const kept = await connect(bench, service, "a2");
  await resolve(service, "a1", "c1");
  await service.end();
  const { wrapped, sealed } = bench.database((db) => ({
    wrapped: db.prepare("SELECT wrapped FROM data_key WHERE account = 'a1'").pluck().get() as Buffer,
    sealed: db.prepare("SELECT sealed FROM provider_key WHERE account = 'a1'").pluck().get() as Buffer,
  }));
  expect(() => expectNowhere([wrapped])).toThrow();
  expect(() => expectNowhere([sealed])).toThrow();
  const again = await bench.start();
  const vault = again.as("admin").keyVault;
  await resolve(again, "a1", "c2");
  await expectReason(vault.shredAccount({ account: "a1", etag: "x", confirmation: "shred a2" }), "FIELDS_INVALID");
  await expectReason(
    vault.shredAccount({ account: "platform", etag: "x", confirmation: "shred platform" }),
    "FIELDS_INVALID",
  );
  await expectReason(vault.shredAccount({ account: "nobody", validateOnly: true }), "KEY_NOT_FOUND");
  const found = await vault.shredAccount({ account: "a1", validateOnly: true });
  expect(found).toMatchObject({ keyCount: 1n, dataKeyCount: 1n });
  await expectReason(vault.shredAccount({ account: "a1", etag: "0", confirmation: "shred a1" }), "ETAG_MISMATCH");
  const request = {
    account: "a1",
    etag: found.etag,
    confirmation: "shred a1",
    requestId: crypto.randomUUID(),
    actor: "op",
  };
  const shredded = await vault.shredAccount(request);
  expect(shredded).toMatchObject({ keyCount: 1n, dataKeyCount: 1n, etag: "", logTruncated: true });
  expectNowhere([wrapped, sealed]);
  expect(await vault.shredAccount(request)).toEqual(shredded);

  expect((await again.as("settings").keyVault.listKeys({ account: "a1" })).keys).toEqual([]);
  await expectReason(resolve(again, "a1", "c3"), "MODEL_UNKNOWN");
  expect(await resolve(again, "a2", "c4")).toBe(kept);
  const anew = await connect(bench, again, "a1");
  expect(await resolve(again, "a1", "c5")).toBe(anew);
  await again.end();
  bench.database((db) => {
    expect(db.prepare("SELECT data_key_version FROM data_key WHERE account = 'a1'").pluck().all()).toEqual([2]);
    const details = db.prepare("SELECT details FROM audit WHERE kind = 'account.shredded'").pluck().all();
    expect(details).toEqual(['{"data_keys":"1","keys":"1"}']);
    // Someone puts the old rows back from a backup of theirs: the number is used up, and the head knows of no such key.
    db.prepare("UPDATE provider_key SET sealed = ?, data_key_version = 1 WHERE account = 'a1'").run(sealed);
  });
  const last = await bench.start();
  expect(await expectReason(resolve(last, "a1", "c6"), "RECORD_CORRUPT")).toBe(Code.DataLoss);
});

test("data keys that were evicted are asked for again", async () => {
  const service = await bench.start();
  await connect(bench, service, "a1");
  await resolve(service, "a1", "c1");
  const before = bench.kms.control.calls("Decrypt");
  await resolve(service, "a1", "c2");
  expect(bench.kms.control.calls("Decrypt")).toBe(before);
  await service.as("admin").keyVault.evictDataKeys({});
  await resolve(service, "a1", "c3");
  expect(bench.kms.control.calls("Decrypt")).toBe(before + 1);
  await service.as("admin").keyVault.evictDataKeys({ account: "a2" });
  await resolve(service, "a1", "c4");
  expect(bench.kms.control.calls("Decrypt")).toBe(before + 1);
});

test("only admins may do any of it", async () => {
  const service = await bench.start();
  for (const caller of ["auditor", "settings", "agent-host-1"] as const) {
    const { keyVault } = service.as(caller);
    await expectReason(keyVault.rotateAccountKey({ account: "a1" }), "ROLE_NOT_ALLOWED");
    await expectReason(keyVault.shredAccount({ account: "a1" }), "ROLE_NOT_ALLOWED");
    await expectReason(keyVault.evictDataKeys({}), "ROLE_NOT_ALLOWED");
    await expectReason(drain(keyVault.verifyVault({})), "ROLE_NOT_ALLOWED");
    await expectReason(drain(keyVault.rewrapDataKeys({})), "ROLE_NOT_ALLOWED");
  }
});

async function drain(messages: AsyncIterable<unknown>): Promise<void> {
  for await (const _message of messages);
}
