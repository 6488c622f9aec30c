import { join } from "node:path";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import { startProviderSimulators } from "../simulators/start.ts";
import { type ServiceProcess, startService } from "../support/service-process.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import type { BenchOptions, Line, Subject } from "./bench.ts";
import { fillLedger } from "./fill-ledger.ts";
import { batchedRecordCalls, recordCalls } from "./frames.ts";
import { loadsOn, rateOf } from "./loads.ts";
import type { PlannedCall } from "./plan.ts";
import { prepare, routesOf } from "./prepare.ts";
import { bareRowsPerSecond } from "./raw-sqlite.ts";
import { hotAccounts, MODEL, UNLIMITED } from "./stage.ts";

/** How large and how long. */
interface ScaleOptions extends Pick<BenchOptions, "quick"> {
  /** Charges in the large ledger. */
  readonly charges: number;
  /** Hot accounts: the same ones in the small ledger and in the large one. */
  readonly accounts: number;
  readonly bareRows: number;
}

const BATCH = 100;
const PAGE = 50;
const RECORDS_A_CALL = 500;
/** Calls one after the other, of which the median counts. */
const READS = 300;

/** RecordUsage and the ledger's readings at a thousand charges and at millions. */
export const LEDGER_SCALE: Subject = {
  name: "ledger-scale",
  about: "RecordUsage and reading with a thousand and with 10,000,000 charges.",
  byDefault: false,
  async run({ options, report }) {
    const { quick, charges } = options;
    const lines = await measureLedgerScale({
      quick,
      charges,
      accounts: hotAccounts(options),
      bareRows: quick ? 100_000 : 300_000,
    });
    for (const { name, value, unit, baseline, conditions } of lines) report(name, value, unit, baseline, conditions);
  },
};

/** What is measured of a ledger of one size. */
interface Figures {
  readonly singlePerSecond: number;
  readonly batchedPerSecond: number;
  readonly barePerSecond: number;
  readonly pageMs: number;
  readonly balanceMs: number;
}

/**
 * Records into and reads from a ledger with about one charge an account, then, with the same hot accounts, from one with `charges` charges, a tenth of them of the
 * account whose list and balance are read. Each rate stands beside bare rows written to SQLite in the same minute; the large ledger's figures also beside the
 * small one's. Throws when the verifier finds the filled ledger to be anything but a ledger.
 */
async function measureLedgerScale(options: ScaleOptions): Promise<readonly Line[]> {
  const directory = temporaryDirectory();
  const simulators = await startProviderSimulators();
  const start = (): Promise<ServiceProcess> =>
    startService({ dataDir: directory.path, providerUrls: simulators.providerUrlsJson, env: UNLIMITED });
  let service = await start();
  try {
    const { byok } = await prepare(service, simulators, options.accounts);
    const routes = await routesOf(service, byok, MODEL);
    const routeOf = (account: string): string => routes.get(account) ?? "";
    await recordSome(service, byok, routeOf);
    const small = await measure(service, byok, routeOf, options);
    await service.end();
    fillLedger(join(directory.path, "plori.db"), byok, options.charges);
    service = await start();
    await verifyOne(service, byok[1] ?? "");
    const large = await measure(service, byok, routeOf, options);
    return linesOf(small, large, options);
  } finally {
    await service.end();
    await simulators.close();
    directory.remove();
  }
}

async function recordSome(
  service: ServiceProcess,
  accounts: readonly string[],
  routeOf: (account: string) => string,
): Promise<void> {
  const { ledger } = service.as("agent-host-1");
  // The first one gets a page of them: its list is read, and a page must be as long as any later one.
  const owners = [...accounts, ...Array<string>(PAGE).fill(accounts[0] ?? "")];
  for (let at = 0; at < owners.length; at += RECORDS_A_CALL) {
    const records = owners.slice(at, at + RECORDS_A_CALL).map((account, index) => ({
      usageId: `00000000-first-${at + index}`,
      account,
      agent: `agent-of-${account}`,
      occurTime: timestampNow(),
      kind: {
        case: "modelCall" as const,
        value: {
          authority: { case: "route" as const, value: routeOf(account) },
          callId: `00000000-first-${at + index}`,
          attempt: 1,
          usage: { case: "tokens" as const, value: { inputUncachedTokens: 1_000n, outputTokens: 350n } },
        },
      },
    }));
    await ledger.recordUsage({ records });
  }
}

