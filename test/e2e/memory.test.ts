import { join } from "node:path";
import { createConnectTransport } from "@connectrpc/connect-node";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createAwsKms } from "../../src/kms/aws.ts";
import { type Copy, findInMemory } from "../support/scan-memory.ts";
import { clientsOver, type ServiceProcess } from "../support/service-process.ts";
import { connect, MODEL, openVaultBench, ready, resolve, until, type VaultBench } from "../support/vault-service.ts";
import { type DoorName, PROVIDER_NUMBER } from "./house.ts";

// All memory of a process is searched.
vi.setConfig({ testTimeout: 90_000 });

let bench: VaultBench;
beforeEach(async () => {
  bench = await openVaultBench();
});
afterEach(() => bench.close());

const COLLECT = { nodeArgs: ["--expose-gc", "--import", join(import.meta.dirname, "../support/collect-on-signal.ts")] };
/** Nothing is asked of providers but what a test asks for: each question of ours puts the key into a header, which is another test's subject. */
const QUIET = { ...COLLECT, env: { PLORI_PROBES_PER_MINUTE: "0", PLORI_MODEL_LISTS_PER_MINUTE: "0" } };
/** So many that one copy a call would stand out. */
const CALLS = 100;
/** Seen: one to three, now and then five, however many calls. Without our wiping it is 101 on the gRPC door and 35 on the other. */
const SENT_COPIES_MAX = 10;
/** OpenSSL's record, the stack that it is read to, and what the library below each door copied for itself. Seen: two or three. */
const RECEIVED_COPIES_MAX = 4;
/** Strings with the key in them. Seen: three to five. */
const TEXTS_MAX = 6;

async function collect(service: ServiceProcess): Promise<void> {
  const times = () => service.output().split("garbage collected").length;
  const before = times();
  process.kill(service.pid, "SIGUSR2");
  await until(() => times() > before, "garbage is collected");
}

/** What is none of `kinds`, as text with what lies around it: a test that fails then tells which buffer it is. */
function unexplained(copies: readonly Copy[], bytes: number, kinds: readonly Kind[]): string[] {
  const others = copies.filter((copy) => !kinds.some((isKind) => isKind(copy, bytes)));
  return others.map(({ around, at }) => around.toString("latin1", Math.max(0, at - 40), at + bytes + 40));
}

/** Tells by what lies around a copy what memory it is in. */
type Kind = (copy: Copy, bytes: number) => boolean;

/** Whether Protobuf's tag of a length-delimited field stands before the copy, and the copy's length. */
const isField = ({ around, at }: Copy, bytes: number, field: number): boolean =>
  around[at - (bytes < 128 ? 2 : 3)] === ((field << 3) | 2);
/** The `credential` of an encoded `Route`: tag and length before it, the next field's tag behind it. */
const sentRoute: Kind = (copy, bytes) => isField(copy, bytes, 5) && copy.around[copy.at + bytes] === ((6 << 3) | 2);
/** The `secret` of a `ConnectKeyRequest` as it came: tag and length before it, or its name in JSON. */
const receivedRequest: Kind = (copy, bytes) =>
  isField(copy, bytes, 3) || copy.around.toString("latin1", copy.at - 10, copy.at) === '"secret":"';
/** A header of our probe. */
const probeHeader: Kind = ({ around, at }) => around.toString("latin1", at - 7, at) === "Bearer ";
/** A string of V8's with one byte a character: before the first stand its hash, which is never 0, and its length. (A small typed array has a 0 there.) */
const bareString: Kind = ({ around, at }, bytes) =>
  at >= 8 && around.readUInt32LE(at - 8) !== 0 && around.readUInt32LE(at - 4) === bytes;
/** The data key in KMS's answer, in base64. */
const kmsAnswer: Kind = ({ around, at }) => around.toString("latin1", at - 13, at) === '"Plaintext":"';

test("the scan sees what is there: a text that this very process holds", () => {
  const held = Buffer.from(["held", crypto.randomUUID()].join("-"));
  expect(findInMemory(process.pid, held).length).toBeGreaterThan(0);
});

