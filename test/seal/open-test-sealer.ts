import { expect } from "vitest";
import { manualClock } from "../../src/base/clock.ts";
import { PloriError, type Reason } from "../../src/base/errors.ts";
import { Secret } from "../../src/base/secret.ts";
import { createSealer, type SealerOptions } from "../../src/seal/create-sealer.ts";
import type { RecordIdentity } from "../../src/seal/ports.ts";
import { createMemoryDataKeyStore } from "./memory-data-key-store.ts";
import { createMemoryKms } from "./memory-kms.ts";

export const START_MS = 1_790_000_000_000;
export const SECOND = 1_000;
export const MINUTE = 60_000;

/** A key-shaped text, put together only when a test runs. */
export const KEY_TEXT = ["sk", "proj", "Ab3dEf6hIj9lMn2pQr5tUv8x"].join("-");

/** An identity with some fields changed. */
export function identityOf(changes: Partial<RecordIdentity> = {}): RecordIdentity {
  return { account: "acct-1", provider: "openai", keyVersion: 1, kind: "provider-key", ...changes };
}

/** A sealer over a memory KMS, a memory store and a manual clock, without jitter. Another one over the same parts is a restart or a second process. */
export function openTestSealer(changes: Partial<SealerOptions> = {}) {
  const kms = createMemoryKms();
  const store = createMemoryDataKeyStore();
  const clock = manualClock(START_MS);
  const options: SealerOptions = {
    kms,
    store,
    clock,
    environment: "test",
    activeKmsKeyId: kms.keyArn,
    random: () => 0,
    every: () => () => {},
    ...changes,
  };
  return {
    kms,
    store,
    clock,
    sealer: createSealer(options),
    another: (more: Partial<SealerOptions> = {}) => createSealer({ ...options, ...more }),
  };
}

/** Expects a `PloriError` of that reason, thrown or rejected. */
export async function expectRefusal(call: () => unknown, reason: Reason): Promise<PloriError> {
  let thrown: unknown;
  try {
    await call();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(PloriError);
  if (!(thrown instanceof PloriError)) throw new Error("unreachable");
  expect(thrown.reason).toBe(reason);
  return thrown;
}

/** The text of a secret, which is wiped. */
export function textOf(secret: Secret | undefined): string | undefined {
  const text = secret?.reveal().toString("utf8");
  secret?.wipe();
  return text;
}

/** A secret of that text. */
export function secretOf(text = KEY_TEXT): Secret {
  return Secret.fromText(text);
}

/** Lets everything run that waits only for promises that are settled already. */
export async function settle(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}
