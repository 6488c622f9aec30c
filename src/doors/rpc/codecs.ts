import type { Codec } from "../grpc-call.ts";
import { createConnectKeyCodec } from "./connect-key-codec.ts";
import { createResolveRouteCodec } from "./resolve-route-codec.ts";

/** The codecs of the RPCs whose messages hold secrets, by full name. */
export function createCodecs(): Readonly<Record<string, Codec>> {
  return {
    "plori.keyvault.v1.KeyVaultService/ConnectKey": createConnectKeyCodec(),
    "plori.router.v1.RouterService/ResolveRoute": createResolveRouteCodec(),
  };
}
