import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";
import type { UsageRecordSchema } from "../../src/gen/plori/ledger/v1/ledger_pb.ts";
import { RecordOutcome } from "../../src/gen/plori/ledger/v1/ledger_service_pb.ts";
import { Provider } from "../../src/gen/plori/type/v1/type_pb.ts";
import { startProviderSimulators } from "../simulators/start.ts";
import { type Clients, type ServiceProcess, startService } from "../support/service-process.ts";
import { randomFrom } from "./random.ts";

const ACCOUNTS = ["t0", "t1", "t2", "t3"] as const;
/** An account that gets a little in every life and runs out of it: what its holds refuse is what must not be overspent. */
const SCARCE = "scarce";
const SCARCE_NANOS = 500_000_000;
const MODEL = "openai/gpt-5.5";
const CALLERS = 6;
const RECORDS_A_CALL_MAX = 20;
const PAGE = 500;
/** The whole ledger is verified after so many kills, and at the end. */
const VERIFY_EVERY = 25;
const PLACED_MS = 12 * 3_600_000;

type RecordInit = MessageInitShape<typeof UsageRecordSchema> & { readonly account: string; readonly usageId: string };

/** How to kill. */
export interface KillPlan {
  readonly dataDir: string;
  readonly kills: number;
  /** Every life's chance follows from it and from the life's number. */
  readonly seed: number;
  /** The number of the first life, to go on where an earlier run ended. */
  readonly fromKill?: number;
  /** Told after every kill. */
  readonly onKill?: (figures: KillFigures) => void;
}

/** What came of it. Nothing was lost, doubled or overspent, or `runKillCycles` would have thrown. */
export interface KillFigures {
  kills: number;
  /** Records whose answer had arrived. */
  acknowledged: number;
  /** Records that were on their way when the process died, and had become durable. */
  durableUnanswered: number;
  /** Records that were on their way, and had not. */
  goneUnanswered: number;
  /** Hosted calls that were refused, since the credits of the account did not cover them. */
  refusedForCredits: number;
}

/**
 * Kills the real service under load, again and again, on one database. After each kill it starts anew and every record of the last life is sent again: what was
 * acknowledged must come back REPLAYED with the very same charge, what was not either way. In between and at the end the ledger is verified by itself, and every
 * account must hold exactly the records that were sent, each once. Throws at the first thing that is not so.
 */
export async function runKillCycles({ dataDir, kills, seed, fromKill = 0, onKill }: KillPlan): Promise<KillFigures> {
  const figures: KillFigures = {
    kills: 0,
    acknowledged: 0,
    durableUnanswered: 0,
    goneUnanswered: 0,
    refusedForCredits: 0,
  };
  const simulators = await startProviderSimulators();
  const known = new Map<string, Set<string>>([...ACCOUNTS, SCARCE].map((account) => [account, new Set()]));
  let life: Life = { answered: [], unanswered: [] };
  const start = (): Promise<ServiceProcess> => startService({ dataDir, providerUrls: simulators.providerUrlsJson });
  try {
    let service = await start();
    await prepare(service, simulators.openai.mintKey());
    while (figures.kills < kills) {
      await service.as("billing").ledger.grantCredits({ account: SCARCE, amount: { nanos: SCARCE_NANOS } });
      const number = fromKill + figures.kills;
      life = await liveAndDie(service, number, randomFrom(seed + number), figures);
      figures.kills += 1;
      service = await start();
      await sendAgain(service.as("recorder"), life, figures);
      for (const { record } of [...life.answered, ...life.unanswered]) known.get(record.account)?.add(record.usageId);
      if (figures.kills % VERIFY_EVERY === 0) await verify(service.as("auditor"));
      onKill?.(figures);
    }
    await verify(service.as("auditor"));
    await compareAll(service.as("auditor"), known);
    await service.end();
    return figures;
  } finally {
    await simulators.close();
  }
}

interface Life {
  /** With the name of the charge that was acknowledged. */
  readonly answered: { readonly record: RecordInit; readonly charge: string }[];
  readonly unanswered: { readonly record: RecordInit }[];
}

async function prepare(service: ServiceProcess, secret: string): Promise<void> {
  await service.as("admin").keyVault.connectKey({ account: "platform", provider: Provider.OPENAI, secret });
  const expireTime = timestampFromMs(Date.now() + PLACED_MS);
  await service.as("scheduler").router.placeAgents({
    placements: [...ACCOUNTS, SCARCE].map((account) => ({
      account,
      agent: "a",
      host: "agent-host-1",
      generation: 1n,
      expireTime,
    })),
  });
  const billing = service.as("billing");
  for (const account of ACCOUNTS) await billing.ledger.grantCredits({ account, amount: { units: 1_000_000n } });
}

