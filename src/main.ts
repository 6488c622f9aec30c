import { banner } from "./app/banner.ts";
import { refuseInspection } from "./app/refuse-inspection.ts";
import { openApp } from "./app.ts";
import { type Config, parseConfig } from "./config.ts";

const USAGE = `usage: node src/main.ts [--dev]

Runs plori BYOK. Without --dev every setting of production must be there; with it, everything has a default and nothing leaves this machine's loopback.
The settings are environment variables: see "Configuration" in README.md.
`;
const EXIT_WRONG_USAGE = 2;
const EXIT_FAILED = 1;

function readConfig(args: readonly string[]): Config | undefined {
  const unknown = args.filter((arg) => arg !== "--dev");
  if (unknown.length > 0) {
    process.stderr.write(USAGE);
    return undefined;
  }
  const reading = parseConfig(process.env, args.includes("--dev"));
  if (reading.kind === "wrong") {
    process.stderr.write(`plori BYOK cannot start:\n${reading.problems.map((problem) => `  ${problem}\n`).join("")}`);
    return undefined;
  }
  for (const name of reading.unknownNames)
    process.stderr.write(`plori BYOK knows no setting ${name}; is it misspelt?\n`);
  return reading.config;
}

async function main(): Promise<number> {
  refuseInspection();
  const config = readConfig(process.argv.slice(2));
  if (config === undefined) return EXIT_WRONG_USAGE;
  // Whatever this process writes is its owner's alone.
  process.umask(0o077);
  // Listened for from the start: a signal that came while the floors open would otherwise kill the process where it stands.
  const told = new Promise<number>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve(0));
  });
  const app = await openApp(config);
  if (config.development) process.stdout.write(banner(config, app, process.cwd()));
  process.on("SIGHUP", () => void app.reload());
  // A service that can no longer keep its promises stops like one that was told to, and says so by its exit code.
  const code = await Promise.race([told, app.broken.catch((error: unknown) => sayFailure(error))]);
  await app.stop();
  return code;
}

function sayFailure(error: unknown): number {
  process.stderr.write(`plori BYOK: ${error instanceof Error ? error.message : String(error)}\n`);
  return EXIT_FAILED;
}

process.exitCode = await main().catch(sayFailure);
