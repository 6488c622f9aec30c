import { once } from "node:events";
import { parseArgs } from "node:util";
import { PROVIDERS, type Provider } from "../../src/base/provider.ts";
import { startProviderSimulators } from "./start.ts";

/** The ports of one run: `firstPort` and the five after it, or free ones. */
export function portsFrom(firstPort: number | undefined): Partial<Record<Provider, number>> {
  if (firstPort === undefined) return {};
  return Object.fromEntries(PROVIDERS.map((provider, index) => [provider, firstPort + index]));
}

/** Reads `--port N` or SIMULATORS_PORT; undefined when neither is given. */
export function readFirstPort(argv: readonly string[], fromEnvironment: string | undefined): number | undefined {
  const { values } = parseArgs({ args: [...argv], options: { port: { type: "string" } } });
  const text = values.port ?? fromEnvironment;
  if (text === undefined || text === "") return undefined;
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port + PROVIDERS.length - 1 <= 65_535) return port;
  throw new Error(
    `The port must be a whole number from 1 to ${65_536 - PROVIDERS.length}: the first of ${PROVIDERS.length} in a row.`,
  );
}

async function main(): Promise<void> {
  const firstPort = readFirstPort(process.argv.slice(2), process.env["SIMULATORS_PORT"]);
  await using simulators = await startProviderSimulators({ ports: portsFrom(firstPort) });
  console.log("# Six simulated model providers. Their keys are minted at every start and open nothing else.");
  console.log(`export PLORI_PROVIDER_URLS='${simulators.providerUrlsJson}'`);
  for (const provider of PROVIDERS) {
    console.log(`export SIMULATED_${provider.toUpperCase()}_KEY='${simulators[provider].mintKey()}'`);
  }
  await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
}

if (import.meta.main) await main();