/** Lets callers record until the process is killed at a random moment. */
async function liveAndDie(
  service: ServiceProcess,
  cycle: number,
  random: () => number,
  figures: KillFigures,
): Promise<Life> {
  const life: Life = { answered: [], unanswered: [] };
  const recorder = service.as("recorder");
  const host = service.as("agent-host-1");
  let alive = true;
  let next = 0;

  async function send(records: RecordInit[]): Promise<void> {
    try {
      const { results } = await recorder.ledger.recordUsage({ records });
      for (const [index, record] of records.entries()) {
        const result = results[index];
        if (result?.outcome !== RecordOutcome.CREATED) throw new Error(`${record.usageId}: outcome ${result?.outcome}`);
        life.answered.push({ record, charge: result.charge?.name ?? "" });
      }
    } catch (error) {
      if (alive) throw error;
      life.unanswered.push(...records.map((record) => ({ record })));
    }
  }

  /** Resolves a hosted call and records it. False when it was refused for lack of credits. */
  async function callHosted(account: string, callId: string): Promise<boolean> {
    const estimate = { inputTokens: 100n, maxOutputTokens: 100n };
    try {
      const { route } = await host.router.resolveRoute({ account, agent: "a", model: MODEL, callId, estimate });
      if (route !== undefined) await send([modelCall(account, callId, route.route, route.maxOutputTokens)]);
      return true;
    } catch (error) {
      if (!alive) return true;
      if (ConnectError.from(error).findDetails(ErrorInfoSchema)[0]?.reason === "CREDITS_EXHAUSTED") return false;
      throw error;
    }
  }

  async function call(caller: number): Promise<void> {
    while (alive) {
      const account = ACCOUNTS[next % ACCOUNTS.length] ?? "t0";
      const id = `${cycle}/${caller}/${next}`;
      next += 1;
      if (caller === 0) await callHosted(account, id);
      else if (caller === 1) {
        if (await callHosted(SCARCE, id)) continue;
        figures.refusedForCredits += 1;
        return;
      } else {
        await send(
          Array.from({ length: 1 + Math.floor(random() * RECORDS_A_CALL_MAX) }, (_, i) => disk(account, `${id}/${i}`)),
        );
      }
    }
  }

  const callers = Array.from({ length: CALLERS }, (_, caller) => call(caller));
  const killed = new Promise<void>((resolve, reject) => {
    // The moment of the kill is chance itself: what is under way then is what the test is about.
    setTimeout(
      () => {
        alive = false;
        service.end("SIGKILL").then(() => resolve(), reject);
      },
      20 + Math.floor(random() * 200),
    );
  });
  await Promise.all([killed, ...callers]);
  return life;
}

function disk(account: string, usageId: string): RecordInit {
  const occurTime = timestampFromMs(Date.now());
  return { usageId, account, agent: "a", occurTime, kind: { case: "disk", value: { byteSeconds: 1_000_000_000n } } };
}

function modelCall(account: string, callId: string, route: string, maxOutputTokens: bigint): RecordInit {
  const tokens = { inputUncachedTokens: 100n, outputTokens: maxOutputTokens < 50n ? maxOutputTokens : 50n };
  return {
    usageId: callId,
    account,
    agent: "a",
    occurTime: timestampFromMs(Date.now()),
    kind: {
      case: "modelCall",
      value: { authority: { case: "route", value: route }, callId, usage: { case: "tokens", value: tokens } },
    },
  };
}

async function sendAgain(recorder: Clients, { answered, unanswered }: Life, figures: KillFigures): Promise<void> {
  const all: { readonly record: RecordInit; readonly charge?: string }[] = [...answered, ...unanswered];
  for (let at = 0; at < all.length; at += PAGE) {
    const part = all.slice(at, at + PAGE);
    const { results } = await recorder.ledger.recordUsage({ records: part.map(({ record }) => record) });
    for (const [index, { record, charge }] of part.entries()) {
      const result = results[index];
      const replayed = result?.outcome === RecordOutcome.REPLAYED;
      if (charge === undefined) {
        if (!replayed && result?.outcome !== RecordOutcome.CREATED)
          throw new Error(`${record.usageId} was refused after the kill: ${result?.status?.message}`);
        if (replayed) figures.durableUnanswered += 1;
        else figures.goneUnanswered += 1;
        continue;
      }
      if (!replayed) throw new Error(`LOST: ${record.usageId} was acknowledged and is not there after the kill`);
      if (result.charge?.name !== charge)
        throw new Error(`${record.usageId} was ${charge} and is ${result.charge?.name}`);
      figures.acknowledged += 1;
    }
  }
}

async function verify(auditor: Clients): Promise<void> {
  for await (const { differences } of auditor.ledger.verifyLedger({})) {
    const [first] = differences;
    if (first !== undefined)
      throw new Error(`DIFFERS: ${first.rule} of ${first.subject}: ${first.expected}, not ${first.actual}`);
  }
  await compareScarce(auditor);
}

/** A call that keeps to what its route allows never costs more than its hold set aside: there is no overdraft, and what is spent and held was granted. */
async function compareScarce({ ledger }: Clients): Promise<void> {
  const { balance } = await ledger.getBalance({ account: SCARCE });
  const nano = (credits: { units: bigint; nanos: number } | undefined): bigint =>
    (credits?.units ?? 0n) * 1_000_000_000n + BigInt(credits?.nanos ?? 0);
  if (nano(balance?.overdraft) !== 0n)
    throw new Error(`OVERSPENT: ${nano(balance?.overdraft)} nano-credits of overdraft`);
  if (nano(balance?.spent) + nano(balance?.held) > nano(balance?.granted))
    throw new Error("OVERSPENT: more is spent and held than was granted");
}

/** Every account holds exactly the records that were sent, each once. Estimates and their reversals have no usage id. */
async function compareAll(auditor: Clients, known: ReadonlyMap<string, ReadonlySet<string>>): Promise<void> {
  for (const [account, expected] of known) {
    const found = new Set<string>();
    let pageToken = "";
    do {
      const page = await auditor.ledger.listCharges({ account, pageSize: PAGE, pageToken });
      for (const { usageId } of page.charges) {
        if (usageId === "") continue;
        if (found.has(usageId)) throw new Error(`DOUBLED: ${usageId} of ${account}`);
        if (!expected.has(usageId)) throw new Error(`${usageId} of ${account} was never sent`);
        found.add(usageId);
      }
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    if (found.size !== expected.size) throw new Error(`LOST: ${account} has ${found.size} of ${expected.size} records`);
  }
}
