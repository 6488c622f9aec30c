import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createResolveRouteCodec } from "../../../src/doors/rpc/resolve-route-codec.ts";
import {
  ResolveRouteRequestSchema,
  ResolveRouteResponseSchema,
} from "../../../src/gen/plori/router/v1/router_service_pb.ts";

const codec = createResolveRouteCodec();
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const count = fc.bigInt({ min: 0n, max: 2n ** 49n });
const text = fc.string({ unit: "binary", maxLength: 300 });
const timestamp = fc.record({ seconds: int64, nanos: fc.integer({ min: 0, max: 999_999_999 }) });
const enumNumber = fc.integer({ min: 0, max: 40 });

const requests = fc.record(
  {
    account: text,
    agent: fc.oneof(text, fc.string({ maxLength: 40 })),
    model: fc.string({ maxLength: 300 }),
    provider: enumNumber,
    callId: fc.string({ maxLength: 40 }),
    estimate: fc.record({ inputTokens: fc.oneof(count, int64), maxOutputTokens: fc.oneof(count, int64) }),
  },
  { requiredKeys: [] },
);

const routes = fc.record(
  {
    route: text,
    provider: enumNumber,
    baseUrl: text,
    upstreamModel: fc.string({ maxLength: 5_000 }),
    credential: fc.uint8Array({ maxLength: 20_000 }),
    credentialHeader: text,
    credentialPrefix: text,
    headers: fc.dictionary(fc.string({ minLength: 1, maxLength: 10 }), text, { maxKeys: 3 }),
    payer: enumNumber,
    key: text,
    keyVersion: int64,
    hold: fc.record(
      {
        name: text,
        amount: fc.record({ units: int64, nanos: fc.integer({ min: -999_999_999, max: 999_999_999 }) }),
        expireTime: timestamp,
      },
      { requiredKeys: [] },
    ),
    maxOutputTokens: int64,
    priceVersion: text,
    reuseUntilTime: timestamp,
    reason: enumNumber,
    candidates: fc.array(
      fc.record({
        provider: enumNumber,
        payer: enumNumber,
        key: text,
        upstreamModel: text,
        verdict: enumNumber,
        reason: enumNumber,
      }),
      { maxLength: 5 },
    ),
    outputLimit: enumNumber,
  },
  { requiredKeys: [] },
);

test("whatever request is sent, the hand-written reader reads what the generated code reads", () => {
  fc.assert(
    fc.property(requests, (fields) => {
      const bytes = Buffer.from(
        toBinary(
          ResolveRouteRequestSchema,
          create(ResolveRouteRequestSchema, fields as MessageInitShape<typeof ResolveRouteRequestSchema>),
        ),
      );
      expect(toBinary(ResolveRouteRequestSchema, codec.decode(bytes) as never)).toEqual(
        toBinary(ResolveRouteRequestSchema, fromBinary(ResolveRouteRequestSchema, bytes)),
      );
    }),
  );
});

test("bytes that are no request are read, or refused, as the generated code reads or refuses them", () => {
  const whole = Buffer.from(
    toBinary(
      ResolveRouteRequestSchema,
      create(ResolveRouteRequestSchema, {
        account: "a1",
        agent: "g",
        model: "m",
        callId: "c",
        estimate: { inputTokens: 300n },
      }),
    ),
  );
  const mangled = fc.oneof(
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
    fc.nat(whole.length).map((length) => whole.subarray(0, length)),
    fc.tuple(fc.nat(whole.length - 1), fc.nat(255)).map(([at, byte]) => {
      const changed = Buffer.from(whole);
      changed[at] = byte;
      return changed;
    }),
    fc
      .tuple(fc.nat(3), fc.nat(3))
      .map(([a, b]) => Buffer.concat([...Array(a + 1).fill(whole), ...Array(b).fill(whole.subarray(0, 4))])),
  );
  const outcome = (read: () => Uint8Array): string => {
    try {
      return Buffer.from(read()).toString("hex");
    } catch {
      return "refused";
    }
  };
  fc.assert(
    fc.property(mangled, (bytes) => {
      const byHand = outcome(() => toBinary(ResolveRouteRequestSchema, codec.decode(bytes) as never));
      const generated = outcome(() =>
        toBinary(ResolveRouteRequestSchema, fromBinary(ResolveRouteRequestSchema, bytes)),
      );
      expect(byHand).toBe(generated);
    }),
    { numRuns: 2_000 },
  );
});

test("whatever route is answered, the hand-written bytes are the generated ones", () => {
  fc.assert(
    fc.property(fc.option(routes, { nil: undefined }), (route) => {
      const init = (route === undefined ? {} : { route }) as MessageInitShape<typeof ResolveRouteResponseSchema>;
      const message = create(ResolveRouteResponseSchema, init);
      expect(Buffer.from(codec.encode(message))).toEqual(Buffer.from(toBinary(ResolveRouteResponseSchema, message)));
    }),
  );
});

test("once an answer was sent, neither the message nor the codec's buffer holds the credential", () => {
  const credential = Buffer.from("a-credential-that-must-go");
  const message = create(ResolveRouteResponseSchema, { route: { credential: Uint8Array.from(credential) } });
  const sent = codec.encode(message);
  expect(sent.includes(credential)).toBe(true);
  codec.sent?.(message);
  expect(sent.includes(credential)).toBe(false);
  expect(message.route?.credential.every((byte) => byte === 0)).toBe(true);
});
