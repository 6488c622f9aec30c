import type { Payer, Provider } from "../base/provider.ts";
import type { Secret } from "../base/secret.ts";
import type { Candidate, RouteReason } from "./decision.ts";
import type { OutputLimit, ProviderEndpoint } from "./ports.ts";

/** Where and how to make one model call, with the credential. */
export interface Route extends ProviderEndpoint {
  readonly routeId: string;
  readonly provider: Provider;
  /** The model id to send, verbatim. */
  readonly upstreamModel: string;
  /** The receiver wipes it. */
  readonly credential: Secret;
  readonly payer: Payer;
  /** The resource name of the account's key; empty for a platform key. */
  readonly keyName: string;
  readonly keyVersion: number;
  /** Credits set aside; hosted routes only. */
  readonly hold?: { readonly name: string; readonly amountNano: bigint; readonly expireMs: number };
  /** The most output tokens that the credits cover; 0 on BYOK routes: no limit of ours. */
  readonly maxOutputTokens: bigint;
  /** What made `maxOutputTokens` smaller than what was asked for. Absent: nothing. */
  readonly outputLimit?: OutputLimit;
  /** `priceVersions/{version}`; empty when nothing is priced yet. */
  readonly priceVersion: string;
  /** Until when a BYOK route may be reused; absent: it serves one call. */
  readonly reuseUntilMs?: number;
  readonly reason: RouteReason;
  /** The candidates up to the chosen one. */
  readonly candidates: readonly Candidate[];
}
