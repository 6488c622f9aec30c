import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findInMemory, isInGrpcFrame } from "../support/scan-memory.ts";
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

// What remains is not ours to wipe: grpc-js copies each message behind its length into a buffer of Node's shared pool, which is overwritten when the
// pool's page is used again, and the HTTP/2 session copies that once more. Everything that this service itself held is overwritten: the opened record,
// the message, the encoded message.
test("after releases over gRPC and a garbage collection, a credential lies only in frames that the transport has yet to overwrite", async () => {
  const first = await bench.start();
  const secret = await connect(bench, first, "a1");
  await first.end();
  // A process that has never seen the key pasted.
  const service = await bench.start(undefined, COLLECT);
  await ready(service);
  for (let call = 0; call < CALLS; call += 1) expect(await resolve(service, "a1", `c-${call}`)).toBe(secret);
  await collect(service);
  const copies = findInMemory(service.pid, Buffer.from(secret));
  expect(copies.filter((copy) => !isInGrpcFrame(copy)).map(({ around }) => around.toString("latin1"))).toEqual([]);
  expect(copies.length).toBeLessThanOrEqual(CALLS + TRANSPORT_COPIES_MAX);
});
