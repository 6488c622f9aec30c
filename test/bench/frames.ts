import { create, type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import { ModelCallSchema, TokenCountsSchema, UsageRecordSchema } from "../../src/gen/plori/ledger/v1/ledger_pb.ts";
import { RecordUsageRequestSchema } from "../../src/gen/plori/ledger/v1/ledger_service_pb.ts";
import { EstimateSchema } from "../../src/gen/plori/router/v1/router_pb.ts";
import { ResolveRouteRequestSchema } from "../../src/gen/plori/router/v1/router_service_pb.ts";
import type { PlannedCall } from "./plan.ts";

/** Stands where a fresh id goes. As long as the ids. */
const FRESH = "fresh-fresh-fresh-fresh-fresh-fresh-";
/** Stands where the route id of the answer before goes. As long as the ids. */
const ROUTE = "route-route-route-route-route-route-";

/** A message as one gRPC frame: a byte that says "not compressed", the length, the message. */
export function grpcFrame<D extends DescMessage>(schema: D, message: MessageShape<D>): string {
  const body = toBinary(schema, message);
  const frame = Buffer.alloc(5 + body.length);
  frame.writeUInt32BE(body.length, 1);
  frame.set(body, 5);
  return frame.toString("base64");
}

/** ResolveRoute for each of the accounts in turn, every call with a call id of its own. */
export function resolveCalls(accounts: readonly string[], model: string): PlannedCall {
  return {
    path: "/plori.router.v1.RouterService/ResolveRoute",
    frames: accounts.map((account) =>
      grpcFrame(
        ResolveRouteRequestSchema,
        create(ResolveRouteRequestSchema, {
          account,
          agent: `agent-of-${account}`,
          model,
          callId: FRESH,
          estimate: create(EstimateSchema, { inputTokens: 1200n, maxOutputTokens: 800n }),
        }),
      ),
    ),
    freshMark: FRESH,
    routeMark: "",
  };
}

/** RecordUsage of one model call over the route of the answer before, or over `route` when it is given. */
export function recordCalls(accounts: readonly string[], routeOf?: (account: string) => string): PlannedCall {
  return {
    path: "/plori.ledger.v1.LedgerService/RecordUsage",
    frames: accounts.map((account) =>
      grpcFrame(
        RecordUsageRequestSchema,
        create(RecordUsageRequestSchema, { records: [modelCallRecord(account, FRESH, routeOf?.(account) ?? ROUTE)] }),
      ),
    ),
    freshMark: FRESH,
    routeMark: routeOf === undefined ? ROUTE : "",
  };
}

/** RecordUsage of `size` model calls a request. Each needs ids of its own, so every frame has a distinct tail on the fresh id. */
export function batchedRecordCalls(
  accounts: readonly string[],
  size: number,
  routeOf: (account: string) => string,
): PlannedCall {
  const frames = accounts.map((_account, index) => {
    const records = Array.from({ length: size }, (_none, at) => {
      const account = accounts[(index * size + at) % accounts.length] ?? "";
      return modelCallRecord(account, `${FRESH}/${at.toString().padStart(3, "0")}`, routeOf(account));
    });
    return grpcFrame(RecordUsageRequestSchema, create(RecordUsageRequestSchema, { records }));
  });
  return { path: "/plori.ledger.v1.LedgerService/RecordUsage", frames, freshMark: FRESH, routeMark: "" };
}

function modelCallRecord(account: string, id: string, route: string) {
  return create(UsageRecordSchema, {
    usageId: id,
    account,
    agent: `agent-of-${account}`,
    occurTime: timestampNow(),
    kind: {
      case: "modelCall",
      value: create(ModelCallSchema, {
        authority: { case: "route", value: route },
        callId: id,
        attempt: 1,
        usage: {
          case: "tokens",
          value: create(TokenCountsSchema, { inputUncachedTokens: 1000n, cacheReadTokens: 200n, outputTokens: 350n }),
        },
      }),
    },
  });
}
