import { cpSync, statSync } from "node:fs";
import { join } from "node:path";
import { type ProviderSimulators, startProviderSimulators } from "../simulators/start.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { type Bench, format, type Subject } from "./bench.ts";
import { addColdKeys } from "./cold-keys.ts";
import { resolveCalls } from "./frames.ts";
import { describeLoad, loadsOn, rateOf } from "./loads.ts";
import type { LoadResult } from "./plan.ts";
import { accountsNamed, connectKeys, placeAgents } from "./prepare.ts";
import { hotAccounts, MODEL } from "./stage.ts";
import { endWell, startToReady, withMemory } from "./start-to-ready.ts";

/** Each database is started and loaded so often, in turn with the other one: what the machine does meanwhile hits both. */
const ROUNDS = 3;
const GIB = 1024 ** 3;

/** How the same hot accounts are served beside one key, their own thousand, and a million that nobody asks for. */
export const SCALE: Subject = {
  name: "scale",
  about: "ResolveRoute with 1, 1,000 and 1,000,000 keys stored; memory and start at 1,000,000. Takes some minutes.",
  byDefault: false,
  async run(bench) {
    const simulators = await startProviderSimulators();
    const directory = temporaryDirectory();
    try {
      await measureOneKey(bench, simulators, join(directory.path, "one"));
      await measureMany(bench, simulators, directory.path);
    } finally {
      await simulators.close();
      directory.remove();
    }
  },
};

/** Makes a database with a key and a placed agent for each of the accounts. */
async function makeDatabase(
  simulators: ProviderSimulators,
  dataDir: string,
  accounts: readonly string[],
): Promise<void> {
  const { service } = await startToReady(dataDir, simulators.providerUrlsJson);
  await connectKeys(service, simulators, accounts);
  await placeAgents(service, accounts);
  await endWell(service);
}

async function measureOneKey(bench: Bench, simulators: ProviderSimulators, dataDir: string): Promise<void> {
  const accounts = accountsNamed("byok", 1);
  await makeDatabase(simulators, dataDir, accounts);
  const { mine, base } = await measure(bench, simulators, dataDir, accounts, true);
  bench.report("ResolveRoute, 1 key stored", rateOf(mine), "calls/s", rateOf(base), describeLoad(mine, base));
}

async function measureMany(bench: Bench, simulators: ProviderSimulators, path: string): Promise<void> {
  const { keys } = bench.options;
  const hot = accountsNamed("byok", hotAccounts(bench.options));
  const few = join(path, "few");
  const many = join(path, "many");
  await makeDatabase(simulators, few, hot);
  cpSync(few, many, { recursive: true });
  const fillMs = performance.now();
  addColdKeys(join(many, "plori.db"), hot, keys - hot.length);
  console.log(
    `${format(keys)} keys stored in ${format((performance.now() - fillMs) / 1_000)} s, ${(statSync(join(many, "plori.db")).size / GIB).toFixed(2)} GiB`,
  );
  // The first start signs a checkpoint over everything that was put in, which an installation that grew would have done long ago.
  await endWell((await startToReady(many, simulators.providerUrlsJson)).service);

  const starts = { few: [] as number[], many: [] as number[] };
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const which of ["few", "many"] as const) {
      const { service, readyMs } = await startToReady(join(path, which), simulators.providerUrlsJson);
      await endWell(service);
      starts[which].push(readyMs / 1_000);
    }
  }
  const loads = { few: [] as Measured[], many: [] as Measured[] };
  for (let round = 0; round < ROUNDS; round += 1) {
    loads.few.push(await measure(bench, simulators, few, hot, round === 0));
    loads.many.push(await measure(bench, simulators, many, hot, false));
  }
  report(bench, { keys, hot: hot.length, starts, loads });
}

interface Measured {
  readonly mine: LoadResult;
  /** The echo; the load itself where none was asked for. */
  readonly base: LoadResult;
  readonly memoryMiB: number;
}

/** Loads a service on that database, and an echo beside it where one is wanted. */
async function measure(
  bench: Bench,
  simulators: ProviderSimulators,
  dataDir: string,
  accounts: readonly string[],
  withEcho: boolean,
): Promise<Measured> {
  const { service } = await startToReady(dataDir, simulators.providerUrlsJson);
  try {
    const { load, echo } = loadsOn(service, bench.options);
    const calls = resolveCalls(accounts, MODEL);
    const { result: mine, memoryMiB } = await withMemory(service, () => load([calls]));
    return { mine, base: withEcho ? await echo(calls, mine.answerBytes) : mine, memoryMiB };
  } finally {
    await endWell(service);
  }
}

interface Found {
  readonly keys: number;
  readonly hot: number;
  readonly starts: { readonly few: readonly number[]; readonly many: readonly number[] };
  readonly loads: { readonly few: readonly Measured[]; readonly many: readonly Measured[] };
}

function report(bench: Bench, { keys, hot, starts, loads }: Found): void {
  const few = `${hot.toLocaleString("en-US")} keys stored`;
  const many = `${keys.toLocaleString("en-US")} keys stored`;
  const set = `hot set of ${hot.toLocaleString("en-US")} accounts, median of ${ROUNDS} rounds in turn`;
  const rates = (measured: readonly Measured[]): number => medianOf(measured.map(({ mine }) => rateOf(mine)));
  const memory = (measured: readonly Measured[]): number => Math.max(...measured.map(({ memoryMiB }) => memoryMiB));
  const [first] = loads.few;
  if (first === undefined) throw new Error("nothing was measured");
  const { mine, base } = first;
  bench.report(`ResolveRoute, ${few}`, rateOf(mine), "calls/s", rateOf(base), describeLoad(mine, base));
  bench.report(
    `ResolveRoute, ${many}`,
    rates(loads.many),
    "calls/s",
    rates(loads.few),
    `baseline: ${few}; ${set}; the other keys were never opened, none is due for a probe`,
  );
  bench.report(
    `Resident memory, ${many}`,
    memory(loads.many),
    "MiB",
    memory(loads.few),
    `baseline: ${few}; the most under that load, the development KMS in the same process`,
  );
  bench.report(
    `Start to ready, ${many}`,
    medianOf(starts.many),
    "s",
    medianOf(starts.few),
    `baseline: ${few}; from the process's start to /readyz, median of ${ROUNDS}, files in the page cache`,
  );
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
