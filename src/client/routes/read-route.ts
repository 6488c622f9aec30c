import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { type CreditsParts, fromCredits } from "../../base/credits.ts";
import { PROVIDERS, type Provider } from "../../base/provider.ts";
import { Secret } from "../../base/secret.ts";
import type { Route as RouteMessage } from "../../gen/plori/router/v1/router_pb.ts";
import { Payer as PayerNumber, Provider as ProviderNumber } from "../../gen/plori/type/v1/type_pb.ts";
import { HostError } from "../host-error.ts";
import type { LeasedRoute, RouteHold } from "./route.ts";

const NUMBERS: Readonly<Record<Provider, ProviderNumber>> = {
  openrouter: ProviderNumber.OPENROUTER,
  openai: ProviderNumber.OPENAI,
  deepseek: ProviderNumber.DEEPSEEK,
  groq: ProviderNumber.GROQ,
  xai: ProviderNumber.XAI,
  together: ProviderNumber.TOGETHER,
};

/** A provider's number on the wire; UNSPECIFIED for none. */
export function providerNumber(provider: Provider | undefined): ProviderNumber {
  return provider === undefined ? ProviderNumber.UNSPECIFIED : NUMBERS[provider];
}

/** A moment in milliseconds since the Unix epoch. */
export function toMs(time: Timestamp): number {
  return Number(time.seconds) * 1000 + Math.floor(time.nanos / 1_000_000);
}

/**
 * A route as the client keeps it. The credential moves: it is copied out of the received message and overwritten there. Throws INTERNAL on an answer that
 * this version does not understand.
 */
export function readRoute(
  message: RouteMessage,
  asked: { readonly account: string; readonly agent: string; readonly model: string },
): LeasedRoute {
  const credential = Secret.copyOf(message.credential);
  message.credential.fill(0);
  const provider = PROVIDERS.find((each) => NUMBERS[each] === message.provider);
  const isByok = message.payer === PayerNumber.BYOK;
  if (provider === undefined || (!isByok && message.payer !== PayerNumber.HOSTED)) {
    credential.wipe();
    throw notUnderstood();
  }
  const { account, agent, model } = asked;
  return {
    credential,
    credentialHeader: message.credentialHeader,
    credentialPrefix: message.credentialPrefix,
    furtherHeaders: { ...message.headers },
    facts: {
      id: message.route,
      account,
      agent,
      model,
      provider,
      baseUrl: message.baseUrl,
      upstreamModel: message.upstreamModel,
      payer: isByok ? "BYOK" : "HOSTED",
      key: message.key,
      keyVersion: message.keyVersion,
      hold: readHold(message.hold),
      maxOutputTokens: message.maxOutputTokens === 0n ? undefined : Number(message.maxOutputTokens),
      priceVersion: message.priceVersion,
    },
  };
}

/** The error for an answer that makes no sense to this version. */
export function notUnderstood(): HostError {
  return new HostError({
    code: "INTERNAL",
    reason: "TRANSPORT",
    message: "The service's answer is not understood. A newer client may know more.",
  });
}

/** A hold; undefined when there is none, or when it is not whole. */
export function readHold(
  hold:
    | { readonly name: string; readonly amount?: CreditsParts | undefined; readonly expireTime?: Timestamp | undefined }
    | undefined,
): RouteHold | undefined {
  if (hold?.amount === undefined || hold.expireTime === undefined) return undefined;
  return { name: hold.name, amountNano: fromCredits(hold.amount) ?? 0n, expireMs: toMs(hold.expireTime) };
}
