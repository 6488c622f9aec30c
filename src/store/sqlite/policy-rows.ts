import { refuse } from "../../base/errors.ts";
import { PROVIDERS, type Provider } from "../../base/provider.ts";
import type { ModelPin, PolicyRecord } from "../../router/ports.ts";

/** Selects an account's policy; its row is read by `toPolicyRecord`. */
export const SELECT_POLICY =
  "SELECT account, revision, provider_order AS providerOrder, pins, on_key_failure AS onKeyFailure, max_hosted_nano AS maxHostedNano, " +
  "update_ms AS updateMs FROM routing_policy WHERE account = ?";

interface PolicyRow {
  readonly account: string;
  readonly revision: bigint;
  /** JSON. */
  readonly providerOrder: string;
  /** JSON: pairs of model and provider. */
  readonly pins: string;
  readonly onKeyFailure: PolicyRecord["onKeyFailure"];
  readonly maxHostedNano: bigint | null;
  readonly updateMs: bigint;
}

/** How pins are stored. */
export function storedPins(pins: readonly ModelPin[]): string {
  return JSON.stringify(pins.map(({ model, provider }) => [model, provider]));
}

/** A row as the router floor knows it; undefined when there is none. Throws RECORD_CORRUPT when it names a provider that this version does not know. */
export function toPolicyRecord(row: unknown): PolicyRecord | undefined {
  if (row === undefined) return undefined;
  const { account, revision, providerOrder, pins, onKeyFailure, maxHostedNano, updateMs } = row as PolicyRow;
  return {
    account,
    revision: Number(revision),
    providerOrder: (JSON.parse(providerOrder) as string[]).map(toKnown),
    pins: (JSON.parse(pins) as [string, string][]).map(([model, slug]) => ({ model, provider: toKnown(slug) })),
    onKeyFailure,
    ...(maxHostedNano === null ? {} : { maxHostedCallNano: maxHostedNano }),
    updateMs: Number(updateMs),
  };
}

/** What was chosen in words that we do not know must not be left out in silence: the call would go, and bill, elsewhere. */
function toKnown(slug: string): Provider {
  const provider = PROVIDERS.find((known) => known === slug);
  if (provider === undefined)
    throw refuse("RECORD_CORRUPT", "A stored routing policy names a provider that does not exist.");
  return provider;
}
