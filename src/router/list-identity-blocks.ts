import { FieldChecker } from "../base/fields.ts";
import { LIMITS } from "../base/limits.ts";
import { decodePageToken, encodePageToken } from "../base/page-token.ts";
import type { IdentityBlock, IdentityBlockStore } from "./identity-block-ports.ts";

const LIST = "identity-blocks";
const POSITION = /^[0-9]{1,15}$/;

/** What listing blocks needs. */
export interface ListIdentityBlocksDeps {
  readonly identityBlocks: Pick<IdentityBlockStore, "list">;
}

/** A page of blocks, the newest first. */
export interface IdentityBlocksPage {
  readonly blocks: readonly IdentityBlock[];
  /** Empty: this was the last page. */
  readonly nextPageToken: string;
}

/** Who is blocked. `pageSize` 0 means the default, more than the maximum means the maximum (AIP-158). Throws FIELDS_INVALID. */
export async function listIdentityBlocks(
  deps: ListIdentityBlocksDeps,
  { pageSize, pageToken }: { readonly pageSize: number; readonly pageToken: string },
): Promise<IdentityBlocksPage> {
  const cursor = pageToken === "" ? undefined : decodePageToken(LIST, "", pageToken);
  const isPosition = cursor !== undefined && POSITION.test(cursor);
  const fields = new FieldChecker();
  fields.check(pageSize >= 0, "page_size", "must not be negative");
  fields.check(pageToken === "" || isPosition, "page_token", "must be the next_page_token of the page before");
  fields.done();
  const size = pageSize === 0 ? LIMITS.identityBlocksPageDefault : Math.min(pageSize, LIMITS.identityBlocksPageMax);
  // One more than asked for tells whether there is a next page.
  const found = await deps.identityBlocks.list(isPosition ? BigInt(cursor) : undefined, size + 1);
  const page = found.slice(0, size);
  const last = page.at(-1);
  const nextPageToken = found.length > size && last !== undefined ? encodePageToken(LIST, "", String(last.seq)) : "";
  return { blocks: page.map(({ seq: _seq, ...block }) => block), nextPageToken };
}
