import { LIMITS } from "./limits.ts";

const TOKEN_MAX_CHARS = 6 * LIMITS.idMaxChars;

/**
 * An opaque page token of the list `list` of `account`: its next page begins after `cursor`. It carries no right to see anything: whoever comes with it
 * is checked like everybody else (AIP-158).
 */
export function encodePageToken(list: string, account: string, cursor: string): string {
  return Buffer.from(`${list}:${account}:${cursor}`, "utf8").toString("base64url");
}

/** Where the page begins; undefined when the token is not one of ours, or belongs to another list or account. */
export function decodePageToken(list: string, account: string, token: string): string | undefined {
  if (token.length > TOKEN_MAX_CHARS) return undefined;
  const parts = Buffer.from(token, "base64url").toString("utf8").split(":");
  const [itsList, owner, cursor] = parts;
  if (parts.length !== 3 || itsList !== list || owner !== account) return undefined;
  // Base64 readers skip what they do not know: only the very token that was given out counts.
  return cursor !== undefined && encodePageToken(list, account, cursor) === token ? cursor : undefined;
}
