import { fromBinary, type Message } from "@bufbuild/protobuf";
import type { Candidate, Estimate, Hold, Route } from "../../gen/plori/router/v1/router_pb.ts";
import {
  type ResolveRouteRequest,
  ResolveRouteRequestSchema,
  type ResolveRouteResponse,
} from "../../gen/plori/router/v1/router_service_pb.ts";
import type { Codec } from "../grpc-call.ts";
import { UnexpectedWire, WIRE_BYTES, WIRE_VARINT, WireReader } from "../wire/wire-reader.ts";
import { WireWriter } from "../wire/wire-writer.ts";

/**
 * ResolveRoute's messages by hand: it is called for every model call, and the generated code costs more than the decision. The bytes are the same; a
 * property test compares them. Requests with anything unusual in them go to the generated code.
 */
export function createResolveRouteCodec(): Codec {
  const writer = new WireWriter();
  return {
    decode(bytes) {
      try {
        return readRequest(new WireReader(bytes));
      } catch (error) {
        if (error instanceof UnexpectedWire) return fromBinary(ResolveRouteRequestSchema, bytes);
        throw error;
      }
    },
    encode(message) {
      const { route } = message as ResolveRouteResponse;
      writer.reset();
      if (route !== undefined) writer.message(1, () => writeRoute(writer, route));
      return writer.finish();
    },
    sent(message) {
      writer.wipe();
      wipeCredential(message);
    },
  };
}

/** Overwrites the credential in an answer that has left. */
export function wipeCredential(message: Message): void {
  (message as ResolveRouteResponse).route?.credential.fill(0);
}

function readRequest(reader: WireReader): ResolveRouteRequest {
  const request: ResolveRouteRequest = {
    $typeName: "plori.router.v1.ResolveRouteRequest",
    account: "",
    agent: "",
    model: "",
    provider: 0,
    callId: "",
  };
  while (!reader.isAtEnd) {
    switch (reader.tag()) {
      case (1 << 3) | WIRE_BYTES:
        request.account = reader.ascii();
        break;
      case (2 << 3) | WIRE_BYTES:
        request.agent = reader.ascii();
        break;
      case (3 << 3) | WIRE_BYTES:
        request.model = reader.ascii();
        break;
      case (4 << 3) | WIRE_VARINT:
        request.provider = reader.smallVarint() as ResolveRouteRequest["provider"];
        break;
      case (5 << 3) | WIRE_BYTES:
        request.callId = reader.ascii();
        break;
      case (6 << 3) | WIRE_BYTES:
        // A second one would be merged into the first; the generated code knows how.
        if (request.estimate !== undefined) throw new UnexpectedWire("a field that stands twice");
        request.estimate = readEstimate(reader.message());
        break;
      default:
        throw new UnexpectedWire("an unknown field");
    }
  }
  return request;
}

function readEstimate(reader: WireReader): Estimate {
  const estimate: Estimate = { $typeName: "plori.router.v1.Estimate", inputTokens: 0n, maxOutputTokens: 0n };
  while (!reader.isAtEnd) {
    switch (reader.tag()) {
      case (1 << 3) | WIRE_VARINT:
        estimate.inputTokens = reader.int64();
        break;
      case (2 << 3) | WIRE_VARINT:
        estimate.maxOutputTokens = reader.int64();
        break;
      default:
        throw new UnexpectedWire("an unknown field");
    }
  }
  return estimate;
}

function writeRoute(writer: WireWriter, route: Route): void {
  writer.string(1, route.route);
  writer.number(2, route.provider);
  writer.string(3, route.baseUrl);
  writer.string(4, route.upstreamModel);
  writer.bytes(5, route.credential);
  writer.string(6, route.credentialHeader);
  writer.string(7, route.credentialPrefix);
  for (const name of Object.keys(route.headers)) writer.mapEntry(8, name, route.headers[name] ?? "");
  writer.number(9, route.payer);
  writer.string(10, route.key);
  writer.int64(11, route.keyVersion);
  const { hold, reuseUntilTime } = route;
  if (hold !== undefined) writer.message(12, () => writeHold(writer, hold));
  writer.int64(13, route.maxOutputTokens);
  writer.string(14, route.priceVersion);
  if (reuseUntilTime !== undefined) writer.message(15, () => writeTime(writer, reuseUntilTime));
  writer.number(16, route.reason);
  for (const candidate of route.candidates) writer.message(17, () => writeCandidate(writer, candidate));
  writer.number(18, route.outputLimit);
}

function writeHold(writer: WireWriter, { name, amount, expireTime }: Hold): void {
  writer.string(1, name);
  if (amount !== undefined) {
    writer.message(2, () => {
      writer.int64(1, amount.units);
      writer.int32(2, amount.nanos);
    });
  }
  if (expireTime !== undefined) writer.message(3, () => writeTime(writer, expireTime));
}

function writeTime(writer: WireWriter, { seconds, nanos }: { readonly seconds: bigint; readonly nanos: number }): void {
  writer.int64(1, seconds);
  writer.int32(2, nanos);
}

function writeCandidate(writer: WireWriter, candidate: Candidate): void {
  writer.number(1, candidate.provider);
  writer.number(2, candidate.payer);
  writer.string(3, candidate.key);
  writer.string(4, candidate.upstreamModel);
  writer.number(5, candidate.verdict);
  writer.number(6, candidate.reason);
}
