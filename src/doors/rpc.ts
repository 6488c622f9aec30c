import type { DescMethod, DescMethodUnary, DescService, Message } from "@bufbuild/protobuf";
import { KeyVaultService } from "../gen/plori/keyvault/v1/keyvault_service_pb.ts";
import { LedgerService } from "../gen/plori/ledger/v1/ledger_service_pb.ts";
import { RouterService } from "../gen/plori/router/v1/router_service_pb.ts";
import type { Call } from "./call.ts";
import type { Handlers } from "./handlers.ts";

/** Any handler. Spelt as a method, so that TypeScript lets one that takes a particular message stand for it; the descriptor guarantees the message. */
type AnyHandler = { handle(request: Message, call: Call): Promise<Message> }["handle"];

/** One RPC of ours as the doors see it. */
export interface Rpc {
  /** "plori.router.v1.RouterService/ResolveRoute". */
  readonly name: string;
  readonly method: DescMethodUnary;
  readonly handle: AnyHandler;
}

/** Our services: what the doors serve and what reflection lists. */
export const SERVICES: readonly DescService[] = [KeyVaultService, RouterService, LedgerService];

/** Every RPC with its handler. */
export function listRpcs(handlers: Handlers): readonly Rpc[] {
  return [
    ...rpcsOf(KeyVaultService, handlers.keyVault),
    ...rpcsOf(RouterService, handlers.router),
    ...rpcsOf(LedgerService, handlers.ledger),
  ];
}

function rpcsOf(service: DescService, handlers: Readonly<Record<string, AnyHandler>>): Rpc[] {
  return service.methods.map((method): Rpc => {
    const handle = handlers[method.localName];
    const name = `${service.typeName}/${method.name}`;
    if (!isUnary(method) || handle === undefined) throw new Error(`${name} has no unary handler`);
    return { name, method, handle };
  });
}

function isUnary(method: DescMethod): method is DescMethodUnary {
  return method.methodKind === "unary";
}
