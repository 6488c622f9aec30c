import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Provider } from "../../src/gen/plori/type/v1/type_pb.ts";
import type { startProviderSimulators } from "../simulators/start.ts";
import type { ServiceProcess } from "../support/service-process.ts";

const PLACED_MS = 12 * 3_600_000;
const AT_ONCE = 50;
const PLACEMENTS_PER_CALL = 500;

/** Accounts with an agent on agent-host-1 and plenty of credits; those of `byok` have an OpenAI key too. */
export interface Prepared {
  readonly byok: readonly string[];
  readonly hosted: readonly string[];
}

/** Makes the accounts that the loads use: the hot set. */
export async function prepare(
  service: ServiceProcess,
  simulators: Awaited<ReturnType<typeof startProviderSimulators>>,
  count: number,
): Promise<Prepared> {
  const named = (kind: string): string[] =>
    Array.from({ length: count }, (_none, i) => `${kind}-${i.toString().padStart(5, "0")}`);
  const byok = named("byok");
  const hosted = named("hosted");
  const settings = service.as("settings");
  const billing = service.as("billing");
  const scheduler = service.as("scheduler");
  const admin = service.as("admin");
  await admin.keyVault.connectKey({
    account: "platform",
    provider: Provider.OPENAI,
    secret: simulators.openai.mintKey(),
  });
  await inParallel(byok, (account) =>
    settings.keyVault.connectKey({ account, provider: Provider.OPENAI, secret: simulators.openai.mintKey() }),
  );
  await inParallel([...hosted, ...byok], (account) =>
    billing.ledger.grantCredits({ account, amount: { units: 1_000_000n } }),
  );
  const expireTime = timestampFromMs(Date.now() + PLACED_MS);
  const placements = [...byok, ...hosted].map((account) => ({
    account,
    agent: `agent-of-${account}`,
    host: "agent-host-1",
    generation: 1n,
    expireTime,
  }));
  for (let at = 0; at < placements.length; at += PLACEMENTS_PER_CALL) {
    await scheduler.router.placeAgents({ placements: placements.slice(at, at + PLACEMENTS_PER_CALL) });
  }
  return { byok, hosted };
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
