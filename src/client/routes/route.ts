import type { Payer, Provider } from "../../base/provider.ts";
import { Secret } from "../../base/secret.ts";

/** A provider credential in memory. It prints as "[secret]" and is overwritten by `wipe()`. */
export interface Credential {
  /** The bytes themselves, not a copy: valid until `wipe()`. Throws when wiped. */
  reveal(): Uint8Array;
  /** Overwrites the bytes. Safe to call twice. */
  wipe(): void;
}

/** Credits set aside for one hosted call. */
export interface RouteHold {
  /** `accounts/{account}/holds/{hold}`. */
  readonly name: string;
  /** How much is set aside, in nano-credits (10^-9 credit). */
  readonly amountNano: bigint;
  /** When it ends by itself, by the service's clock, in milliseconds since the Unix epoch. */
  readonly expireMs: number;
}

/** What of a route does not change from call to call. */
export interface RouteFacts {
  /** The service's id of the route; usage is recorded against it. */
  readonly id: string;
  readonly account: string;
  readonly agent: string;
  /** The model as it was asked for. */
  readonly model: string;
  readonly provider: Provider;
  /** "https://api.openai.com/v1"; `/chat/completions` is appended to it. */
  readonly baseUrl: string;
  /** The model id to send to the provider, verbatim. */
  readonly upstreamModel: string;
  readonly payer: Payer;
  /** Resource name of the user's key; empty for one of plori's own. */
  readonly key: string;
  readonly keyVersion: bigint;
  /** Hosted routes only: the credits set aside for the call. */
  readonly hold: RouteHold | undefined;
  /** Hosted routes: the most output tokens that the credits cover; send it upstream. Undefined: no limit of ours. */
  readonly maxOutputTokens: number | undefined;
  /** The price version that the call is charged by, or listed by; empty when nothing is priced yet. */
  readonly priceVersion: string;
}

/** Where and how to make one model call. */
export interface Route extends RouteFacts {
  /** The call that the route was resolved for. */
  readonly callId: string;
  /** Whether it came from a lease, without asking the service. */
  readonly isReused: boolean;
  /** This route's own copy. A call that is tracked wipes it at its end. */
  readonly credential: Credential;
  /** The HTTP headers of the call, the credential's among them, for `fetch`: strings, which cannot be wiped, so make them when they are needed. */
  headers(): Record<string, string>;
  /** Wipes the credential. */
  [Symbol.dispose](): void;
}

/** What a lease keeps of a route. */
export interface LeasedRoute {
  readonly facts: RouteFacts;
  readonly credentialHeader: string;
  readonly credentialPrefix: string;
  readonly furtherHeaders: Readonly<Record<string, string>>;
  readonly credential: Secret;
}

/** A route for one call, with a copy of the credential: what becomes of the lease does not pull it from under a call that has begun. */
export function routeFor(leased: LeasedRoute, callId: string, isReused: boolean): Route {
  const credential = Secret.copyOf(leased.credential.reveal());
  const { credentialHeader, credentialPrefix, furtherHeaders } = leased;
  return {
    ...leased.facts,
    callId,
    isReused,
    credential,
    headers: () => ({
      ...furtherHeaders,
      [credentialHeader]: credentialPrefix + credential.reveal().toString("latin1"),
    }),
    [Symbol.dispose]: () => credential.wipe(),
  };
}
