import { OutputLimit as LimitNumber, type Route as RouteMessage } from "../../gen/plori/router/v1/router_pb.ts";
import type { OutputLimit } from "../../router/ports.ts";
import type { Route } from "../../router/route.ts";
import { candidateMessage, reasonNumber } from "./candidate-message.ts";
import { creditsMessage } from "./credits-message.ts";
import { toTimestamp } from "./times.ts";
import { payerNumber, providerNumber } from "./words.ts";

const LIMIT_NUMBERS = {
  CREDITS: LimitNumber.CREDITS,
  SPEND_CAP: LimitNumber.SPEND_CAP,
} as const satisfies Record<OutputLimit, LimitNumber>;

/**
 * A route as the API gives it. Messages are plain objects, and on the hot path they are written as such: `create` costs as much as the decision. The credential's bytes are the route's own, not a
 * copy: whoever sent the answer wipes them.
 */
export function routeMessage(route: Route): RouteMessage {
  const { hold, reuseUntilMs } = route;
  return {
    $typeName: "plori.router.v1.Route",
    route: route.routeId,
    provider: providerNumber(route.provider),
    baseUrl: route.baseUrl,
    upstreamModel: route.upstreamModel,
    credential: route.credential.reveal(),
    credentialHeader: route.credentialHeader,
    credentialPrefix: route.credentialPrefix,
    headers: { ...route.headers },
    payer: payerNumber(route.payer),
    key: route.keyName,
    keyVersion: BigInt(route.keyVersion),
    maxOutputTokens: route.maxOutputTokens,
    priceVersion: route.priceVersion,
    reason: reasonNumber(route.reason),
    candidates: route.candidates.map(candidateMessage),
    outputLimit: route.outputLimit === undefined ? LimitNumber.UNSPECIFIED : LIMIT_NUMBERS[route.outputLimit],
    ...(hold === undefined
      ? {}
      : {
          hold: {
            $typeName: "plori.router.v1.Hold",
            name: hold.name,
            amount: creditsMessage(hold.amountNano),
            expireTime: toTimestamp(hold.expireMs),
          },
        }),
    ...(reuseUntilMs === undefined ? {} : { reuseUntilTime: toTimestamp(reuseUntilMs) }),
  };
}
