import type { DescMethodServerStreaming, DescMethodUnary, DescService, MessageShape } from "@bufbuild/protobuf";
import type { KeyVaultService } from "../gen/plori/keyvault/v1/keyvault_service_pb.ts";
import type { LedgerService } from "../gen/plori/ledger/v1/ledger_service_pb.ts";
import type { RouterService } from "../gen/plori/router/v1/router_service_pb.ts";
import type { Call } from "./call.ts";

/** One RPC, implemented once and served by every door. It throws `PloriError`; anything else becomes INTERNAL and is logged. */
export type Handler<M extends DescMethodUnary> = (
  request: MessageShape<M["input"]>,
  call: Call,
) => Promise<MessageShape<M["output"]>>;

/**
 * One server-streaming RPC. What it yields is sent as fast as the caller reads, and no faster. It must end soon after `call.signal` aborts (the caller left, its
 * own deadline passed, or the process drains); what it yields or throws from then on is dropped. It throws as a `Handler` does.
 */
export type StreamHandler<M extends DescMethodServerStreaming> = (
  request: MessageShape<M["input"]>,
  call: Call,
) => AsyncIterable<MessageShape<M["output"]>>;

/** Every RPC of a service, by its local name. */
export type ServiceHandlers<S extends DescService> = {
  readonly [K in keyof S["method"]]: S["method"][K] extends DescMethodUnary
    ? Handler<S["method"][K]>
    : S["method"][K] extends DescMethodServerStreaming
      ? StreamHandler<S["method"][K]>
      : never;
};

/** Every RPC of ours. */
export interface Handlers {
  readonly keyVault: ServiceHandlers<typeof KeyVaultService>;
  readonly router: ServiceHandlers<typeof RouterService>;
  readonly ledger: ServiceHandlers<typeof LedgerService>;
}
