import { FieldChecker } from "../../base/fields.ts";
import { LIMITS } from "../../base/limits.ts";
import { decodePageToken, encodePageToken } from "../../base/page-token.ts";
import type { LedgerStore } from "../ports.ts";
import { chargeNotFound } from "../reverse-charge.ts";
import type { ChargeRow, GrantRow } from "../rows.ts";
import { readChargeName } from "./corrections.ts";

const LIST = "grants";

/** A page of an account's grants, newest first, spent ones included; none for an unknown account. Throws FIELDS_INVALID. */
export async function listGrants(
  ledger: Pick<LedgerStore, "listGrants">,
  { account, pageSize, pageToken }: { readonly account: string; readonly pageSize: number; readonly pageToken: string },
): Promise<{ readonly grants: readonly GrantRow[]; readonly nextPageToken: string }> {
  const cursor = pageToken === "" ? undefined : decodePageToken(LIST, account, pageToken);
  const fields = new FieldChecker();
  fields.id("account", account);
  fields.check(pageSize >= 0, "page_size", "must not be negative");
  fields.check(
    pageToken === "" || cursor !== undefined,
    "page_token",
    "must be the next_page_token of this account's page before",
  );
  fields.done();
  const size = pageSize === 0 ? LIMITS.grantsPageDefault : Math.min(pageSize, LIMITS.grantsPageMax);
  const found = await ledger.listGrants(account, size + 1, cursor);
  const grants = found.slice(0, size);
  const last = grants.at(-1);
  const more = found.length > size && last !== undefined;
  return { grants, nextPageToken: more ? encodePageToken(LIST, account, last.grantId) : "" };
}

/** A charge by its resource name, and the sequence of the one that undid it. Throws FIELDS_INVALID, CHARGE_NOT_FOUND. */
export async function getCharge(
  ledger: Pick<LedgerStore, "findCharge">,
  name: string,
): Promise<{ readonly charge: ChargeRow; readonly reversedBy: number | undefined }> {
  const ref = readChargeName(name);
  const found = await ledger.findCharge(ref.account, ref.sequence);
  if (found === undefined) throw chargeNotFound(ref);
  return found;
}
