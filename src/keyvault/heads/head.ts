import { createHash } from "node:crypto";
import { canonicalBytes } from "../../base/canonical.ts";
import type { HeadEntry, HeadState, VaultHead, VaultRow } from "../vault-ports.ts";

const DOMAIN = "plori/vault-head/v1";

/** What is wrong with a record, a head, or the two together. */
export type VaultFault =
  /** The record does not open: altered, moved, sealed elsewhere. */
  | "RECORD_CORRUPT"
  /** KMS refuses the data key. */
  | "KEY_UNREADABLE"
  /** KMS did not answer: nothing is known. */
  | "NOT_CHECKED"
  /** The head does not vouch for it: an older version put back, or a row moved here. */
  | "ROLLED_BACK"
  /** The head vouches for a key that is not there and that nobody removed. */
  | "MISSING"
  /** There are keys, but no head. */
  | "HEAD_MISSING"
  /** The head fails its MAC. */
  | "HEAD_CORRUPT"
  /** The audit knows a newer head. */
  | "HEAD_ROLLED_BACK";

/** SHA-256 of sealed bytes, in hex. */
export function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The head's entry for a sealed key. */
export function entryOf({ keyId, version, sealed }: Pick<VaultRow, "keyId" | "version" | "sealed">): HeadEntry {
  return { keyId, version, digest: digestOf(sealed.bytes) };
}

/** The bytes that a head's MAC is over: all of it, each field preceded by its length. */
export function headBytes(head: Pick<VaultHead, "account" | "epoch" | "entries">): Buffer {
  const entries = head.entries.flatMap(({ keyId, version, digest }) => [keyId, version, digest]);
  return canonicalBytes([DOMAIN, head.account, head.epoch, head.entries.length, ...entries]);
}

/** What the head vouches for: its entries less what was removed since. Or what is wrong with it. */
export type HeadTrust =
  | { readonly kind: "trusted"; readonly entries: readonly HeadEntry[] }
  | { readonly kind: "untrusted"; readonly fault: VaultFault };

/** Judges a head whose MAC was checked (`macHolds`; of no matter when there is no head). */
export function judgeHead({ head, removed, auditedEpoch }: HeadState, macHolds: boolean): HeadTrust {
  if (head === undefined) {
    return auditedEpoch === 0 ? { kind: "untrusted", fault: "HEAD_MISSING" } : untrusted("HEAD_ROLLED_BACK");
  }
  if (!macHolds) return untrusted("HEAD_CORRUPT");
  if (head.epoch < auditedEpoch) return untrusted("HEAD_ROLLED_BACK");
  const gone = new Set(removed.map(({ keyId, version }) => `${version}/${keyId}`));
  return { kind: "trusted", entries: head.entries.filter(({ keyId, version }) => !gone.has(`${version}/${keyId}`)) };
}

function untrusted(fault: VaultFault): HeadTrust {
  return { kind: "untrusted", fault };
}

/** Whether these entries vouch for that sealed key. */
export function vouchesFor(entries: readonly HeadEntry[], key: HeadEntry): boolean {
  return entries.some(
    ({ keyId, version, digest }) => keyId === key.keyId && version === key.version && digest === key.digest,
  );
}

/** `entries` with `entry` in the place of the one of that key id, in order. */
export function withEntry(entries: readonly HeadEntry[], entry: HeadEntry): readonly HeadEntry[] {
  const others = entries.filter(({ keyId }) => keyId !== entry.keyId);
  return [...others, entry].sort((a, b) => (a.keyId < b.keyId ? -1 : a.keyId > b.keyId ? 1 : 0));
}