// What remains is not ours to wipe: before it encrypts an answer, the TLS layer puts the pieces of it behind one another in memory that it frees as it is. The
// next answers take that memory again, so that there are few. Everything else is overwritten at once: the opened record (the message has that very
// buffer), the encoder's buffer, and the frame that the transport was given.
// A long key and a short one: what has at most 64 bytes would by itself lie in V8's heap.
test.each([
  ["grpc", "openai", MODEL],
  ["grpc", "deepseek", "deepseek/deepseek-v4-pro"],
  ["connect", "deepseek", "deepseek/deepseek-v4-pro"],
] as const)(
  "after %s releases of a key of %s and a garbage collection, a credential lies in memory a few times, however many they were, and only as the TLS layer sent it",
  async (door, provider, model) => {
    const first = await bench.start();
    await connect(bench, first, "a1");
    const secret = Buffer.from(bench.simulators[provider].mintKey());
    const key = { account: "a1", provider: PROVIDER_NUMBER[provider], secret: secret.toString() };
    await first.as("settings").keyVault.connectKey(key);
    await first.end();
    // A process that has never seen the key pasted.
    const service = await bench.start(undefined, QUIET);
    await ready(service);
    const { router } = service.as("agent-host-1", door);
    for (let call = 0; call < CALLS; call += 1) {
      const { route } = await router.resolveRoute({
        account: "a1",
        agent: "agent-1",
        model,
        callId: `c-${call}`,
      });
      expect(Buffer.from(route?.credential ?? []).equals(secret)).toBe(true);
    }
    await collect(service);
    const copies = findInMemory(service.pid, secret);
    expect(unexplained(copies, secret.length, [sentRoute])).toEqual([]);
    expect(copies.length).toBeLessThanOrEqual(SENT_COPIES_MAX);
  },
);

describe("a pasted key, after a garbage collection, lies only in strings, in our probe's header and in memory that received it", () => {
  test.each([
    ["grpc", "openai"],
    ["grpc", "deepseek"],
    ["connect", "openai"],
    ["connect as JSON", "deepseek"],
  ] as const)("sent to the door %s, a key of %s", async (how, provider) => {
    const service = await bench.start(undefined, QUIET);
    await ready(service);
    const secret = bench.simulators[provider].mintKey();
    await settings(service, how).keyVault.connectKey({ account: "a1", provider: PROVIDER_NUMBER[provider], secret });
    await collect(service);
    const copies = findInMemory(service.pid, Buffer.from(secret));
    expect(unexplained(copies, secret.length, [receivedRequest, probeHeader, bareString])).toEqual([]);
    const received = copies.filter((copy) => receivedRequest(copy, secret.length)).length;
    expect(received).toBeLessThanOrEqual(RECEIVED_COPIES_MAX);
    expect(copies.length - received).toBeLessThanOrEqual(TEXTS_MAX);
  });
});

test("a data key lies in memory once while it serves, and nowhere once it was evicted; what the AWS SDK read it from is text", async () => {
  const service = await bench.start(undefined, COLLECT);
  await connect(bench, service, "a1");
  const admin = service.as("admin").keyVault;
  for (let call = 0; call < 5; call += 1) {
    await admin.evictDataKeys({ account: "a1" });
    await resolve(service, "a1", `c-${call}`);
  }
  const dataKey = await openDataKey("a1");
  const text = Buffer.from(dataKey.toString("base64"));
  await collect(service);
  expect(findInMemory(service.pid, dataKey)).toHaveLength(1);
  await admin.evictDataKeys({ account: "a1" });
  await collect(service);
  expect(findInMemory(service.pid, dataKey)).toHaveLength(0);
  expect(unexplained(findInMemory(service.pid, text), text.length, [kmsAnswer, bareString])).toEqual([]);
});

/** The account's data key, as the KMS opens it for whoever may ask. */
async function openDataKey(account: string): Promise<Buffer> {
  const wrapped = bench.database(
    (db) => db.prepare("SELECT wrapped FROM data_key WHERE account = ?").pluck().get(account) as Buffer,
  );
  const credentials = { accessKeyId: "test", secretAccessKey: "test" };
  const kms = createAwsKms({ endpoint: bench.kms.endpoint, region: bench.kms.region, credentials });
  const environment = "development";
  const context = { app: "plori-byok", environment, account, data_key_id: "records", data_key_version: "1" };
  const dataKey = await kms.decrypt(bench.firstArn, wrapped, context);
  kms.close();
  return dataKey;
}

function settings(service: ServiceProcess, how: DoorName | "connect as JSON") {
  if (how !== "connect as JSON") return service.as("settings", how);
  const baseUrl = `https://localhost:${service.connectPort}`;
  const nodeOptions = service.pem("settings");
  return clientsOver(createConnectTransport({ baseUrl, httpVersion: "2", nodeOptions, useBinaryFormat: false }));
}
