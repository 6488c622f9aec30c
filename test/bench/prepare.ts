import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Provider } from "../../src/gen/plori/type/v1/type_pb.ts";
import type { ProviderSimulators } from "../simulators/start.ts";
import type { ServiceProcess } from "../support/service-process.ts";

const PLACED_MS = 12 * 3_600_000;
const AT_ONCE = 50;
const PLACEMENTS_PER_CALL = 500;

type Simulators = Pick<ProviderSimulators, "openai">;

/** Accounts with an agent on agent-host-1 and plenty of credits; those of `byok` have an OpenAI key too. */
export interface Prepared {
  readonly byok: readonly string[];
  readonly hosted: readonly string[];
}

/** Account ids that sort in the order of their numbers. */
export function accountsNamed(kind: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_none, i) => `${kind}-${i.toString().padStart(5, "0")}`);
}

/** Makes the accounts that the loads use: the hot set. */
export async function prepare(service: ServiceProcess, simulators: Simulators, count: number): Promise<Prepared> {
  const byok = accountsNamed("byok", count);
  const hosted = accountsNamed("hosted", count);
  const billing = service.as("billing");
  await service.as("admin").keyVault.connectKey({
    account: "platform",
    provider: Provider.OPENAI,
    secret: simulators.openai.mintKey(),
  });
  await connectKeys(service, simulators, byok);
  await inParallel([...hosted, ...byok], (account) =>
    billing.ledger.grantCredits({ account, amount: { units: 1_000_000n } }),
  );
  await placeAgents(service, [...byok, ...hosted]);
  return { byok, hosted };
}

/** Connects an OpenAI key of its own for every account. */
export async function connectKeys(
  service: ServiceProcess,
  simulators: Simulators,
  accounts: readonly string[],
): Promise<void> {
  const { keyVault } = service.as("settings");
  await inParallel(accounts, (account) =>
    keyVault.connectKey({ account, provider: Provider.OPENAI, secret: simulators.openai.mintKey() }),
  );
}

/** Places an agent of every account on agent-host-1. */
export async function placeAgents(service: ServiceProcess, accounts: readonly string[]): Promise<void> {
  const expireTime = timestampFromMs(Date.now() + PLACED_MS);
  const placements = accounts.map((account) => ({
    account,
    agent: `agent-of-${account}`,
    host: "agent-host-1",
    generation: 1n,
    expireTime,
  }));
  const { router } = service.as("scheduler");
  for (let at = 0; at < placements.length; at += PLACEMENTS_PER_CALL) {
    await router.placeAgents({ placements: placements.slice(at, at + PLACEMENTS_PER_CALL) });
  }
}

/** A BYOK route of every account, to record usage against. */
export async function routesOf(
  service: ServiceProcess,
  accounts: readonly string[],
  model: string,
): Promise<Map<string, string>> {
  const { router } = service.as("agent-host-1");
  const routes = new Map<string, string>();
  await inParallel(accounts, async (account) => {
    const { route } = await router.resolveRoute({
      account,
      agent: `agent-of-${account}`,
      model,
      callId: `prepare-${account}`,
    });
    routes.set(account, route?.route ?? "");
  });
  return routes;
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const waiting = [...items];
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let item = waiting.pop(); item !== undefined; item = waiting.pop()) await work(item);
    }),
  );
}
