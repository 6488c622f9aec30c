import { startProviderSimulators } from "../simulators/start.ts";
import { type ServiceProcess, startService } from "../support/service-process.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import type { BenchOptions } from "./bench.ts";
import { CONNECTIONS, IN_FLIGHT, type Loads, loadsOn } from "./loads.ts";
import { prepare, routesOf } from "./prepare.ts";

/** The model of every call. */
export const MODEL = "openai/gpt-5.5";

/** One host sends all the load here, sometimes for one account, as no real one would: the limits must not be what is measured. */
export const UNLIMITED = {
  PLORI_RESOLVES_PER_SECOND_PER_HOST: "1000000",
  PLORI_RESOLVES_PER_SECOND_PER_ACCOUNT: "1000000",
};

/** A service with its hot accounts. */
export interface Stage extends Loads {
  readonly service: ServiceProcess;
  /** Accounts with a key of their own. */
  readonly byok: readonly string[];
  /** Accounts without one, on credits. */
  readonly hosted: readonly string[];
  /** A route of a `byok` account, to record usage against. */
  routeOf(account: string): string;
  close(): Promise<void>;
}

/** How many accounts are hot. */
export function hotAccounts({ quick }: Pick<BenchOptions, "quick">): number {
  return quick ? 100 : 1_000;
}

/** Starts the service on a new database and fills it with the hot accounts. */
export async function openStage(options: BenchOptions): Promise<Stage> {
  const count = hotAccounts(options);
  console.log(`${count} hot accounts, ${CONNECTIONS} connections, ${IN_FLIGHT} calls in flight`);
  const directory = temporaryDirectory();
  const simulators = await startProviderSimulators();
  const service = await startService({
    dataDir: directory.path,
    providerUrls: simulators.providerUrlsJson,
    env: UNLIMITED,
    nodeArgs: options.profile ? ["--cpu-prof", "--cpu-prof-dir=."] : [],
  });
  async function close(): Promise<void> {
    const code = await service.end();
    await simulators.close();
    directory.remove();
    if (code !== 0) console.error(service.output());
  }
  try {
    const { byok, hosted } = await prepare(service, simulators, count);
    const routes = await routesOf(service, byok, MODEL);
    const routeOf = (account: string): string => routes.get(account) ?? "";
    return { ...loadsOn(service, options), service, byok, hosted, routeOf, close };
  } catch (error) {
    console.error(service.output());
    await close();
    throw error;
  }
}
