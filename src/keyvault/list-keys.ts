import type { Clock } from "../base/clock.ts";
import { FieldChecker } from "../base/fields.ts";
import { LIMITS } from "../base/limits.ts";
import { decodePageToken, encodePageToken } from "../base/page-token.ts";
import type { Caller } from "../identity/roles.ts";
import { checkAccountAccess } from "./account-access.ts";
import { recordAt } from "./change-state.ts";
import type { KeyRecord, KeyStore } from "./ports.ts";

const LIST = "keys";

/** What listing keys needs. */
export interface ListKeysDeps {
  readonly keys: Pick<KeyStore, "list">;
  readonly clock: Pick<Clock, "nowMs">;
}

/** Which page of which account's keys. */
export interface ListKeysInput {
  readonly account: string;
  /** 0 means the default; more than the maximum means the maximum (AIP-158). */
  readonly pageSize: number;
  /** Empty: the first page. */
  readonly pageToken: string;
}

/** A page of keys, ordered by key id. */
export interface KeysPage {
  readonly keys: readonly KeyRecord[];
  /** Empty: this was the last page. */
  readonly nextPageToken: string;
}

/** The account's keys; none for an unknown account. Throws FIELDS_INVALID or ROLE_NOT_ALLOWED. */
export async function listKeys(deps: ListKeysDeps, input: ListKeysInput, caller: Caller): Promise<KeysPage> {
  const afterKeyId = input.pageToken === "" ? "" : decodePageToken(LIST, input.account, input.pageToken);
  const fields = new FieldChecker();
  fields.id("account", input.account);
  fields.check(input.pageSize >= 0, "page_size", "must not be negative");
  fields.check(afterKeyId !== undefined, "page_token", "must be the next_page_token of this account's page before");
  fields.done();
  checkAccountAccess(input.account, caller, "read");
  const size = input.pageSize === 0 ? LIMITS.keysPageDefault : Math.min(input.pageSize, LIMITS.keysPageMax);
  // One more than asked for tells whether there is a next page.
  const found = await deps.keys.list(input.account, size + 1, afterKeyId ?? "");
  const nowMs = deps.clock.nowMs();
  const keys = found.slice(0, size).map((record) => recordAt(record, nowMs));
  const last = keys.at(-1);
  const nextPageToken =
    found.length > size && last !== undefined ? encodePageToken(LIST, input.account, last.keyId) : "";
  return { keys, nextPageToken };
}
