import { expect, test } from "vitest";
import { CATALOGUE } from "../../src/router/catalogue.ts";
import { decideCall, mixedCalls } from "./decide.ts";
import { helpText, readArguments } from "./options.ts";
import { SUBJECTS } from "./subjects.ts";

test("a run that names nothing measures what takes seconds, and one that names subjects measures these alone", () => {
  expect(readArguments([], SUBJECTS).subjects.map(({ name }) => name)).toEqual([
    "resolve",
    "pair",
    "record",
    "batch",
    "decide",
    "leases",
  ]);
  const asked = readArguments(["--only", "scale", "--only", "decide", "--quick", "--json", "x.json"], SUBJECTS);
  expect(asked.subjects.map(({ name }) => name)).toEqual(["decide", "scale"]);
  expect(asked).toMatchObject({ quick: true, jsonFile: "x.json", keys: 100_000, help: false });
  expect(readArguments(["--keys", "5000"], SUBJECTS).keys).toBe(5_000);
});

test("what cannot be measured is refused with the names that can", () => {
  expect(() => readArguments(["--only", "nothing"], SUBJECTS)).toThrow("resolve, pair");
  for (const count of ["0", "1.5", "many"]) {
    expect(() => readArguments(["--keys", count], SUBJECTS)).toThrow("--keys");
    expect(() => readArguments(["--charges", count], SUBJECTS)).toThrow("--charges");
  }
  expect(() => readArguments(["--fast"], SUBJECTS)).toThrow("--fast");
});

test("the help names every subject", () => {
  for (const { name, about } of SUBJECTS) expect(helpText(SUBJECTS)).toContain(`${name.padEnd(12)} ${about}`);
});

test("the mix of decisions is the same every time, names models that the catalogue knows and some that it does not, and is mostly routed", () => {
  const calls = mixedCalls(2_000);
  expect(mixedCalls(2_000)).toEqual(calls);
  const kinds = new Map<string, number>();
  for (const call of calls) {
    const decision = decideCall(call);
    const kind =
      decision.kind === "route" ? decision.payer : decision.kind === "refused" ? decision.reason : "undecided";
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  expect([...kinds.keys()].sort()).toEqual(["BYOK", "HOSTED", "KEY_DEAD", "MODEL_UNKNOWN"]);
  expect((kinds.get("BYOK") ?? 0) + (kinds.get("HOSTED") ?? 0)).toBeGreaterThan(1_800);
  const known = calls.filter(({ name }) => CATALOGUE.find(name) !== undefined).length;
  expect(known).toBeGreaterThan(1_600);
  expect(known).toBeLessThan(2_000);
});
