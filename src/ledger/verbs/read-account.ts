import { hashField } from "../../audit/request-key.ts";
import { FieldChecker } from "../../base/fields.ts";
import { LIMITS } from "../../base/limits.ts";
import { decodePageToken, encodePageToken } from "../../base/page-token.ts";
import type { Balance } from "../balance.ts";
import { readChargeFilter } from "../charge-filter.ts";
import type { LedgerStore } from "../ports.ts";
import type { ChargeRow } from "../rows.ts";

const LIST = "charges";
const FILTER_HASH_CHARS = 16;
const SEQUENCE = /^[1-9]\d{0,15}$/;

/** The account's balance as of now; all zero for an unknown account. Throws FIELDS_INVALID. */
export async function getBalance(ledger: Pick<LedgerStore, "balance">, account: string): Promise<Balance> {
  const fields = new FieldChecker();
  fields.id("account", account);
  fields.done();
  return ledger.balance(account);
}

/** Which page of which account's charges. */
export interface ListChargesInput {
  readonly account: string;
  /** 0 means the default; more than the maximum means the maximum (AIP-158). */
  readonly pageSize: number;
  /** Empty: the first page. */
  readonly pageToken: string;
  /** See `readChargeFilter`; empty: every charge. */
  readonly filter: string;
}

/** A page of charges, newest first. */
export interface ChargesPage {
  readonly charges: readonly ChargeRow[];
  /** Empty: this was the last page. */
  readonly nextPageToken: string;
}

/** The account's charges, newest first; none for an unknown account. Throws FIELDS_INVALID. */
export async function listCharges(
  ledger: Pick<LedgerStore, "listCharges" | "findCharges">,
  { account, pageSize, pageToken, filter }: ListChargesInput,
): Promise<ChargesPage> {
  // A token goes on with the filter that it was given for.
  const list = filter === "" ? LIST : `${LIST}-${hashField(filter).slice(0, FILTER_HASH_CHARS)}`;
  const cursor = pageToken === "" ? undefined : decodePageToken(list, account, pageToken);
  const reading = readChargeFilter(filter);
  const fields = new FieldChecker();
  fields.id("account", account);
  fields.check(pageSize >= 0, "page_size", "must not be negative");
  fields.check(
    pageToken === "" || (cursor !== undefined && SEQUENCE.test(cursor)),
    "page_token",
    "must be the next_page_token of this account's page before, with the same filter",
  );
  fields.check(reading.kind === "ok", "filter", reading.kind === "ok" ? "" : reading.problem);
  fields.done();
  const size = pageSize === 0 ? LIMITS.chargesPageDefault : Math.min(pageSize, LIMITS.chargesPageMax);
  if (reading.kind === "ok" && reading.conditions.length > 0) {
    const before = cursor === undefined ? undefined : Number(cursor);
    const { charges, nextSequence } = await ledger.findCharges(account, reading.conditions, size, before);
    const token = nextSequence === undefined ? "" : encodePageToken(list, account, String(nextSequence));
    return { charges, nextPageToken: token };
  }
  // One more than asked for tells whether there is a next page.
  const found = await ledger.listCharges(account, size + 1, cursor === undefined ? undefined : Number(cursor));
  const charges = found.slice(0, size);
  const last = charges.at(-1);
  const more = found.length > size && last !== undefined;
  return { charges, nextPageToken: more ? encodePageToken(list, account, String(last.sequence)) : "" };
}
