import { create } from "@bufbuild/protobuf";
import { ProviderInfoSchema } from "../../gen/plori/keyvault/v1/keyvault_pb.ts";
import {
  ConnectKeyResponseSchema,
  DeleteKeyResponseSchema,
  GetKeyResponseSchema,
  type KeyVaultService,
  ListKeysResponseSchema,
  ListProvidersResponseSchema,
  VerifyKeyResponseSchema,
} from "../../gen/plori/keyvault/v1/keyvault_service_pb.ts";
import { type ConnectKeyDeps, connectKey } from "../../keyvault/connect-key.ts";
import { type DeleteKeyDeps, deleteKey } from "../../keyvault/delete-key.ts";
import { getKey } from "../../keyvault/get-key.ts";
import { listKeys } from "../../keyvault/list-keys.ts";
import { listProviders } from "../../keyvault/list-providers.ts";
import type { NamedProvider } from "../../keyvault/named-provider.ts";
import type { KeyStore } from "../../keyvault/ports.ts";
import { type VerifyKeyDeps, verifyKey } from "../../keyvault/verify-key.ts";
import type { ServiceHandlers } from "../handlers.ts";
import { type AuditDeps, createAuditHandlers } from "./audit-handlers.ts";
import { keyMessage } from "./key-message.ts";
import { createOpenRouterConnectHandlers, type OpenRouterConnectDeps } from "./openrouter-connect-handlers.ts";
import { createVaultLifeCycleHandlers, type VaultLifeCycleDeps } from "./vault-life-cycle-handlers.ts";
import { providerNumber, readProvider } from "./words.ts";

/** What KeyVault's verbs need together. */
export type KeyVaultDeps = ConnectKeyDeps &
  DeleteKeyDeps &
  VerifyKeyDeps &
  AuditDeps &
  OpenRouterConnectDeps & { readonly keys: KeyStore; readonly lifeCycle: VaultLifeCycleDeps };

/** KeyVault's RPCs: messages in, verbs called, messages out. */
export function createKeyVaultHandlers(deps: KeyVaultDeps): ServiceHandlers<typeof KeyVaultService> {
  return {
    ...createOpenRouterConnectHandlers(deps),
    ...createVaultLifeCycleHandlers(deps.lifeCycle),
    ...createAuditHandlers(deps),
    async listProviders() {
      const providers = listProviders().map((summary) =>
        create(ProviderInfoSchema, { ...summary, provider: providerNumber(summary.provider) }),
      );
      return create(ListProvidersResponseSchema, { providers });
    },
    async connectKey(request, { caller, signal }) {
      const { account, secret, allowUnverified, keyId, hosts, requestId, actor } = request;
      const provider = namedProvider(request.provider);
      const input = { account, provider, secret, allowUnverified, keyId, hosts, requestId, actor };
      return create(ConnectKeyResponseSchema, { key: keyMessage(await connectKey(deps, input, caller, signal)) });
    },
    async getKey({ account, provider, keyId }, { caller }) {
      const record = await getKey(deps, { account, provider: namedProvider(provider), keyId }, caller);
      return create(GetKeyResponseSchema, { key: keyMessage(record) });
    },
    async verifyKey({ account, provider, keyId, requestId, actor }, { caller, signal }) {
      const input = { account, provider: namedProvider(provider), keyId, requestId, actor };
      return create(VerifyKeyResponseSchema, { key: keyMessage(await verifyKey(deps, input, caller, signal)) });
    },
    async listKeys({ account, pageSize, pageToken }, { caller }) {
      const page = await listKeys(deps, { account, pageSize, pageToken }, caller);
      return create(ListKeysResponseSchema, { keys: page.keys.map(keyMessage), nextPageToken: page.nextPageToken });
    },
    async deleteKey({ account, provider, keyId, etag, requestId, actor }, { caller }) {
      const record = await deleteKey(
        deps,
        { account, provider: namedProvider(provider), keyId, etag, requestId, actor },
        caller,
      );
      return create(DeleteKeyResponseSchema, { key: keyMessage(record) });
    },
  };
}

/** A number that names no provider of ours is answered like a missing one: the verbs say which there are. */
function namedProvider(number: number): NamedProvider {
  const provider = readProvider(number);
  return provider === "unspecified" || provider === "unknown" ? undefined : provider;
}
