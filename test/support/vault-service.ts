import { join } from "node:path";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Code, ConnectError } from "@connectrpc/connect";
import Database from "better-sqlite3";
import { expect } from "vitest";
import { ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";
import { Provider } from "../../src/gen/plori/type/v1/type_pb.ts";
import { type DevelopmentKms, startDevelopmentKms } from "../../src/kms/development.ts";
import { type ProviderSimulators, startProviderSimulators } from "../simulators/start.ts";
import { type Clients, type ServiceOptions, type ServiceProcess, startService } from "./service-process.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

/** A model that an OpenAI key serves. */
export const MODEL = "openai/gpt-5.5";

/** A KMS with two keys, simulated providers and a data directory, on which one service process after another runs. */
export interface VaultBench {
  readonly kms: DevelopmentKms;
  readonly firstArn: string;
  readonly secondArn: string;
  readonly simulators: ProviderSimulators;
  readonly directory: ReturnType<typeof temporaryDirectory>;
  /** Starts the service. `keyIds`: what PLORI_KMS_KEY_IDS says, the first KMS key if absent. */
  start(keyIds?: readonly string[], more?: Partial<ServiceOptions>): Promise<ServiceProcess>;
  /** Looks into the database, or does something to it, while no process has it. */
  database<T>(work: (db: Database.Database) => T): T;
  close(): Promise<void>;
}

/** Opens the bench; whatever it started is ended by `close`. */
export async function openVaultBench(): Promise<VaultBench> {
  const kms = await startDevelopmentKms({ keys: 2 });
  const simulators = await startProviderSimulators();
  const directory = temporaryDirectory();
  const [firstArn, secondArn] = kms.control.keyArns();
  if (firstArn === undefined || secondArn === undefined) throw new Error("the KMS has too few keys");
  const started: ServiceProcess[] = [];
  return {
    kms,
    firstArn,
    secondArn,
    simulators,
    directory,
    async start(keyIds = [firstArn], more = {}) {
      const service = await startService({
        dataDir: directory.path,
        providerUrls: simulators.providerUrlsJson,
        ...more,
        env: {
          AWS_ENDPOINT_URL_KMS: kms.endpoint,
          AWS_REGION: kms.region,
          AWS_ACCESS_KEY_ID: "test",
          AWS_SECRET_ACCESS_KEY: "test",
          PLORI_KMS_KEY_IDS: keyIds.join(","),
          ...more.env,
        },
      });
      started.push(service);
      return service;
    },
    database(work) {
      const db = new Database(join(directory.path, "plori.db"));
      try {
        return work(db);
      } finally {
        db.close();
      }
    },
    async close() {
      for (const service of started) await service.end("SIGKILL");
      await kms.close();
      await simulators.close();
      directory.remove();
    },
  };
}

/** Connects an OpenAI key for the account and places an agent of it on agent-host-1. Returns the key's text. */
export async function connect(bench: VaultBench, service: ServiceProcess, account: string): Promise<string> {
  const secret = bench.simulators.openai.mintKey();
  await service.as("settings").keyVault.connectKey({ account, provider: Provider.OPENAI, secret });
  const expireTime = timestampFromMs(Date.now() + 3_600_000);
  await service.as("scheduler").router.placeAgents({
    placements: [{ account, agent: "agent-1", host: "agent-host-1", generation: 1n, expireTime }],
  });
  return secret;
}

/** One connection for each process: a host keeps its own. */
const hosts = new WeakMap<ServiceProcess, Clients>();

function hostOf(service: ServiceProcess): Clients {
  const host = hosts.get(service) ?? service.as("agent-host-1");
  hosts.set(service, host);
  return host;
}

/** The credential that agent-host-1 gets for the account's agent, as text. */
export async function resolve(service: ServiceProcess, account: string, callId: string): Promise<string> {
  const { route } = await hostOf(service).router.resolveRoute({ account, agent: "agent-1", model: MODEL, callId });
  return Buffer.from(route?.credential ?? new Uint8Array()).toString("utf8");
}

/** Expects a call to be refused with that reason. Returns its code. */
export async function expectReason(call: Promise<unknown>, reason: string): Promise<Code> {
  const thrown: unknown = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(ConnectError);
  if (!(thrown instanceof ConnectError)) throw new Error("unreachable");
  expect({ reason: thrown.findDetails(ErrorInfoSchema)[0]?.reason, message: thrown.message }).toMatchObject({ reason });
  return thrown.code;
}

/** Waits until `isSo`, looking every few milliseconds; fails after ten seconds. */
export async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const endMs = Date.now() + 10_000;
  while (!(await isSo())) {
    if (Date.now() > endMs) throw new Error(`not within ten seconds: ${what}`);
    await new Promise<void>((done) => setTimeout(done, 5));
  }
}

/** Resolves when the service says that it is ready. */
export function ready(service: ServiceProcess): Promise<void> {
  return until(async () => (await fetch(`http://127.0.0.1:${service.opsPort}/readyz`)).ok, "ready");
}
