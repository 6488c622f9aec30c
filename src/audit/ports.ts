import type { Provider } from "../base/provider.ts";
import type { SealedRecord } from "../seal/ports.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { Mutation } from "./mutation.ts";
import type { ChainBase, StoredRecord } from "./verify.ts";

/** Which records are wanted. An absent field does not narrow. */
export interface AuditFilter {
  readonly account?: string;
  readonly kind?: string;
  /** The caller's SPIFFE id. */
  readonly caller?: string;
  /** From this time on, in milliseconds since the Unix epoch. */
  readonly startMs?: number;
  /** Before this time. */
  readonly endMs?: number;
}

/** A part of a list, newest first. It may hold fewer than were asked for although more follow. */
export interface Newest<T> {
  readonly items: readonly T[];
  /** The next part begins before this position. Absent: there is nothing more. */
  readonly before?: bigint;
}

/** Reads one writer's audit. */
export interface AuditReader {
  /** Matching records below position `before` (undefined: all), newest first, at most `limit`. */
  newest(filter: AuditFilter, before: bigint | undefined, limit: number): Promise<Newest<StoredRecord>>;
  /** Records above `afterSeq` in stored order, at most `limit`; what was pruned is not among them. */
  read(afterSeq: bigint, limit: number): Promise<readonly StoredRecord[]>;
  /** The newest record's number and hash as the writer itself knows them; the chain's start when there is none. */
  head(): Promise<ChainBase>;
  /** Where the chain begins. */
  base(): Promise<ChainBase>;
}

/** Keeps checkpoints beside the chain. */
export interface CheckpointStore {
  /** Those of a greater size than `afterSize`, ascending, at most `limit`. */
  checkpoints(afterSize: bigint, limit: number): Promise<readonly Pick<Checkpoint, "size" | "note">[]>;
  /** The note of the greatest size, or undefined. */
  newestCheckpoint(): Promise<string | undefined>;
  /** Stores one durably. One of that size that is there already stays. */
  putCheckpoint(checkpoint: Checkpoint, timeMs: number): Promise<void>;
}

/** A checkpoint signing key as it is stored. */
export interface StoredSigningKey {
  /** From 1. */
  readonly version: number;
  readonly sealed: SealedRecord;
}

/** Keeps sealed signing keys. */
export interface SigningKeyStore {
  /** Ascending by version. */
  signingKeys(): Promise<readonly StoredSigningKey[]>;
  /** Stores a key durably, unless there is one of that version. Returns the one that is stored afterwards. */
  putSigningKey(key: StoredSigningKey, timeMs: number): Promise<StoredSigningKey>;
}

/** Records how far the audit was exported, and removes what was. */
export interface AuditPruner {
  /** How far the audit was exported without a gap. */
  exportedThrough(): Promise<bigint>;
  /** Notes, with an audit record, that everything above `afterSeq` up to `throughSeq` was exported. */
  noteExport(afterSeq: bigint, throughSeq: bigint, mutation: Mutation): Promise<void>;
  /**
   * Moves the chain's base to a record, with an audit record, in one transaction. Throws FIELDS_INVALID when it was not exported, has another hash, or no
   * checkpoint stands there. A base that is there already, or further, is left.
   */
  moveBase(base: ChainBase, mutation: Mutation): Promise<void>;
  /** Removes at most `limit` records up to the base. Returns how many; 0: nothing is left to remove. */
  removeBelowBase(limit: number): Promise<number>;
}

/** That a key version was given to a host. */
export interface ReleaseRecord {
  readonly seq: bigint;
  readonly routeId: string;
  /** Whose agent it was for. */
  readonly account: string;
  readonly agent: string;
  readonly host: string;
  readonly callId: string;
  readonly payer: "BYOK" | "HOSTED";
  readonly provider: Provider;
  readonly model: string;
  readonly upstreamModel: string;
  /** Whose key it was: the account's own, or the platform's. */
  readonly keyAccount: string;
  readonly keyId: string;
  readonly keyVersion: number;
  readonly timeMs: number;
  readonly untilMs: number;
}

/** Which releases are wanted. An absent field does not narrow. */
export interface ReleaseFilter {
  /** Releases for this account's agents, or of this account's keys. */
  readonly account?: string;
  /** Only releases of keys of this account. */
  readonly keyAccount?: string;
  readonly host?: string;
  readonly startMs?: number;
  readonly endMs?: number;
}

/** Names one version of one key. */
export interface KeyVersionRef {
  readonly account: string;
  readonly keyId: string;
  readonly version: number;
}

/** A key version that a fingerprint was stored with. */
export interface FingerprintedKey extends KeyVersionRef {
  readonly provider: Provider;
  readonly connectMs: number;
  /** Whether it is the version that the account has now. */
  readonly isCurrent: boolean;
}

/** A host that was given a key version. */
export interface Holder {
  readonly host: string;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly releases: bigint;
}

/** Tells which key versions went where. */
export interface ReleaseHistory {
  /** Matching releases below position `before`, newest first, at most `limit`. */
  newestReleases(filter: ReleaseFilter, before: bigint | undefined, limit: number): Promise<Newest<ReleaseRecord>>;
  /** Every key version, current or not, whose secret has this fingerprint; at most `limit`. */
  keysWithFingerprint(fingerprint: Uint8Array, limit: number): Promise<readonly FingerprintedKey[]>;
  /** Every host that was given the key version since `sinceMs`, ordered by host. `signal` ends the search with its reason. */
  holders(key: KeyVersionRef, sinceMs: number, signal: AbortSignal): Promise<readonly Holder[]>;
}
