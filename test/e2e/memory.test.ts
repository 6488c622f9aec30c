import { join } from "node:path";
import { createConnectTransport } from "@connectrpc/connect-node";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Provider } from "../../src/gen/plori/type/v1/type_pb.ts";
import { type Copy, findInMemory } from "../support/scan-memory.ts";
import { clientsOver, type ServiceProcess } from "../support/service-process.ts";
import { connect, MODEL, openVaultBench, ready, until, type VaultBench } from "../support/vault-service.ts";
import { DOORS, type DoorName } from "./house.ts";

let bench: VaultBench;
beforeEach(async () => {
  bench = await openVaultBench();
});
afterEach(() => bench.close());

const COLLECT = { nodeArgs: ["--expose-gc", "--import", join(import.meta.dirname, "../support/collect-on-signal.ts")] };
/** So many that one copy a call would stand out. */
const CALLS = 100;
/** Seen: one to three, however many calls. */
const SENT_COPIES_MAX = 4;
/** OpenSSL's record and what it was read into on the stack; below grpc-js, which copies what it reads, also Node's HTTP/2 buffer, that nobody else gets hold of. */
const RECEIVED_COPIES_MAX = { grpc: 3, connect: 2, "connect as JSON": 2 } as const;
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

/** The `credential` of an encoded `Route`: tag and length before it, the next field's tag behind it. */
const sentRoute: Kind = ({ around, at }, bytes) =>
  around[at - 3] === ((5 << 3) | 2) && around[at + bytes] === ((6 << 3) | 2);
/** The `secret` of a `ConnectKeyRequest` as it came: tag and length before it, or its name in JSON. */
const receivedRequest: Kind = ({ around, at }) =>
  around[at - 3] === ((3 << 3) | 2) || around.toString("latin1", at - 10, at) === '"secret":"';
/** A header of our probe. */
const probeHeader: Kind = ({ around, at }) => around.toString("latin1", at - 7, at) === "Bearer ";
/** A string of V8's with one byte a character: its length stands before the first. */
const bareString: Kind = ({ around, at }, bytes) => at >= 4 && around.readUInt32LE(at - 4) === bytes;

test("the scan sees what is there: a text that this very process holds", () => {
  const held = Buffer.from(["held", crypto.randomUUID()].join("-"));
  expect(findInMemory(process.pid, held).length).toBeGreaterThan(0);
});

// What remains is not ours to wipe: before it encrypts an answer, the TLS layer puts the pieces of it behind one another in memory that it frees as it is. The
// next answers take that memory again, so that there are few. Everything else is overwritten at once: the opened record (the message has that very
// buffer), the encoder's buffer, and the frame that the transport was given.
test.each(DOORS)(
  "after %s releases and a garbage collection, a credential lies in memory a few times, however many they were, and only as the TLS layer sent it",
  async (door) => {
    const first = await bench.start();
    const secret = Buffer.from(await connect(bench, first, "a1"));
    await first.end();
    // A process that has never seen the key pasted.
    const service = await bench.start(undefined, COLLECT);
    await ready(service);
    const { router } = service.as("agent-host-1", door);
    for (let call = 0; call < CALLS; call += 1) {
      const { route } = await router.resolveRoute({
        account: "a1",
        agent: "agent-1",
        model: MODEL,
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
  test.each([...DOORS, "connect as JSON"] as const)("sent to the door %s", async (how) => {
    const service = await bench.start(undefined, COLLECT);
    await ready(service);
    const secret = bench.simulators.openai.mintKey();
    await settings(service, how).keyVault.connectKey({ account: "a1", provider: Provider.OPENAI, secret });
    await collect(service);
    const copies = findInMemory(service.pid, Buffer.from(secret));
    expect(unexplained(copies, secret.length, [receivedRequest, probeHeader, bareString])).toEqual([]);
    const received = copies.filter((copy) => receivedRequest(copy, secret.length)).length;
    expect(received).toBeLessThanOrEqual(RECEIVED_COPIES_MAX[how]);
    expect(copies.length - received).toBeLessThanOrEqual(TEXTS_MAX);
  });
});

function settings(service: ServiceProcess, how: DoorName | "connect as JSON") {
  if (how !== "connect as JSON") return service.as("settings", how);
  const baseUrl = `https://localhost:${service.connectPort}`;
  const nodeOptions = service.pem("settings");
  return clientsOver(createConnectTransport({ baseUrl, httpVersion: "2", nodeOptions, useBinaryFormat: false }));
}
