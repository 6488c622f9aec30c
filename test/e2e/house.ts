import { timestampFromMs, timestampNow } from "@bufbuild/protobuf/wkt";
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import type { Route } from "../../src/gen/plori/router/v1/router_pb.ts";
import type { Credits } from "../../src/gen/plori/type/v1/type_pb.ts";
import { Provider } from "../../src/gen/plori/type/v1/type_pb.ts";
import { type ProviderSimulators, startProviderSimulators } from "../simulators/start.ts";
import { createGrpcJsTransport } from "../support/grpc-transport.ts";
import { type CallerName, type Clients, type ServiceProcess, startService } from "../support/service-process.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

/** Both doors, in the order of the design. */
export const DOORS = ["grpc", "connect"] as const;

/** A door by name. */
export type DoorName = (typeof DOORS)[number];

/** Every caller that the development profile makes a certificate for, and its role. */
export const CALLERS: Readonly<Record<CallerName, string>> = {
  admin: "admin",
  billing: "billing",
  auditor: "auditor",
  settings: "settings",
  scheduler: "scheduler",
  recorder: "recorder",
  "agent-host-1": "agent-host",
  "agent-host-2": "agent-host",
};

const AN_HOUR_MS = 3_600_000;

/** The service in a process of its own, six simulated providers, and the errands that most tests run first. */
export interface House {
  readonly service: ServiceProcess;
  readonly simulators: ProviderSimulators;
  /** One connection for each caller and door. */
  as(caller: CallerName, door?: DoorName): Clients;
  transport(caller: CallerName, door: DoorName): Transport;
  /** Places an agent on agent-host-1 for an hour, unless told otherwise. */
  place(account: string, agent: string, host?: string, generation?: bigint): Promise<void>;
  grant(account: string, amount: { readonly units?: bigint; readonly nanos?: number }): Promise<void>;
  /** Mints a key at the simulated provider and connects it. Returns the key's text. */
  connectOwn(account: string, provider: SimulatedProvider): Promise<string>;
  resolve(wanted: WantedRoute): Promise<Route>;
  close(): Promise<void>;
}

/** A provider by its slug. */
export type SimulatedProvider = keyof ProviderSimulators["urls"];

/** A route to ask for; agent-host-1 asks unless told otherwise. */
export interface WantedRoute {
  readonly account: string;
  readonly agent?: string;
  readonly model: string;
  readonly callId: string;
  readonly maxOutputTokens?: bigint;
  readonly inputTokens?: bigint;
  readonly host?: CallerName;
  readonly door?: DoorName;
  readonly provider?: Provider;
}

/** The number of a provider on the wire. */
export const PROVIDER_NUMBER: Readonly<Record<SimulatedProvider, Provider>> = {
  openrouter: Provider.OPENROUTER,
  openai: Provider.OPENAI,
  deepseek: Provider.DEEPSEEK,
  groq: Provider.GROQ,
  xai: Provider.XAI,
  together: Provider.TOGETHER,
};

/** No list of models is fetched behind a test's back: tests look at what the providers were asked. */
const NO_LISTS = { PLORI_MODEL_LISTS_PER_MINUTE: "0" };

/** Starts everything. `env`: further settings of the service. */
export async function openHouse(env: Readonly<Record<string, string>> = {}): Promise<House> {
  const directory = temporaryDirectory();
  const simulators = await startProviderSimulators();
  const options = { dataDir: directory.path, providerUrls: simulators.providerUrlsJson, env: { ...NO_LISTS, ...env } };
  const service = await startService(options).catch(async (error: unknown) => {
    await simulators.close();
    directory.remove();
    throw error;
  });
  const house = furnish(service, simulators);
  return {
    ...house,
    async close() {
      await endSurely(service);
      await simulators.close();
      directory.remove();
    },
  };
}

/** Ends the process, by force when it does not end by itself in ten seconds. */
export async function endSurely(service: Pick<ServiceProcess, "end">): Promise<void> {
  const stuck = setTimeout(() => void service.end("SIGKILL"), 10_000);
  await service.end();
  clearTimeout(stuck);
}

/** The errands for a service that was started otherwise. */
export function furnish(service: ServiceProcess, simulators: ProviderSimulators): Omit<House, "close"> {
  const clients = new Map<string, Clients>();
  const transports = new Map<string, Transport>();
  const remembered = <T>(known: Map<string, T>, name: string, make: () => T): T => {
    const value = known.get(name) ?? make();
    known.set(name, value);
    return value;
  };
  const as: House["as"] = (caller, door = "grpc") =>
    remembered(clients, `${caller} ${door}`, () => service.as(caller, door));
  const house: Omit<House, "close"> = {
    service,
    simulators,
    as,
    transport: (caller, door) =>
      remembered(transports, `${caller} ${door}`, () => openTransport(service, caller, door)),
    async place(account, agent, host = "agent-host-1", generation = 1n) {
      const expireTime = timestampFromMs(Date.now() + AN_HOUR_MS);
      await as("scheduler").router.placeAgents({ placements: [{ account, agent, host, generation, expireTime }] });
    },
    async grant(account, amount) {
      await as("billing").ledger.grantCredits({ account, amount });
    },
    async connectOwn(account, provider) {
      const secret = simulators[provider].mintKey();
      const caller = account === "platform" ? "admin" : "settings";
      await as(caller).keyVault.connectKey({ account, provider: PROVIDER_NUMBER[provider], secret });
      return secret;
    },
    async resolve({ host = "agent-host-1", door = "grpc", agent = "agent", inputTokens, maxOutputTokens, ...wanted }) {
      const estimate = { inputTokens: inputTokens ?? 0n, maxOutputTokens: maxOutputTokens ?? 0n };
      const { route } = await as(host, door).router.resolveRoute({ ...wanted, agent, estimate });
      return given(route);
    },
  };
  return house;
}

function openTransport(service: ServiceProcess, caller: CallerName, door: DoorName): Transport {
  const pem = service.pem(caller);
  return door === "grpc"
    ? createGrpcJsTransport(service.grpcPort, pem)
    : createConnectTransport({
        baseUrl: `https://localhost:${service.connectPort}`,
        httpVersion: "2",
        nodeOptions: pem,
      });
}

/** The value, which must be there. */
export function given<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("expected a value");
  return value;
}

/** Credits as nano-credits. */
export function nano(credits: Credits | undefined): bigint {
  const { units, nanos } = given(credits);
  return units * 1_000_000_000n + BigInt(nanos);
}

/** A usage record of a model call over a route, that happened now. */
export function callRecord(
  {
    account,
    agent = "agent",
    usageId,
    route,
    callId,
    attempt = 1,
  }: {
    readonly account: string;
    readonly agent?: string;
    readonly usageId: string;
    readonly route: string;
    readonly callId: string;
    readonly attempt?: number;
  },
  tokens: { readonly inputUncachedTokens?: bigint; readonly outputTokens?: bigint },
) {
  return {
    usageId,
    account,
    agent,
    occurTime: timestampNow(),
    kind: {
      case: "modelCall" as const,
      value: {
        authority: { case: "route" as const, value: route },
        callId,
        attempt,
        usage: { case: "tokens" as const, value: tokens },
      },
    },
  };
}

/** A usage record of disk that happened now. */
export function diskRecord(account: string, usageId: string, byteSeconds = 1_000_000_000_000n) {
  return {
    usageId,
    account,
    agent: "agent",
    occurTime: timestampNow(),
    kind: { case: "disk" as const, value: { byteSeconds } },
  };
}
