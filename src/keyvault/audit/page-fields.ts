import { hashField } from "../../audit/request-key.ts";
import type { FieldChecker } from "../../base/fields.ts";
import { LIMITS } from "../../base/limits.ts";
import { decodePageToken, encodePageToken } from "../../base/page-token.ts";

const POSITION = /^[1-9]\d{0,15}$/;

/** Which page of a list that runs from the newest to the oldest. */
export interface PageInput {
  /** From this time on, in milliseconds since the Unix epoch. */
  readonly startMs?: number | undefined;
  /** Before this time. */
  readonly endMs?: number | undefined;
  /** 0 means the default; more than the maximum means the maximum (AIP-158). */
  readonly pageSize: number;
  /** Empty: the first page. */
  readonly pageToken: string;
}

/** A page's fields, checked. */
export interface CheckedPage {
  readonly limit: number;
  /** The page begins below this position. Absent: at the newest. */
  readonly before: bigint | undefined;
  /** The token of the page that begins below `before`; empty when there is none. */
  token(before: bigint | undefined): string;
}

/** Checks a page's fields. A token serves the list and the filters that it was given for, and nothing else. */
export function checkPage(
  fields: FieldChecker,
  list: string,
  filters: readonly string[],
  input: PageInput,
): CheckedPage {
  const { startMs, endMs, pageSize, pageToken } = input;
  const scope = hashField(...filters, String(startMs), String(endMs)).slice(0, 32);
  const cursor = pageToken === "" ? undefined : decodePageToken(list, scope, pageToken);
  const isToken = pageToken === "" || (cursor !== undefined && POSITION.test(cursor));
  fields.check(isToken, "page_token", "must be the next_page_token of the page before, with the same filters");
  fields.check(pageSize >= 0, "page_size", "must not be negative");
  fields.check(startMs === undefined || endMs === undefined || startMs < endMs, "end_time", "must be after start_time");
  return {
    limit: pageSize === 0 ? LIMITS.auditPageDefault : Math.min(pageSize, LIMITS.auditPageMax),
    before: isToken && cursor !== undefined ? BigInt(cursor) : undefined,
    token: (before) => (before === undefined ? "" : encodePageToken(list, scope, before.toString())),
  };
}
