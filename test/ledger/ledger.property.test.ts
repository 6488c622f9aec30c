import fc from "fast-check";
import { describe, test } from "vitest";
import { book, command, runBeside } from "./beside-model.ts";
import { sqliteLedger } from "./sqlite-tables.ts";
import { memoryLedger } from "./tables.ts";

/** `npm run torture` asks for many more, from a seed that it prints. */
const SEQUENCES = Number(process.env["PLORI_TEST_SEQUENCES"] ?? 400);
const SEED = process.env["PLORI_TEST_SEED"];
/** Seconds on a quiet machine; a part of a torture may take as long as it takes. */
const TIMEOUT_MS = SEED === undefined ? 120_000 : 86_400_000;

describe.each([
  ["in memory", memoryLedger, SEQUENCES],
  ["on SQLite", sqliteLedger, SEED === undefined ? 25 : SEQUENCES],
] as const)("%s", (_name, open, runs) => {
  test(
    "every answer, balance and invariant agrees with a plain model, whatever is done in whatever order",
    () => {
      fc.assert(
        fc.property(book, fc.array(command, { maxLength: 60, size: "max" }), (firstBook, commands) => {
          const ledger = open();
          try {
            runBeside(ledger, firstBook, commands);
          } finally {
            ledger.close();
          }
        }),
        { numRuns: runs, ...(SEED === undefined ? {} : { seed: Number(SEED) }) },
      );
    },
    TIMEOUT_MS,
  );
});
