const SCHEME = "spiffe://";
const ID_MAX_BYTES = 2048;
const TRUST_DOMAIN_MAX_BYTES = 255;
const TRUST_DOMAIN = /^[a-z0-9._-]+$/;
const PATH_SEGMENT = /^[A-Za-z0-9._-]+$/;

/** A SPIFFE id of a workload, taken apart. */
export interface SpiffeId {
  /** In lower case, since trust domains are compared without regard to case. */
  readonly trustDomain: string;
  /** Begins with a slash, never ends with one. Case matters. */
  readonly path: string;
}

/**
 * Takes a workload's SPIFFE id apart; undefined when it breaks a rule of the SPIFFE ID specification (§2): scheme `spiffe`, at most 2048 bytes,
 * trust domain of at most 255 bytes of letters, digits, dot, dash and underscore, a path that is not the root, no empty, `.` or `..` segment,
 * no percent-encoding, no user, port, query or fragment.
 */
export function parseSpiffeId(text: string): SpiffeId | undefined {
  // Every character that can be accepted is one byte long, so counting characters first is enough.
  if (text.length > ID_MAX_BYTES || !text.startsWith(SCHEME)) return undefined;
  const slash = text.indexOf("/", SCHEME.length);
  if (slash < 0) return undefined;
  const trustDomain = parseTrustDomain(text.slice(SCHEME.length, slash));
  const path = text.slice(slash);
  return trustDomain !== undefined && isSpiffePath(path) ? { trustDomain, path } : undefined;
}

/** A trust domain in lower case; undefined when it is none. */
export function parseTrustDomain(text: string): string | undefined {
  const lower = text.toLowerCase();
  return text.length <= TRUST_DOMAIN_MAX_BYTES && TRUST_DOMAIN.test(lower) ? lower : undefined;
}

/** Whether `path` may follow a trust domain: one or more segments, each after a slash. */
export function isSpiffePath(path: string): boolean {
  return path.startsWith("/") && path.slice(1).split("/").every(isPathSegment);
}

/** Whether `segment` may stand between two slashes of a path. */
export function isPathSegment(segment: string): boolean {
  return segment !== "." && segment !== ".." && PATH_SEGMENT.test(segment);
}

/** The id as text: what audits, placements and routes compare. */
export function formatSpiffeId(id: SpiffeId): string {
  return `${SCHEME}${id.trustDomain}${id.path}`;
}
