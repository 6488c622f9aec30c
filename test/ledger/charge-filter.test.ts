import fc from "fast-check";
import { expect, test } from "vitest";
import { readChargeFilter } from "../../src/ledger/charge-filter.ts";

test("a filter is read as its conditions, in order, whatever the spacing", () => {
  const text =
    'kind=MODEL_CALL AND agent = "a \\"b\\" \\\\" AND payer = HOSTED AND provider = openai AND labels.team = x AND occur_time >= "2026-01-02T03:04:05Z" AND occur_time<2026-01-03T00:00:00+01:00 ';
  // Without quotes a time is a word like any other.
  expect(readChargeFilter(text)).toEqual({
    kind: "ok",
    conditions: [
      { field: "kind", value: "MODEL_CALL" },
      { field: "agent", value: 'a "b" \\' },
      { field: "payer", value: "HOSTED" },
      { field: "provider", value: "openai" },
      { field: "label", name: "team", value: "x" },
      { field: "occur_time", operator: ">=", valueMs: Date.UTC(2026, 0, 2, 3, 4, 5) },
      { field: "occur_time", operator: "<", valueMs: Date.UTC(2026, 0, 2, 23) },
    ],
  });
  expect(readChargeFilter("  ")).toEqual({ kind: "ok", conditions: [] });
});

test.each([
  ["an unknown field", "amount = 5"],
  ["OR", "kind = DISK OR kind = COMPUTE"],
  ["a missing value", "kind ="],
  ["a missing joint", "kind = DISK agent = a"],
  ["a joint at the end", "kind = DISK AND"],
  ["a quoted joint", 'kind = DISK "AND" agent = a'],
  ["a comparison of text", "agent > a"],
  ["an unknown kind", "kind = disk"],
  ["an unknown payer", "payer = me"],
  ["an unknown provider", "provider = anthropic"],
  ["a day without a time", "occur_time > 2026-01-02"],
  ["a label that cannot be", 'labels.a"b = x'],
  ["an open quote", 'agent = "a'],
  ["too many conditions", Array(11).fill("agent = a").join(" AND ")],
  ["a very long one", `agent = ${"a".repeat(2_000)}`],
])("%s is refused with a reason", (_what, text) => {
  expect(readChargeFilter(text)).toEqual({ kind: "wrong", problem: expect.stringMatching(/./) });
});

test("any value comes through its quotes as it was", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 50, unit: "grapheme" }), (value) => {
      const quoted = value.replace(/(["\\])/g, "\\$1");
      expect(readChargeFilter(`agent = "${quoted}"`)).toEqual({ kind: "ok", conditions: [{ field: "agent", value }] });
    }),
  );
});
