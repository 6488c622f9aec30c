import { createHash } from "node:crypto";
import { type CanonicalField, canonicalBytes } from "../base/canonical.ts";
import type { RequestKey } from "./mutation.ts";

/** A hash of one payload field, for comparing two payloads without keeping either: SHA-256 over the canonical encoding, in hex. */
export function hashField(...values: readonly CanonicalField[]): string {
  return createHash("sha256").update(canonicalBytes(values)).digest("hex");
}

/**
 * The key under which the answer to a request is kept; undefined when the caller gave no request id. `fieldHashes` has every payload field by
 * its name. UUIDs are compared in lower case, as RFC 9562 §4 asks.
 */
export function requestKey(
  requestId: string,
  caller: { readonly spiffeId: string },
  method: string,
  account: string,
  fieldHashes: Readonly<Record<string, string>>,
): RequestKey | undefined {
  if (requestId === "") return undefined;
  return { caller: caller.spiffeId, method, account, requestId: requestId.toLowerCase(), fieldHashes };
}
