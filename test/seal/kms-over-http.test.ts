import { inspect } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { manualClock, systemClock } from "../../src/base/clock.ts";
import type { Reason } from "../../src/base/errors.ts";
import type { DevelopmentKmsFault } from "../../src/kms/development-faults.ts";
import type { Kms } from "../../src/kms/kms.ts";
import { createSealer } from "../../src/seal/create-sealer.ts";
import { HASTY, openDevelopmentKms } from "../kms/open-development-kms.ts";
import { createMemoryDataKeyStore } from "./memory-data-key-store.ts";
import { expectRefusal, identityOf, KEY_TEXT, MINUTE, START_MS, secretOf, textOf } from "./open-test-sealer.ts";

const MARKER = "text-of-the-kms";
let client: Kms;
let under: Awaited<ReturnType<typeof openDevelopmentKms>>;

beforeEach(async () => {
  under = await openDevelopmentKms();
  client = under.kms;
});
afterEach(() => under.close());

/** The client of the moment, so that a test can change its patience under a sealer. */
const kms: Kms = {
  generateDataKey: (keyId, context) => client.generateDataKey(keyId, context),
  decrypt: (keyArn, wrapped, context) => client.decrypt(keyArn, wrapped, context),
  reEncrypt: (sourceKeyArn, wrapped, destinationKeyId, context) =>
    client.reEncrypt(sourceKeyArn, wrapped, destinationKeyId, context),
  describeKey: (keyId) => client.describeKey(keyId),
  close() {},
};

function inject(fault: DevelopmentKmsFault): void {
  under.server.control.inject(fault);
  if (fault.kind === "hang" || fault.kind === "delay") client = under.connect(HASTY);
}

function open(store = createMemoryDataKeyStore(), clock = systemClock) {
  const sealer = createSealer({
    kms,
    store,
    clock,
    environment: "test",
    activeKmsKeyId: "alias/plori-dev",
    isTrustedKmsKey: (keyArn) => keyArn === under.server.keyArn,
  });
  return { sealer, store };
}

const FAULTS: ReadonlyArray<readonly [DevelopmentKmsFault, Reason]> = [
  [{ kind: "error", name: "ThrottlingException", message: MARKER }, "KMS_UNAVAILABLE"],
  [{ kind: "error", name: "KMSInternalException", message: MARKER }, "KMS_UNAVAILABLE"],
  [{ kind: "error", name: "ExpiredTokenException", message: MARKER }, "KMS_UNAVAILABLE"],
  [{ kind: "empty-503" }, "KMS_UNAVAILABLE"],
  [{ kind: "html-502" }, "KMS_UNAVAILABLE"],
  [{ kind: "truncated-json" }, "KMS_UNAVAILABLE"],
  [{ kind: "reset" }, "KMS_UNAVAILABLE"],
  [{ kind: "hang" }, "KMS_UNAVAILABLE"],
  [{ kind: "delay", ms: 60_000 }, "KMS_UNAVAILABLE"],
  [{ kind: "error", name: "AccessDeniedException", message: MARKER }, "KEY_UNREADABLE"],
  [{ kind: "error", name: "DisabledException", message: MARKER }, "KEY_UNREADABLE"],
  [{ kind: "error", name: "KMSInvalidStateException", message: MARKER }, "KEY_UNREADABLE"],
  [{ kind: "error", name: "NotFoundException", message: MARKER }, "KEY_UNREADABLE"],
  [{ kind: "error", name: "IncorrectKeyException", message: MARKER }, "KEY_UNREADABLE"],
  [{ kind: "error", name: "InvalidCiphertextException", message: MARKER }, "RECORD_CORRUPT"],
  [{ kind: "empty-object" }, "RECORD_CORRUPT"],
  [{ kind: "plaintext-bytes", bytes: 31 }, "RECORD_CORRUPT"],
  [{ kind: "wrong-key-id" }, "RECORD_CORRUPT"],
];

test.each(FAULTS)("cold, an answer of %o is refused with %s", async (fault, reason) => {
  const { sealer, store } = open();
  const record = await sealer.seal(identityOf(), secretOf());
  const cold = open(store).sealer;
  inject(fault);
  const error = await expectRefusal(() => cold.open(identityOf(), record), reason);
  const shown = inspect(error, { depth: null, showHidden: true });
  expect(shown).not.toContain(MARKER);
  expect(shown).not.toContain(KEY_TEXT);
  sealer.close();
  cold.close();
});

test.each(FAULTS)("warm and past the soft life, %o either costs nothing or refuses with %s", async (fault, reason) => {
  const clock = manualClock(START_MS);
  const { sealer } = open(createMemoryDataKeyStore(), clock);
  const record = await sealer.seal(identityOf(), secretOf());
  clock.advance(6 * MINUTE);
  inject(fault);
  if (reason === "KMS_UNAVAILABLE") expect(textOf(await sealer.open(identityOf(), record))).toBe(KEY_TEXT);
  else await expectRefusal(() => sealer.open(identityOf(), record), reason);
  sealer.close();
});

test("a thousand concurrent cold opens are one request on the wire", async () => {
  const { sealer, store } = open();
  const record = await sealer.seal(identityOf(), secretOf());
  const cold = open(store).sealer;
  const opened = await Promise.all(Array.from({ length: 1_000 }, () => cold.open(identityOf(), record)));
  for (const secret of opened) expect(textOf(secret)).toBe(KEY_TEXT);
  expect(under.server.control.calls("Decrypt")).toBe(1);
  sealer.close();
  cold.close();
});
