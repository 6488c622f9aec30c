import { MAX_NANO } from "../../base/credits.ts";
import { refuse } from "../../base/errors.ts";
import { FieldChecker } from "../../base/fields.ts";
import { LIMITS } from "../../base/limits.ts";
import { decodePageToken, encodePageToken } from "../../base/page-token.ts";
import type { Provider } from "../../base/provider.ts";
import type { LedgerStore } from "../ports.ts";
import type { PriceItem, PriceVersion } from "../price-book.ts";
import type { PricedUsage } from "../price-usage.ts";
import type { Component } from "../rows.ts";

const LIST = "prices";
const VERSION_NAME = /^priceVersions\/([1-9]\d{0,8})$/;
const OFFSET = /^[1-9]\d{0,5}$/;
const METERS: readonly Component[] = ["VCPU", "MEMORY", "DISK"];

/** What reading prices needs. */
export interface ReadPricesDeps {
  readonly ledger: Pick<LedgerStore, "listPrices" | "previewCharge">;
}

/** A page of a version's items. Throws FIELDS_INVALID, PRICE_NOT_FOUND (no such version). */
export async function listPrices(
  { ledger }: ReadPricesDeps,
  input: { readonly priceVersion: string; readonly pageSize: number; readonly pageToken: string },
): Promise<{
  readonly version: PriceVersion | undefined;
  readonly items: readonly PriceItem[];
  readonly nextPageToken: string;
}> {
  const { priceVersion, pageSize, pageToken } = input;
  const fields = new FieldChecker();
  const asked = readVersion(fields, priceVersion);
  // A page goes on in the version of its first page, whatever was published since.
  const cursor = pageToken === "" ? undefined : decodePageToken(LIST, priceVersion, pageToken)?.split(".");
  const [pinned = "", offset = ""] = cursor ?? [];
  fields.check(pageSize >= 0, "page_size", "must not be negative");
  fields.check(
    pageToken === "" || (OFFSET.test(pinned) && OFFSET.test(offset)),
    "page_token",
    "must be the next_page_token of this version's page before",
  );
  fields.done();
  const size = pageSize === 0 ? LIMITS.chargesPageDefault : Math.min(pageSize, LIMITS.chargesPageMax);
  const from = pageToken === "" ? 0 : Number(offset);
  const found = await ledger.listPrices(pageToken === "" ? asked : Number(pinned), from, size + 1);
  if (found === undefined) {
    if (asked === undefined) return { version: undefined, items: [], nextPageToken: "" };
    throw noVersion(priceVersion);
  }
  const items = found.items.slice(0, size);
  const next = encodePageToken(LIST, priceVersion, `${found.version.version}.${from + size}`);
  return { version: found.version, items, nextPageToken: found.items.length > size ? next : "" };
}

/** Usage to price. Undefined components and providers are ones that nobody knows. */
export interface PreviewChargeInput {
  readonly quantities: readonly { readonly component: Component | undefined; readonly quantity: bigint }[];
  readonly provider: Provider | "" | undefined;
  readonly upstreamModel: string;
  readonly canonicalModel: string;
  readonly priceVersion: string;
}

/** What usage would cost. Throws FIELDS_INVALID, PRICE_NOT_FOUND (no such version, or none in force). */
export async function previewCharge(
  { ledger }: ReadPricesDeps,
  { quantities, provider, upstreamModel, canonicalModel, priceVersion }: PreviewChargeInput,
): Promise<{ readonly priced: PricedUsage; readonly version: PriceVersion }> {
  const fields = new FieldChecker();
  const version = readVersion(fields, priceVersion);
  const components = quantities.map(({ component }) => component);
  const meters = components.filter((component) => component !== undefined && METERS.includes(component)).length;
  const isModel = meters === 0;
  fields.check(quantities.length >= 1 && !components.includes(undefined), "quantities", "must name known components");
  fields.check(new Set(components).size === components.length, "quantities", "must name each component once");
  fields.check(isModel || meters === components.length, "quantities", "must not mix model calls with compute and disk");
  for (const [index, { quantity }] of quantities.entries()) {
    const inRange = quantity >= 0n && quantity <= LIMITS.quantityMax;
    fields.check(inRange, `quantities[${index}].quantity`, `must be 0-${LIMITS.quantityMax.toString()}`);
  }
  fields.check(!isModel || (provider !== "" && provider !== undefined), "provider", "must be one that serves models");
  fields.check(isModel || provider === "", "provider", "must be unspecified for compute and disk");
  fields.text("upstream_model", upstreamModel, isModel ? 1 : 0, isModel ? LIMITS.modelMaxChars : 0);
  fields.text("model", canonicalModel, 0, isModel ? LIMITS.modelMaxChars : 0);
  fields.done();
  const found = await ledger.previewCharge({
    quantities: Object.fromEntries(quantities.map(({ component, quantity }) => [component ?? "", quantity])),
    model: isModel && provider ? { provider, upstreamModel, canonicalModel } : undefined,
    version,
  });
  if (found === undefined) throw noVersion(priceVersion);
  fields.check(found.priced.totalNano <= MAX_NANO, "quantities", "come to more credits than the ledger can hold");
  fields.done();
  return found;
}

function readVersion(fields: FieldChecker, name: string): number | undefined {
  const version = VERSION_NAME.exec(name)?.[1];
  fields.check(name === "" || version !== undefined, "price_version", "must be priceVersions/{version}, or empty");
  return version === undefined ? undefined : Number(version);
}

function noVersion(name: string) {
  return refuse(
    "PRICE_NOT_FOUND",
    name === "" ? "No prices are in force." : `There is no price version ${name}.`,
    name === "" ? {} : { price_version: name },
  );
}
