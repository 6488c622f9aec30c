import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Copy, findInMemory } from "../support/scan-memory.ts";
import type { ServiceProcess } from "../support/service-process.ts";
import { connect, openVaultBench, ready, resolve, until, type VaultBench } from "../support/vault-service.ts";

let bench: VaultBench;
beforeEach(async () => {
  bench = await openVaultBench();
});
afterEach(() => bench.close());

const COLLECT = { nodeArgs: ["--expose-gc", "--import", join(import.meta.dirname, "../support/collect-on-signal.ts")] };
const CALLS = 20;
/** Buffers of the HTTP/2 session and the TLS connection, which are reused. */
const TRANSPORT_COPIES_MAX = 6;

async function collect(service: ServiceProcess): Promise<void> {
  const times = () => service.output().split("garbage collected").length;
  const before = times();
  process.kill(service.pid, "SIGUSR2");
  await until(() => times() > before, "garbage is collected");
}

test("the scan sees what is there: a text that this very process holds", () => {
  const held = Buffer.from(["held", crypto.randomUUID()].join("-"));
  expect(findInMemory(process.pid, held).length).toBeGreaterThan(0);
});

/** Whether a copy is the `credential` of an encoded `Route`: tag and length before it, the next field's tag behind it. */
function isInEncodedRoute({ around, at }: Copy, bytes: number): boolean {
  return around[at - 3] === ((5 << 3) | 2) && around[at + bytes] === ((6 << 3) | 2);
}

// What remains is not ours to wipe: grpc-js copies each encoded message behind its length into Node's shared buffer pool, and the HTTP/2 session copies
// that once more; both are overwritten when the memory is used again. What this service itself held is overwritten at once: the opened record, the
// message (that is the same buffer), and the encoder's buffer, which a test of the codec watches.
test("after releases over gRPC and a garbage collection, a credential lies only in sent messages that the transport has yet to overwrite", async () => {
  const first = await bench.start();
  const secret = Buffer.from(await connect(bench, first, "a1"));
  await first.end();
  // A process that has never seen the key pasted.
  const service = await bench.start(undefined, COLLECT);
  await ready(service);
  for (let call = 0; call < CALLS; call += 1) expect(await resolve(service, "a1", `c-${call}`)).toBe(secret.toString());
  await collect(service);
  const copies = findInMemory(service.pid, secret);
  const others = copies.filter((copy) => !isInEncodedRoute(copy, secret.length));
  expect(others.map(({ around, at }) => around.toString("latin1", at - 20, at + secret.length + 20))).toEqual([]);
  expect(copies.length).toBeLessThanOrEqual(CALLS + TRANSPORT_COPIES_MAX);
});
