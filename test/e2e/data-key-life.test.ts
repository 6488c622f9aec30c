import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
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
import { refused } from "./refusal.ts";

// They wait for lives to end, and a slow machine makes everything else slower.
vi.setConfig({ testTimeout: 90_000 });

let bench: VaultBench;
beforeEach(async () => {
  bench = await openVaultBench();
});
afterEach(() => bench.close());

const SOFT_MS = 1_000;
const HARD_MS = 12_000;
/** So many soft lives that no key serves by its soft life any more, and well within the hard one: what five minutes are to an hour. */
const OUTAGE_MS = 3_500;
/** The KMS client's own bound, with room for a slow machine. */
const REFUSAL_MAX_MS = 10_000;

function start(env: Readonly<Record<string, string>>): Promise<ServiceProcess> {
  return bench.start(undefined, { env });
}

const SHORT_LIVES = {
  PLORI_DATA_KEY_SOFT_TTL_MS: String(SOFT_MS),
  PLORI_DATA_KEY_HARD_TTL_MS: String(HARD_MS),
};

/** Calls again and again until it is refused. Returns the refusal and how many calls were served before; every one of them must give `secret`. */
async function untilRefused(service: ServiceProcess, account: string, secret: string, maxMs: number) {
  const endMs = Date.now() + maxMs;
  for (let served = 0; Date.now() < endMs; served += 1) {
    const call = resolve(service, account, `${account}-${Date.now()}-${served}`);
    const outcome = await call.then(
      (credential) => credential,
      (error: unknown) => error,
    );
    if (outcome instanceof ConnectError) return { refusal: await refused(Promise.reject(outcome)), served };
    expect(outcome).toBe(secret);
  }
  throw new Error(`not refused within ${maxMs} ms`);
}

test("a KMS that never answers for many times the soft TTL costs an account in use nothing; past the hard TTL it is told to come back, until KMS answers again", async () => {
  const service = await start(SHORT_LIVES);
  const secret = await connect(bench, service, "warm");
  const idleSecret = await connect(bench, service, "idle");
  await connect(bench, service, "cold");
  await service.as("admin").keyVault.evictDataKeys({ account: "cold" });
  await resolve(service, "warm", "first");
  await resolve(service, "idle", "first");
  bench.kms.control.inject({ kind: "hang" });
  const outageMs = Date.now();
  let served = 0;
  for (; Date.now() - outageMs < OUTAGE_MS; served += 1)
    expect(await resolve(service, "warm", `c-${served}`)).toBe(secret);
  expect(served).toBeGreaterThan(10);
  // It was not used all the while, and is past its soft life.
  expect(await resolve(service, "idle", "second")).toBe(idleSecret);
  const askedMs = Date.now();
  expect(await expectReason(resolve(service, "cold", "c"), "KMS_UNAVAILABLE")).toBe(Code.Unavailable);
  expect(Date.now() - askedMs).toBeLessThan(REFUSAL_MAX_MS);
  const { refusal } = await untilRefused(service, "warm", secret, HARD_MS + REFUSAL_MAX_MS);
  expect(refusal).toMatchObject({ code: "Unavailable", reason: "KMS_UNAVAILABLE" });
  expect(refusal.retryMs).toBeGreaterThan(0);
  bench.kms.control.heal();
  await until(
    () =>
      resolve(service, "warm", `h-${Date.now()}`).then(
        (text) => text === secret,
        () => false,
      ),
    "served again",
  );
  expect(service.output()).not.toContain(secret);
});

test("a KMS key that was disabled stops serving within the soft TTL, in use and idle, each refusal is in the audit, and it serves again once it is enabled", async () => {
  // The hard TTL is left as it is: only the soft one can end it in time.
  const service = await start({ PLORI_DATA_KEY_SOFT_TTL_MS: String(2 * SOFT_MS) });
  await ready(service);
  const secret = await connect(bench, service, "used");
  const idleSecret = await connect(bench, service, "idle");
  await resolve(service, "used", "first");
  await resolve(service, "idle", "first");
  bench.kms.control.setState(bench.firstArn, "Disabled");
  const disabledMs = Date.now();
  const { refusal } = await untilRefused(service, "used", secret, 2 * SOFT_MS + REFUSAL_MAX_MS);
  expect(refusal).toMatchObject({ code: "FailedPrecondition", reason: "KEY_UNREADABLE" });
  await until(() => Date.now() - disabledMs > 2 * SOFT_MS, "the soft life is over");
  await expectReason(resolve(service, "idle", "second"), "KEY_UNREADABLE");
  bench.kms.control.setState(bench.firstArn, "Enabled");
  for (const [account, text] of [
    ["used", secret],
    ["idle", idleSecret],
  ] as const) {
    await until(
      () =>
        resolve(service, account, `e-${Date.now()}`).then(
          (credential) => credential === text,
          () => false,
        ),
      `${account} is served again`,
    );
  }
  await service.end();
  const audited = bench.database((db) =>
    db.prepare("SELECT DISTINCT account, details FROM audit WHERE kind = 'record.refused' ORDER BY account").all(),
  );
  const details = '{"fault":"KEY_UNREADABLE","version":"1"}';
  expect(audited).toEqual([
    { account: "idle", details },
    { account: "used", details },
  ]);
  expect(service.output()).not.toContain(secret);
});
