import type { Provider } from "../../src/base/provider.ts";
import { type DevelopmentKms, startDevelopmentKms } from "../../src/kms/development.ts";
import { type ProviderSimulators, startProviderSimulators } from "../simulators/start.ts";
import { type CallerName, type Clients, type ServiceProcess, startService } from "../support/service-process.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import type { Teller } from "./teller.ts";

/** The user's account, and the agent that works for it. */
export const ACCOUNT = "maya";
export const AGENT = "scout";
/** The host that runs the agent. */
export const HOST = "agent-host-1";
/** By which the service knows the active KMS key. */
export const KMS_ALIAS = "alias/plori-dev";

const STOP_MAX_MS = 10_000;

/** Where the acts play: six simulated providers, a KMS with two keys and the real service, in a directory that goes away. */
export interface Stage {
  readonly simulators: ProviderSimulators;
  readonly kms: DevelopmentKms;
  readonly service: ServiceProcess;
  readonly tell: Teller;
  /** Every key that anybody typed so far, refused ones too: none of them may ever show. */
  readonly typedKeys: Set<string>;
  /** The user's own keys by provider, as the user knows them. */
  readonly ownKeys: Map<Provider, string>;
  /** Clients with the caller's certificate. Backends come in by the Connect door, hosts and services by the gRPC door. */
  as(caller: CallerName): Clients;
  /** Stops the service, the KMS and the simulators and removes the directory. */
  close(): Promise<void>;
}

/** Starts everything on free ports; what was started is stopped when a later part fails. */
export async function openStage(tell: Teller): Promise<Stage> {
  const directory = temporaryDirectory();
  const simulators = await startProviderSimulators();
  const kms = await startDevelopmentKms({ keys: 2 });
  const sweep = async (): Promise<void> => {
    await kms.close();
    await simulators.close();
    directory.remove();
  };
  const service = await startService({
    dataDir: directory.path,
    providerUrls: simulators.providerUrlsJson,
    env: {
      PLORI_KMS_KEY_IDS: [KMS_ALIAS, ...kms.control.keyArns()].join(","),
      AWS_ENDPOINT_URL_KMS: kms.endpoint,
      AWS_REGION: kms.region,
      AWS_ACCESS_KEY_ID: "demo",
      AWS_SECRET_ACCESS_KEY: "demo",
    },
  }).catch(async (error: unknown) => {
    await sweep();
    throw error;
  });
  const clients = new Map<CallerName, Clients>();
  return {
    simulators,
    kms,
    service,
    tell,
    typedKeys: new Set(),
    ownKeys: new Map(),
    as(caller) {
      const known = clients.get(caller) ?? service.as(caller, CONNECT_CALLERS.has(caller) ? "connect" : "grpc");
      clients.set(caller, known);
      return known;
    },
    async close() {
      const stuck = setTimeout(() => void service.end("SIGKILL"), STOP_MAX_MS);
      await service.end();
      clearTimeout(stuck);
      await sweep();
    },
  };
}

const CONNECT_CALLERS: ReadonlySet<CallerName> = new Set(["settings", "admin", "auditor"]);
