import type { DescMethod, DescMethodServerStreaming, DescMethodUnary, DescService, Message } from "@bufbuild/protobuf";
import { KeyVaultService } from "../gen/plori/keyvault/v1/keyvault_service_pb.ts";
import { LedgerService } from "../gen/plori/ledger/v1/ledger_service_pb.ts";
import { RouterService } from "../gen/plori/router/v1/router_service_pb.ts";
import type { Call } from "./call.ts";
import type { Handlers } from "./handlers.ts";

/** Any handler. Spelt as a method, so that TypeScript lets one that takes a particular message stand for it; the descriptor guarantees the message. */
type AnyUnary = { handle(request: Message, call: Call): Promise<Message> }["handle"];
type AnyStreaming = { handle(request: Message, call: Call): AsyncIterable<Message> }["handle"];
type AnyHandler = AnyUnary | AnyStreaming;

/** An RPC with one answer. */
export interface UnaryRpc {
  readonly kind: "unary";
  /** "plori.router.v1.RouterService/ResolveRoute". */
  readonly name: string;
  readonly method: DescMethodUnary;
  readonly handle: AnyUnary;
}

/** An RPC that answers with a stream. */
export interface StreamingRpc {
  readonly kind: "streaming";
  readonly name: string;
  readonly method: DescMethodServerStreaming;
  readonly handle: AnyStreaming;
}

/** One RPC of ours as the doors see it. */
export type Rpc = UnaryRpc | StreamingRpc;

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

/** A service's RPCs with their handlers, which `handlers` holds by the methods' local names. Throws when one is missing or of a kind that is not served. */
export function rpcsOf(service: DescService, handlers: Readonly<Record<string, AnyHandler>>): Rpc[] {
  return service.methods.map((method): Rpc => {
    const handle = handlers[method.localName];
    const name = `${service.typeName}/${method.name}`;
    if (handle === undefined) throw new Error(`${name} has no handler`);
    // `ServiceHandlers` made sure that the handler is of its method's kind.
    if (isUnary(method)) return { kind: "unary", name, method, handle: handle as AnyUnary };
    if (isServerStreaming(method)) return { kind: "streaming", name, method, handle: handle as AnyStreaming };
    throw new Error(`${name} streams requests, which no door serves`);
  });
}

function isUnary(method: DescMethod): method is DescMethodUnary {
  return method.methodKind === "unary";
}

function isServerStreaming(method: DescMethod): method is DescMethodServerStreaming {
  return method.methodKind === "server_streaming";
}
