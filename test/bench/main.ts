import { writeFileSync } from "node:fs";
import { arch, cpus } from "node:os";
import { startProviderSimulators } from "../simulators/start.ts";
import { startService } from "../support/service-process.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { batchedRecordCalls, recordCalls, resolveCalls } from "./frames.ts";
import type { LoadPlan, LoadResult, PlannedCall } from "./plan.ts";
import { prepare, routesOf } from "./prepare.ts";
import { bareRowsPerSecond } from "./raw-sqlite.ts";
import { runLoad, startEcho } from "./run-load.ts";

// Every rate is told as a ratio to a baseline that was measured in the same run on the same machine, right before or after it.

interface Line {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly baseline: number;
  readonly ratio: number;
  readonly conditions: string;
}

const MODEL = "openai/gpt-5.5";
const CONNECTIONS = 4;
const IN_FLIGHT = 64;
const quick = process.argv.includes("--quick");
const ACCOUNTS = quick ? 100 : 1_000;
const WARM_UP_MS = quick ? 1_500 : 4_000;
const MEASURE_MS = quick ? 2_000 : 6_000;
const only = optionOf("--only");
const jsonFile = optionOf("--json");
const lines: Line[] = [];

function optionOf(name: string): string | undefined {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
}

function report(name: string, value: number, unit: string, baseline: number, conditions: string): void {
  const line = { name, value, unit, baseline, ratio: value / baseline, conditions };
  lines.push(line);
  console.log(
    `${name.padEnd(44)} ${format(value).padStart(9)} ${unit.padEnd(10)} baseline ${format(baseline).padStart(9)}   ratio ${line.ratio.toFixed(3)}   ${conditions}`,
  );
}

function format(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toFixed(3);
}

const directory = temporaryDirectory();
const simulators = await startProviderSimulators();
const profileArgs = process.argv.includes("--profile") ? ["--cpu-prof", "--cpu-prof-dir=."] : [];
const service = await startService({
  dataDir: directory.path,
  providerUrls: simulators.providerUrlsJson,
  nodeArgs: profileArgs,
  env: { PLORI_LOG_LEVEL: "info" },
});
try {
  await benchmark();
} catch (error) {
  console.error(service.output());
  throw error;
} finally {
  const code = await service.end();
  await simulators.close();
  directory.remove();
  if (code !== 0) console.error(service.output());
}
if (jsonFile !== undefined) writeFileSync(jsonFile, `${JSON.stringify(lines, undefined, 2)}\n`);

async function benchmark(): Promise<void> {
  const machine = `${cpus().length} cores, ${arch}, Node ${process.version}`;
  console.log(
    `plori BYOK benchmark on ${machine}; ${ACCOUNTS} hot accounts, ${CONNECTIONS} connections, ${IN_FLIGHT} calls in flight`,
  );
  const { byok, hosted } = await prepare(service, simulators, ACCOUNTS);
  const routes = await routesOf(service, byok, MODEL);
  const routeOf = (account: string): string => routes.get(account) ?? "";
  const pem = service.pem("agent-host-1");
  const plan = (port: number, chain: readonly PlannedCall[], ratePerSecond = 0): LoadPlan => ({
    port,
    ...pem,
    connections: CONNECTIONS,
    inFlight: ratePerSecond === 0 ? IN_FLIGHT : 2_000,
    ratePerSecond,
    warmUpMs: WARM_UP_MS,
    measureMs: MEASURE_MS,
    chain,
  });
  const load = (chain: readonly PlannedCall[], ratePerSecond = 0) =>
    runLoad(plan(service.grpcPort, chain, ratePerSecond));
  /** The same frames to the same kind of listener, answered by as many bytes. */
  async function echo(calls: PlannedCall, answerBytes: number, ratePerSecond = 0): Promise<LoadResult> {
    const server = await startEcho({ ...service.pem("server"), answerBytes: answerBytes - 5 });
    try {
      return await runLoad(plan(server.port, [{ ...calls, path: "/bench.Echo/Call" }], ratePerSecond));
    } finally {
      server.stop();
    }
  }
  const rate = ({ chains, seconds }: LoadResult): number => chains / seconds;
  const conditions = (mine: LoadResult, base: LoadResult): string =>
    `generator at ${mine.ownCpu.toFixed(2)} core (baseline ${base.ownCpu.toFixed(2)}), answer ${mine.answerBytes} B`;

  if (only === undefined || only === "resolve") {
    const calls = resolveCalls(byok, MODEL);
    const mine = await load([calls]);
    const base = await echo(calls, mine.answerBytes);
    report("ResolveRoute, warm BYOK", rate(mine), "calls/s", rate(base), conditions(mine, base));
    const half = Math.floor(rate(mine) / 2);
    const mineHalf = await load([calls], half);
    const baseHalf = await echo(calls, mine.answerBytes, half);
    report(
      "ResolveRoute, warm BYOK, p99 at half load",
      mineHalf.p99Ms,
      "ms",
      baseHalf.p99Ms,
      `${half} calls/s, open loop`,
    );
  }
  if (only === undefined || only === "pair") {
    const mine = await load([resolveCalls(hosted, MODEL), recordCalls(hosted)]);
    const base = await echo(resolveCalls(hosted, MODEL), mine.answerBytes);
    report("Hosted ResolveRoute + RecordUsage pair", rate(mine), "pairs/s", rate(base), conditions(mine, base));
  }
  if (only === undefined || only === "record") {
    const calls = recordCalls(byok, routeOf);
    const mine = await load([calls]);
    const base = await echo(calls, mine.answerBytes);
    report("RecordUsage, one record a call", rate(mine), "calls/s", rate(base), conditions(mine, base));
  }
  if (only === undefined || only === "batch") {
    const size = 100;
    const mine = await load([batchedRecordCalls(byok, size, routeOf)]);
    const base = bareRowsPerSecond(quick ? 100_000 : 300_000);
    report(
      "RecordUsage, 100 records a call",
      rate(mine) * size,
      "records/s",
      base,
      "baseline: bare rows, better-sqlite3, 500 a commit, FULL",
    );
  }
}
