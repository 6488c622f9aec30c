import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ManifestBuilder } from "../../src/doors/rpc/export-manifest.ts";
import { Received } from "../../src/export/received.ts";
import { type Charge, ChargeSchema } from "../../src/gen/plori/ledger/v1/ledger_pb.ts";

function charge(account: string, sequence: bigint, nanos = 5): Charge {
  const labels = { b: "1", a: "2", "7": "3" };
  return create(ChargeSchema, {
    name: `accounts/${account}/charges/${sequence}`,
    account,
    sequence,
    amount: { nanos },
    labels,
  });
}

/** What a receiver of `arrived` says about the manifest of `sent`. */
function compare(sent: readonly Charge[], arrived: readonly Charge[], after = 0n): readonly string[] {
  const manifest = new ManifestBuilder("a1", after);
  for (const one of sent) manifest.add(one, BigInt(one.amount?.nanos ?? 0));
  const received = new Received("a1", after);
  for (const one of arrived) received.add(one);
  return received.differences(manifest.message());
}

const SENT = [charge("a1", 3n), charge("a1", 4n), charge("a2", 9n), charge("a2", 10n)];

test("what arrives as it was sent differs in nothing", () => {
  expect(compare(SENT, SENT)).toEqual([]);
  expect(compare([], [])).toEqual([]);
  expect(compare([charge("a1", 4n)], [charge("a1", 4n)], 3n)).toEqual([]);
});

test("a charge that is missing, or another one, differs", () => {
  expect(compare(SENT, SENT.slice(0, 3)).join()).toMatch(/charges: .*amount: .*last sequence: .*SHA-256: /s);
  expect(compare(SENT, SENT.slice(1)).join()).toContain("first sequence");
  expect(compare(SENT, [...SENT.slice(0, 3), charge("a2", 10n, 6)])).toHaveLength(2);
  const renamed = { ...SENT[3], labels: { team: "x" } } as Charge;
  expect(compare(SENT, [...SENT.slice(0, 3), renamed])).toEqual([expect.stringContaining("SHA-256")]);
});

test.each([
  ["a gap", [charge("a1", 3n), charge("a1", 5n)]],
  ["a repetition", [charge("a1", 3n), charge("a1", 3n)]],
  ["an account that was over", [charge("a2", 1n), charge("a1", 1n)]],
])("%s is noticed as it arrives", (_what, arrived) => {
  const received = new Received("", 0n);
  expect(() => {
    for (const one of arrived) received.add(one);
  }).toThrow("does not follow");
});

test("a continued export begins with the very next charge, or with another account", () => {
  const continued = () => new Received("a1", 7n);
  expect(() => continued().add(charge("a1", 9n))).toThrow("does not follow");
  continued().add(charge("a1", 8n));
  continued().add(charge("a2", 3n));
});
