import { create } from "@bufbuild/protobuf";
import {
  BeginOpenRouterConnectResponseSchema,
  CompleteOpenRouterConnectResponseSchema,
  type KeyVaultService,
} from "../../gen/plori/keyvault/v1/keyvault_service_pb.ts";
import { type BeginOpenRouterConnectDeps, beginOpenRouterConnect } from "../../keyvault/begin-openrouter-connect.ts";
import {
  type CompleteOpenRouterConnectDeps,
  completeOpenRouterConnect,
} from "../../keyvault/complete-openrouter-connect.ts";
import type { ConnectStore } from "../../keyvault/connect-ports.ts";
import type { ServiceHandlers } from "../handlers.ts";
import { keyMessage } from "./key-message.ts";
import { toTimestamp } from "./times.ts";

/** What the one-click verbs need together. */
export type OpenRouterConnectDeps = BeginOpenRouterConnectDeps &
  CompleteOpenRouterConnectDeps & { readonly connects: ConnectStore };

/** The RPCs of the one-click connect. */
export function createOpenRouterConnectHandlers(
  deps: OpenRouterConnectDeps,
): Pick<ServiceHandlers<typeof KeyVaultService>, "beginOpenRouterConnect" | "completeOpenRouterConnect"> {
  return {
    async beginOpenRouterConnect({ account, callbackUrl, requestId, actor }, { caller }) {
      const begun = await beginOpenRouterConnect(deps, { account, callbackUrl, requestId, actor }, caller);
      const { authorizationUrl, connectId, expireMs } = begun;
      const expireTime = toTimestamp(expireMs);
      return create(BeginOpenRouterConnectResponseSchema, { authorizationUrl, connectId, expireTime });
    },
    async completeOpenRouterConnect({ account, connectId, code, requestId, actor }, { caller, signal }) {
      const input = { account, connectId, code, requestId, actor };
      const record = await completeOpenRouterConnect(deps, input, caller, signal);
      return create(CompleteOpenRouterConnectResponseSchema, { key: keyMessage(record) });
    },
  };
}
