import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test } from "vitest";
import { refuse } from "../../src/base/errors.ts";
import { ManifestBuilder } from "../../src/doors/rpc/export-manifest.ts";
import { runExport } from "../../src/export/run-export.ts";
import { type Charge, ChargeSchema } from "../../src/gen/plori/ledger/v1/ledger_pb.ts";
import {
  type ExportChargesRequest,
  type ExportChargesResponse,
  ExportChargesResponseSchema,
} from "../../src/gen/plori/ledger/v1/ledger_service_pb.ts";
import { openTestDoors, type TestDoors } from "../support/doors.ts";
import { mintSvid } from "../support/pki.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const CHARGES = [1n, 2n, 3n].map((sequence) =>
  create(ChargeSchema, {
    name: `accounts/a1/charges/${sequence}`,
    account: "a1",
    sequence,
    amount: { nanos: 5 },
    recordTime: { seconds: 1_790_000_000n },
  }),
);
let directory: ReturnType<typeof temporaryDirectory>;
let doors: TestDoors;
let answer: (request: ExportChargesRequest) => AsyncIterable<ExportChargesResponse>;
let asked: ExportChargesRequest[];

beforeEach(async () => {
  directory = temporaryDirectory();
  asked = [];
  doors = await openTestDoors({
    ledger: {
      async *exportCharges(request) {
        asked.push(request);
        yield* answer(request);
      },
    },
  });
  const { cert, key } = await mintSvid(doors.authority, "/billing/dev");
  for (const [name, text] of Object.entries({ "ca.pem": doors.authority.cert, "c.pem": cert, "c.key": key }))
    writeFileSync(join(directory.path, name), text);
});
afterEach(async () => {
  await doors.close();
  directory.remove();
});

const out = (): string => join(directory.path, "out.csv");
const written = (): number => (existsSync(out()) ? readFileSync(out(), "utf8").split("\r\n").length - 2 : 0);
const message = (init: MessageInitShape<typeof ExportChargesResponseSchema>) =>
  create(ExportChargesResponseSchema, init);

function run() {
  const file = (name: string): string => join(directory.path, name);
  const files = { out: out(), caFile: file("ca.pem"), certFile: file("c.pem"), keyFile: file("c.key") };
  const order = { account: "a1", fromMs: undefined, toMs: undefined, address: `localhost:${doors.grpcPort}` };
  return runExport({ ...order, ...files });
}

function manifestOf(charges: readonly Charge[], after = 0n) {
  const manifest = new ManifestBuilder("a1", after);
  for (const charge of charges) manifest.add(charge, 5n);
  return manifest.message();
}

test.each([
  ["a charge that did not arrive", CHARGES.slice(0, 2)],
  ["a charge that was changed on its way", [...CHARGES.slice(0, 2), { ...CHARGES[2], agent: "other" } as Charge]],
])("%s: nothing is written, and what stood there stays", async (_what, arriving) => {
  answer = async function* () {
    yield message({ charges: CHARGES.slice(0, 1) });
    yield message({ manifest: manifestOf(CHARGES.slice(0, 1)) });
  };
  expect(await run()).toMatchObject({ kind: "done" });
  answer = async function* () {
    yield message({ charges: arriving.slice(1) });
    yield message({ manifest: manifestOf(CHARGES.slice(1), 1n) });
  };
  const outcome = await run();
  expect(outcome).toMatchObject({ kind: "failed" });
  expect(outcome.message).toContain("SHA-256");
  expect(written()).toBe(1);
  expect(asked.map(({ afterSequence }) => afterSequence)).toEqual([0n, 1n]);
});

test("an export that ends without a manifest, or in an error, has failed; the next one goes on behind what came", async () => {
  answer = async function* () {
    yield message({ charges: CHARGES.slice(0, 1) });
  };
  expect(await run()).toMatchObject({ kind: "failed", message: expect.stringContaining("without a manifest") });
  answer = async function* () {
    yield message({ charges: CHARGES.slice(1, 2) });
    throw refuse("STORAGE_FULL", "The disk is full.");
  };
  expect(await run()).toMatchObject({ kind: "failed", message: expect.stringContaining("The disk is full.") });
  expect(written()).toBe(2);
  answer = async function* () {
    yield message({ charges: CHARGES.slice(2) });
    yield message({ manifest: manifestOf(CHARGES.slice(2), 2n) });
  };
  expect(await run()).toMatchObject({ kind: "done" });
  expect(written()).toBe(3);
  expect(asked.map(({ afterSequence }) => afterSequence)).toEqual([0n, 1n, 2n]);
});

test("a stream that leaves a charge out is stopped where it does", async () => {
  answer = async function* () {
    yield message({ charges: [CHARGES[0], CHARGES[2]].filter((charge) => charge !== undefined) });
  };
  const outcome = await run();
  expect(outcome).toMatchObject({ kind: "failed", message: expect.stringContaining("does not follow") });
  expect(written()).toBe(0);
});
