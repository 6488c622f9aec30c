import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { KeyVaultService } from "../../src/gen/plori/keyvault/v1/keyvault_service_pb.ts";
import { LedgerService } from "../../src/gen/plori/ledger/v1/ledger_service_pb.ts";
import { RouterService } from "../../src/gen/plori/router/v1/router_service_pb.ts";
import { createGrpcJsTransport } from "./grpc-transport.ts";

/** The callers that the development authority makes certificates for. */
export type CallerName =
  | "admin"
  | "billing"
  | "auditor"
  | "settings"
  | "scheduler"
  | "recorder"
  | "agent-host-1"
  | "agent-host-2";

/** Every service of ours, as one caller reaches it through one door. */
export interface Clients {
  readonly keyVault: Client<typeof KeyVaultService>;
  readonly router: Client<typeof RouterService>;
  readonly ledger: Client<typeof LedgerService>;
}

/** The real service in a process of its own. */
export interface ServiceProcess {
  readonly grpcPort: number;
  readonly connectPort: number;
  readonly opsPort: number;
  readonly pid: number;
  readonly dataDir: string;
  /** Typed clients with the caller's certificate. The gRPC door unless told otherwise. */
  as(caller: CallerName, door?: "grpc" | "connect"): Clients;
  /** The certificate and key of a caller, or of the server, and the authority, as PEM. */
  pem(caller: CallerName | "server"): { readonly ca: string; readonly cert: string; readonly key: string };
  /** Everything that the process wrote to standard output and standard error so far. */
  output(): string;
  /** Its exit code once it has ended, by itself or not; null after a signal that killed. */
  readonly ended: Promise<number | null>;
  /** Sends a signal and waits for the end. Returns the exit code, or null after a signal that killed. */
  end(signal?: NodeJS.Signals): Promise<number | null>;
}

/** How to start the service. */
export interface ServiceOptions {
  readonly dataDir: string;
  readonly providerUrls?: string;
  /** Further environment variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** Further arguments for Node itself. */
  readonly nodeArgs?: readonly string[];
  /** A command that runs the command that follows it, in its own place: `["nice", "-n", "5"]`. */
  readonly wrapper?: readonly string[];
  /** The production profile has no defaults: `env` must hold every setting. The development profile unless told otherwise. */
  readonly profile?: "development" | "production";
}

const MAIN = join(import.meta.dirname, "../../src/main.ts");
const START_MAX_MS = 20_000;

/** Starts `node src/main.ts --dev` on free ports and resolves when it serves. Throws with its output when it does not. */
export async function startService(options: ServiceOptions): Promise<ServiceProcess> {
  const { dataDir, providerUrls, env = {}, nodeArgs = [], wrapper = [], profile = "development" } = options;
  const profileArgs = profile === "development" ? ["--dev"] : [];
  const [command = process.execPath, ...args] = [...wrapper, process.execPath, ...nodeArgs, MAIN, ...profileArgs];
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env["PATH"],
      PLORI_DATA_DIR: dataDir,
      PLORI_GRPC_ADDRESS: "127.0.0.1:0",
      PLORI_CONNECT_ADDRESS: "127.0.0.1:0",
      PLORI_OPS_ADDRESS: "127.0.0.1:0",
      ...(providerUrls === undefined ? {} : { PLORI_PROVIDER_URLS: providerUrls }),
      ...env,
    },
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const ports = await whenServing(child, (text) => {
    output += text;
  }).catch((error: unknown) => {
    child.kill("SIGKILL");
    throw new Error(`the service did not start: ${String(error)}\n${output}`);
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const read = (name: string): string => readFileSync(join(dataDir, "pki", name), "utf8");
  const pem = (caller: CallerName | "server") => ({
    ca: read("ca.pem"),
    cert: read(`${caller}.pem`),
    key: read(`${caller}.key`),
  });
  return {
    ...ports,
    pid: child.pid ?? 0,
    dataDir,
    pem,
    as(caller, door = "grpc") {
      return clientsOver(
        door === "grpc"
          ? createGrpcJsTransport(ports.grpcPort, pem(caller))
          : createConnectTransport({
              baseUrl: `https://localhost:${ports.connectPort}`,
              httpVersion: "2",
              nodeOptions: pem(caller),
            }),
      );
    },
    output: () => output,
    ended,
    async end(signal = "SIGTERM") {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
      child.kill(signal);
      return ended;
    },
  };
}

/** Our services' clients over a transport. */
export function clientsOver(transport: Transport): Clients {
  return {
    keyVault: createClient(KeyVaultService, transport),
    router: createClient(RouterService, transport),
    ledger: createClient(LedgerService, transport),
  };
}

/** Reads the log until the line that says on which ports the service serves. */
async function whenServing(
  child: ChildProcess,
  onText: (text: string) => void,
): Promise<{ grpcPort: number; connectPort: number; opsPort: number }> {
  const { stderr } = child;
  if (stderr === null) throw new Error("no standard error");
  const lines = createInterface({ input: stderr });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not serving after ${START_MAX_MS} ms`)), START_MAX_MS);
    lines.on("line", (line) => {
      onText(`${line}\n`);
      if (!line.includes('"msg":"serving"')) return;
      clearTimeout(timer);
      const { grpc, connect, ops } = JSON.parse(line) as { grpc: number; connect: number; ops: number };
      resolve({ grpcPort: grpc, connectPort: connect, opsPort: ops });
    });
    child.once("exit", (code) => {
      clearTimeout(timer);
      reject(new Error(`it ended with ${code}`));
    });
  });
}
