import { readArguments, USAGE } from "./export/read-arguments.ts";
import { runExport } from "./export/run-export.ts";

const EXIT_WRONG_USAGE = 2;
const EXIT_FAILED = 1;

/** The operator's export of charges into a CSV file: a program of its own that calls the service like everybody else. */
async function main(): Promise<number> {
  const reading = readArguments(process.argv.slice(2));
  if (reading.kind === "wrong") {
    process.stderr.write(`${reading.problems.map((problem) => `export: ${problem}\n`).join("")}${USAGE}`);
    return EXIT_WRONG_USAGE;
  }
  // What this process writes, accounts' charges, is its owner's alone.
  process.umask(0o077);
  const outcome = await runExport(reading.order);
  const line = `export: ${outcome.message}\n`;
  if (outcome.kind === "done") {
    process.stdout.write(line);
    return 0;
  }
  process.stderr.write(line);
  return EXIT_FAILED;
}

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`export: ${error instanceof Error ? error.message : String(error)}\n`);
  return EXIT_FAILED;
});
