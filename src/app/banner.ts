import { relative, resolve } from "node:path";
import type { Config } from "../config.ts";

/** What the development profile prints once it serves: where, and calls to copy and paste. `cwd` is where they will be pasted. */
export function banner(
  config: Config,
  ports: { readonly grpcPort: number; readonly connectPort: number; readonly opsPort: number },
  cwd: string,
): string {
  const directory = config.tls.kind === "development" ? shortest(cwd, config.tls.directory) : undefined;
  const lines = [
    `plori BYOK, development profile. Everything it keeps is in ${shortest(cwd, config.dataDir)}`,
    `  gRPC     https://localhost:${ports.grpcPort}   agent hosts and services (mutual TLS)`,
    `  Connect  https://localhost:${ports.connectPort}   buf curl, curl (mutual TLS)`,
    `  ops      http://localhost:${ports.opsPort}    /livez /readyz /metrics`,
  ];
  if (directory === undefined) return `${lines.join("\n")}\n`;
  const call = (who: string, rpc: string, data: string, more = ""): string =>
    `npx buf curl --cacert ${directory}/ca.pem --cert ${directory}/${who}.pem --key ${directory}/${who}.key ${more}-d '${data}' https://localhost:${more === "" ? ports.connectPort : ports.grpcPort}/${rpc}`;
  return [
    ...lines,
    "Try, in another terminal:",
    call("billing", "plori.ledger.v1.LedgerService/GrantCredits", '{"account":"a1","amount":{"units":"1000"}}'),
    call("billing", "plori.ledger.v1.LedgerService/GetBalance", '{"account":"a1"}'),
    call("settings", "plori.keyvault.v1.KeyVaultService/ListProviders", "{}"),
    call("auditor", "plori.keyvault.v1.KeyVaultService/ListKeys", '{"account":"a1"}', "--protocol grpc "),
    "Stop with Ctrl-C.",
    "",
  ].join("\n");
}

/** A path as one would type it in `cwd`: relative below it, whole elsewhere. */
function shortest(cwd: string, path: string): string {
  const below = relative(cwd, path);
  return below.startsWith("..") ? resolve(cwd, path) : below || ".";
}
