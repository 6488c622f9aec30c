import { PROMISES } from "./promises.ts";
import { runDemo } from "./run-demo.ts";
import { createPrinter } from "./teller.ts";

const interruption = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interruption.abort());

// https://no-color.org: an empty NO_COLOR does not count.
const noColour = process.env["NO_COLOR"] ?? "";
const printer = createPrinter((text) => process.stdout.write(text), process.stdout.isTTY === true && noColour === "");

process.exitCode = await runDemo(PROMISES, printer, interruption.signal).catch((error: unknown) => {
  printer.verdict(false, `The demo could not run: ${error instanceof Error ? error.message : String(error)}`);
  return 1;
});
