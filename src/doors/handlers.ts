import type { DescMethodUnary, DescService, MessageShape } from "@bufbuild/protobuf";
import type { KeyVaultService } from "../gen/plori/keyvault/v1/keyvault_service_pb.ts";
import type { LedgerService } from "../gen/plori/ledger/v1/ledger_service_pb.ts";
import type { RouterService } from "../gen/plori/router/v1/router_service_pb.ts";
import type { Call } from "./call.ts";

/** One RPC, implemented once and served by every door. It throws `PloriError`; anything else becomes INTERNAL and is logged. */
export type Handler<M extends DescMethodUnary> = (
  request: MessageShape<M["input"]>,
  call: Call,
) => Promise<MessageShape<M["output"]>>;

/** Every RPC of a service, by its local name. */
export type ServiceHandlers<S extends DescService> = {
  readonly [K in keyof S["method"]]: S["method"][K] extends DescMethodUnary ? Handler<S["method"][K]> : never;
};

/** Every RPC of ours. */
export interface Handlers {
  readonly keyVault: ServiceHandlers<typeof KeyVaultService>;
  readonly router: ServiceHandlers<typeof RouterService>;
  readonly ledger: ServiceHandlers<typeof LedgerService>;
}
