import { join } from "node:path";
import { vi } from "vitest";
import { type AgentHost, connectHost, type HostOptions } from "../../src/client/connect-host.ts";
import type { HostLog } from "../../src/client/log.ts";
import type { ServiceProcess } from "./service-process.ts";

const LISTENING_MAX_MS = 15_000;

/** What agent-host-1 of the development profile connects with. */
export function hostOptions(
  { grpcPort, dataDir }: Pick<ServiceProcess, "grpcPort" | "dataDir">,
  spoolDirectory: string,
): HostOptions {
  const pki = (name: string): string => join(dataDir, "pki", name);
  return {
    address: `localhost:${grpcPort}`,
    certFile: pki("agent-host-1.pem"),
    keyFile: pki("agent-host-1.key"),
    caFile: pki("ca.pem"),
    spoolDirectory,
  };
}

/** Connects agent-host-1, and resolves when it hears revocations. */
export async function connectListening(options: HostOptions): Promise<AgentHost> {
  const host = await connectHost(options);
  await whenListening(host);
  return host;
}

/** Resolves when the host hears revocations. */
export async function whenListening(host: AgentHost, isListening = true): Promise<void> {
  await vi.waitFor(
    () => {
      if (host.status().isListening !== isListening) throw new Error(`listening is not ${isListening}`);
    },
    { timeout: LISTENING_MAX_MS, interval: 20 },
  );
}

/** A log that keeps its lines: "warn: message {"field":1}". */
export function keepingLog(): HostLog & { readonly lines: readonly string[] } {
  const lines: string[] = [];
  const keep =
    (level: string) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
      lines.push(`${level}: ${message} ${JSON.stringify(fields)}`);
    };
  return { lines, debug: keep("debug"), info: keep("info"), warn: keep("warn"), error: keep("error") };
}

/** How often the service answered an RPC so, by its own metrics. */
export async function countCalls(
  { opsPort }: Pick<ServiceProcess, "opsPort">,
  rpc: string,
  code = "OK",
): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${opsPort}/metrics`)).text();
  const line = text.split("\n").find((each) => each.startsWith(`plori_calls_total{rpc="${rpc}",code="${code}"}`));
  return line === undefined ? 0 : Number(line.split(" ")[1]);
}
