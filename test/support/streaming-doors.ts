import { create, createFileRegistry, type DescMethodServerStreaming, type DescMethodUnary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import type { Call } from "../../src/doors/call.ts";
import { openConnectDoor } from "../../src/doors/connect.ts";
import { Dispatcher, type DispatcherOptions } from "../../src/doors/dispatch.ts";
import { openGrpcDoor } from "../../src/doors/grpc.ts";
import { Health } from "../../src/doors/health.ts";
import type { Rpc } from "../../src/doors/rpc.ts";
import { StreamSet } from "../../src/doors/stream-set.ts";
import {
  file_plori_ledger_v1_ledger_service,
  type GetBalanceRequest,
  type GetBalanceRequestSchema,
  type GetBalanceResponse,
  type GetBalanceResponseSchema,
} from "../../src/gen/plori/ledger/v1/ledger_service_pb.ts";
import { DEFAULT_ROLE_MAP } from "../../src/identity/role-map.ts";
import { mintAuthority, mintServer, TRUST_DOMAIN } from "./pki.ts";

/** Settings may watch; the unary RPC beside it is for comparing the two. */
export const WATCH = "test.v1.WatchService/Watch";
export const ASK = "test.v1.WatchService/Ask";

const MESSAGES = {
  inputType: ".plori.ledger.v1.GetBalanceRequest",
  outputType: ".plori.ledger.v1.GetBalanceResponse",
};

/** A service that exists in tests only, made at run time: its messages are the ledger's. */
const watchFile = createFileRegistry(
  create(FileDescriptorProtoSchema, {
    name: "test/v1/watch.proto",
    package: "test.v1",
    syntax: "proto3",
    dependency: [file_plori_ledger_v1_ledger_service.proto.name],
    service: [
      {
        name: "WatchService",
        method: [
          { name: "Watch", serverStreaming: true, ...MESSAGES },
          { name: "Ask", ...MESSAGES },
        ],
      },
    ],
  }),
  () => file_plori_ledger_v1_ledger_service,
);

export type WatchMethod = DescMethodServerStreaming<typeof GetBalanceRequestSchema, typeof GetBalanceResponseSchema>;

/** The streaming method's descriptor, for typed clients. */
export const watchMethod = methodOf("watch") as WatchMethod;
const askMethod = methodOf("ask") as DescMethodUnary<typeof GetBalanceRequestSchema, typeof GetBalanceResponseSchema>;

function methodOf(localName: string) {
  const method = watchFile.getService("test.v1.WatchService")?.method[localName];
  if (method === undefined) throw new Error("the test service is incomplete");
  return method;
}

/** What a test's stream does. */
export type Watch = (request: GetBalanceRequest, call: Call) => AsyncIterable<GetBalanceResponse>;

/** Both doors with one streaming RPC and a unary one that never answers. */
export async function openStreamingDoors(watch: Watch, changes: Partial<DispatcherOptions> = {}) {
  const authority = await mintAuthority();
  const { cert, key } = await mintServer(authority);
  const dispatcher = new Dispatcher({
    clock: systemClock,
    log: silentLog,
    observer: { called() {} },
    onDenied() {},
    table: new Map([
      [WATCH, ["settings"]],
      [ASK, ["settings"]],
    ]),
    ...changes,
  });
  const rpcs: Rpc[] = [
    {
      kind: "streaming",
      name: WATCH,
      method: watchMethod,
      handle: watch as Extract<Rpc, { kind: "streaming" }>["handle"],
    },
    { kind: "unary", name: ASK, method: askMethod, handle: () => new Promise(() => {}) },
  ];
  const infrastructure = {
    health: new Health({ reasons: () => [] }, []),
    reflection: undefined,
    streams: new StreamSet(),
  };
  const listener = {
    host: "127.0.0.1",
    port: 0,
    tls: { kind: "pem", cert, key, ca: authority.cert },
    trustDomain: TRUST_DOMAIN,
    roleMap: DEFAULT_ROLE_MAP,
    clock: systemClock,
    log: silentLog,
  } as const;
  const grpc = await openGrpcDoor({ rpcs, dispatcher, infrastructure, listener });
  const connect = await openConnectDoor({ rpcs, dispatcher, infrastructure, listener });
  return {
    authority,
    dispatcher,
    grpcPort: grpc.port,
    connectPort: connect.port,
    close: async () => void (await Promise.all([grpc.close(), connect.close()])),
  };
}