async function measure(
  service: ServiceProcess,
  accounts: readonly string[],
  routeOf: (account: string) => string,
  options: ScaleOptions,
): Promise<Figures> {
  const { load } = loadsOn(service, options);
  const rate = async (call: PlannedCall): Promise<number> => rateOf(await load([call]));
  const { ledger } = service.as("settings");
  const [account = ""] = accounts;
  const pageMs = await medianMs(() => ledger.listCharges({ account, pageSize: PAGE }));
  const balanceMs = await medianMs(() => ledger.getBalance({ account }));
  const singlePerSecond = await rate(recordCalls(accounts, routeOf));
  const barePerSecond = bareRowsPerSecond(options.bareRows);
  const batchedPerSecond = (await rate(batchedRecordCalls(accounts, BATCH, routeOf))) * BATCH;
  return { singlePerSecond, batchedPerSecond, barePerSecond, pageMs, balanceMs };
}

async function medianMs(read: () => Promise<unknown>): Promise<number> {
  const tookMs: number[] = [];
  for (let n = 0; n < READS; n += 1) {
    const started = performance.now();
    await read();
    tookMs.push(performance.now() - started);
  }
  return tookMs.sort((a, b) => a - b)[READS / 2] ?? 0;
}

async function verifyOne(service: ServiceProcess, account: string): Promise<void> {
  for await (const { differences } of service.as("auditor").ledger.verifyLedger({ account })) {
    const [first] = differences;
    if (first !== undefined)
      throw new Error(
        `the filled ledger is none: ${first.rule} of ${first.subject}: ${first.expected}, not ${first.actual}`,
      );
  }
}

function linesOf(small: Figures, large: Figures, { charges, accounts }: ScaleOptions): readonly Line[] {
  const few = `${(accounts + PAGE).toLocaleString("en-US")} charges at the start`;
  const many = `${charges.toLocaleString("en-US")} charges at the start, ${accounts.toLocaleString("en-US")} hot accounts`;
  const line = (name: string, value: number, unit: string, baseline: number, conditions: string): Line => ({
    name,
    value,
    unit,
    baseline,
    ratio: value / baseline,
    conditions,
  });
  const bare = "baseline: bare rows, better-sqlite3, 500 a commit, FULL";
  const atFew = `baseline: the same at ${few}`;
  return [
    line(
      "RecordUsage, one record, few charges",
      small.singlePerSecond,
      "calls/s",
      small.barePerSecond,
      `${few}; ${bare}`,
    ),
    line(
      "RecordUsage, 100 records, few charges",
      small.batchedPerSecond,
      "records/s",
      small.barePerSecond,
      `${few}; ${bare}`,
    ),
    line(
      "RecordUsage, one record, many charges",
      large.singlePerSecond,
      "calls/s",
      large.barePerSecond,
      `${many}; ${bare}`,
    ),
    line(
      "RecordUsage, 100 records, many charges",
      large.batchedPerSecond,
      "records/s",
      large.barePerSecond,
      `${many}; ${bare}`,
    ),
    line(
      "RecordUsage, one record, many to few",
      large.singlePerSecond,
      "calls/s",
      small.singlePerSecond,
      `${many}; ${atFew}`,
    ),
    line(
      "RecordUsage, 100 records, many to few",
      large.batchedPerSecond,
      "records/s",
      small.batchedPerSecond,
      `${many}; ${atFew}`,
    ),
    line(
      "ListCharges, a page of 50, many to few",
      large.pageMs,
      "ms",
      small.pageMs,
      `${many}, a tenth of them this account's; ${atFew}`,
    ),
    line(
      "GetBalance, many to few",
      large.balanceMs,
      "ms",
      small.balanceMs,
      `${many}, a tenth of them this account's; ${atFew}`,
    ),
  ];
}
