import { inspect } from "node:util";
import { afterEach, expect, test } from "vitest";
import { createAwsKms } from "../../src/kms/aws.ts";
import type { DevelopmentKmsFault } from "../../src/kms/development-faults.ts";
import type { KmsFailure } from "../../src/kms/kms.ts";
import { expectFailure } from "../contract/kms.ts";
import { HASTY, openDevelopmentKms, PATIENT } from "./open-development-kms.ts";

const CONTEXT = { app: "plori-byok" };
const MARKER = "text-of-the-kms";
const closers: Array<() => Promise<void>> = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function open() {
  const opened = await openDevelopmentKms();
  closers.push(opened.close);
  return opened;
}

const error = (name: string): DevelopmentKmsFault => ({ kind: "error", name, message: MARKER });

const FAULTS: ReadonlyArray<readonly [DevelopmentKmsFault, KmsFailure, string]> = [
  [error("AccessDeniedException"), "denied", "AccessDeniedException"],
  [error("DisabledException"), "denied", "DisabledException"],
  [error("KMSInvalidStateException"), "denied", "KMSInvalidStateException"],
  [error("NotFoundException"), "denied", "NotFoundException"],
  [error("IncorrectKeyException"), "denied", "IncorrectKeyException"],
  [error("InvalidKeyUsageException"), "denied", "InvalidKeyUsageException"],
  [error("UnrecognizedClientException"), "denied", "UnrecognizedClientException"],
  [error("InvalidCiphertextException"), "corrupt", "InvalidCiphertextException"],
  [{ kind: "empty-object" }, "corrupt", "PlaintextLength"],
  [{ kind: "plaintext-bytes", bytes: 16 }, "corrupt", "PlaintextLength"],
  [{ kind: "plaintext-bytes", bytes: 31 }, "corrupt", "PlaintextLength"],
  [{ kind: "plaintext-bytes", bytes: 33 }, "corrupt", "PlaintextLength"],
  [{ kind: "wrong-key-id" }, "corrupt", "KeyIdMismatch"],
  [error("ExpiredTokenException"), "unavailable", "ExpiredTokenException"],
  [error("RequestTimeTooSkewed"), "unavailable", "RequestTimeTooSkewed"],
  [error("KMSInternalException"), "unavailable", "KMSInternalException"],
  [error("KeyUnavailableException"), "unavailable", "KeyUnavailableException"],
  [error("DependencyTimeoutException"), "unavailable", "DependencyTimeoutException"],
  [error("SomethingNewException"), "unavailable", "SomethingNewException"],
  [{ kind: "empty-503" }, "unavailable", "Unknown"],
  [{ kind: "html-502" }, "unavailable", "SyntaxError"],
  [{ kind: "truncated-json" }, "unavailable", "SyntaxError"],
  [{ kind: "reset" }, "unavailable", "TimeoutError"],
  [{ kind: "hang" }, "unavailable", "TimeoutError"],
];

test.each(FAULTS)("an answer of %o is %s (%s), and none of its text gets out", async (fault, failure, errorName) => {
  const opened = await open();
  const { server } = opened;
  const made = await opened.kms.generateDataKey(server.keyArn, CONTEXT);
  // Patient where it can be: so the SDK's three tries fit, and the last error's own name is seen.
  const kms = fault.kind === "hang" ? opened.connect(HASTY) : opened.kms;
  server.control.inject(fault);
  for (const call of [
    () => kms.decrypt(server.keyArn, made.wrapped, CONTEXT),
    () => kms.generateDataKey(server.keyArn, CONTEXT),
  ]) {
    const thrown = await expectFailure(call(), failure, errorName);
    const shown = inspect(thrown, { depth: null, showHidden: true });
    expect(shown).not.toContain(MARKER);
    expect(shown).not.toContain(made.plaintext.toString("base64").slice(0, 10));
    expect(thrown.cause).toBeUndefined();
  }
});

test.each(["ThrottlingException", "LimitExceededException"])(
  "%s is unavailable, and its tries end by the deadline",
  async (name) => {
    const { connect, server } = await open();
    server.control.inject(error(name));
    await expectFailure(connect(HASTY).describeKey(server.keyArn), "unavailable");
  },
);

test("a KMS that never answers is given up at the deadline, not before its tries and not after", async () => {
  const { connect, server } = await open();
  const kms = connect({ attemptMaxMs: 60_000, totalMaxMs: 1_000 });
  server.control.inject({ kind: "hang" });
  // Ends at all only because of the deadline: the attempt's own limit is far beyond the test's.
  await expectFailure(kms.describeKey(server.keyArn), "unavailable", "TimeoutError");
  expect(server.control.calls("DescribeKey")).toBe(1);
});

test("a hanging attempt is cut and tried again", async () => {
  const { connect, server } = await open();
  const kms = connect({ attemptMaxMs: 1_000, totalMaxMs: 20_000 });
  server.control.inject({ kind: "hang" }, 1);
  expect(await kms.describeKey(server.keyArn)).toEqual({ keyArn: server.keyArn });
  expect(server.control.calls("DescribeKey")).toBe(2);
});

test("a slow answer within the attempt's limit is an answer", async () => {
  const { kms, server } = await open();
  server.control.inject({ kind: "delay", ms: 50 });
  expect(await kms.describeKey(server.keyArn)).toEqual({ keyArn: server.keyArn });
});

test("the client recovers by itself after a fault", async () => {
  const { kms, server } = await open();
  server.control.inject({ kind: "reset" }, 1);
  expect((await kms.generateDataKey(server.keyArn, CONTEXT)).plaintext).toHaveLength(32);
});

test("a refused connection is unavailable", async () => {
  const { server, close } = await open();
  closers.splice(0);
  await close();
  const kms = createAwsKms({
    endpoint: server.endpoint,
    region: server.region,
    credentials: { accessKeyId: "development", secretAccessKey: "development" },
    limits: PATIENT,
  });
  await expectFailure(kms.describeKey(server.keyArn), "unavailable", "ECONNREFUSED");
  kms.close();
});
