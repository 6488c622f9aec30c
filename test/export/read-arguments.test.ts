import { expect, test } from "vitest";
import { readArguments } from "../../src/export/read-arguments.ts";

test("an order is read with its defaults, times as UTC", () => {
  expect(readArguments(["--out", "x.csv", "--to=2026-11-02", "--from", "2026-11-01T09:30:00+01:00"])).toEqual({
    kind: "ok",
    order: {
      out: "x.csv",
      account: undefined,
      fromMs: Date.UTC(2026, 10, 1, 8, 30),
      toMs: Date.UTC(2026, 10, 2),
      address: "localhost:7443",
      caFile: ".plori/pki/ca.pem",
      certFile: ".plori/pki/billing.pem",
      keyFile: ".plori/pki/billing.key",
    },
  });
});

test.each([
  [[], ["--out is missing", "--to is required"]],
  [["--out"], ["--out needs a value", "--to is required"]],
  [["--out", "x", "--to", "tomorrow"], ["--to must be a time"]],
  [["--out", "x", "--to", "2026-02-31T25:00:00Z"], ["--to must be a time"]],
  [["--out", "x", "--from", "2026-11-02", "--to", "2026-11-01"], ["--from must be before --to"]],
  [
    ["--out", "x", "--account", "a/b", "--address", "nowhere"],
    ["--account must be", "--address must be"],
  ],
  [["--out", "x", "--account", "a", "--account", "b"], ["--account is given twice"]],
  [
    ["--out", "x", "--account", "a", "--verbose", "y"],
    ["--verbose is not understood", "y is not understood"],
  ],
])("%j names every mistake", (args, problems) => {
  const reading = readArguments(args);
  expect(reading.kind === "wrong" ? reading.problems : []).toEqual(
    problems.map((problem) => expect.stringContaining(problem)),
  );
});
