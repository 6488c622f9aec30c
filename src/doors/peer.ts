import type { BlockedIdentities } from "../identity/blocked-identities.ts";
import { type RoleMap, roleOf } from "../identity/role-map.ts";
import type { Caller } from "../identity/roles.ts";
import { readSvid, type SvidFault } from "../identity/svid.ts";

/** Who stands at the other end of a connection: read from its certificate once, when the connection begins. */
export type Peer =
  | { readonly kind: "caller"; readonly caller: Caller; readonly notAfterMs: number }
  /** A valid SVID that the role map gives no role: it may ask for health and reflection only. */
  | { readonly kind: "no-role"; readonly spiffeId: string; readonly notAfterMs: number }
  /** A valid SVID that an admin has shut out. */
  | { readonly kind: "blocked"; readonly spiffeId: string; readonly notAfterMs: number }
  /** The chain is ours, but the certificate breaks an SVID rule. */
  | { readonly kind: "refused"; readonly why: SvidFault; readonly notAfterMs: number };

/** Who is shut out. */
export type Blocklist = Pick<BlockedIdentities, "has">;

/** Reads the peer from its leaf certificate (DER). Never throws. */
export function readPeer(
  certificate: Uint8Array,
  rules: {
    readonly trustDomain: string;
    readonly roleMap: RoleMap;
    readonly blocked: Blocklist | undefined;
    readonly nowMs: number;
  },
): Peer {
  const svid = readSvid(certificate, rules);
  if (svid.kind === "refused") return { kind: "refused", why: svid.why, notAfterMs: Number.POSITIVE_INFINITY };
  const { spiffeId, notAfterMs } = svid;
  if (rules.blocked?.has(spiffeId) === true) return { kind: "blocked", spiffeId, notAfterMs };
  const role = roleOf(rules.roleMap, svid.path);
  if (role === undefined) return { kind: "no-role", spiffeId, notAfterMs };
  return { kind: "caller", caller: { spiffeId, ...role }, notAfterMs };
}

/** The SPIFFE id of a peer that has a valid one. */
export function spiffeIdOf(peer: Peer): string | undefined {
  if (peer.kind === "caller") return peer.caller.spiffeId;
  return peer.kind === "refused" ? undefined : peer.spiffeId;
}
