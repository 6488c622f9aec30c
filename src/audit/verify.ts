import { CHAIN_START, chainHash } from "./chain.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { AuditEvent } from "./event.ts";

/** A record as it is stored: the details in their one spelling, and the chain's hash at it. */
export interface StoredRecord extends Omit<AuditEvent, "details" | "kind"> {
  readonly writer: string;
  readonly seq: bigint;
  /** A word of `AuditKind`, or one that a newer version wrote. */
  readonly kind: string;
  readonly details: string;
  readonly hash: Uint8Array;
}

/** What is wrong with a chain. */
export type FindingKind =
  /** The record, or its hash, or the one before it, is not what was written. */
  | "ALTERED"
  /** Records before this one are gone. */
  | "MISSING"
  /** The record stands behind one with the same or a higher number. */
  | "OUT_OF_ORDER"
  /** The chain ends before a signed checkpoint. */
  | "TRUNCATED"
  /** The chain is another one than a signed checkpoint tells of. */
  | "FORKED"
  /** Checkpoints were taken away, or are not signed by a key of ours. */
  | "CHECKPOINT_MISSING"
  | "CHECKPOINT_FORGED";

/** One thing that is wrong, and at which record. */
export interface Finding {
  readonly kind: FindingKind;
  readonly seq: bigint;
  /** What that means, for an operator. */
  readonly description: string;
}

/** Where a chain begins: its very start, or the last record that was pruned. */
export interface ChainBase {
  readonly seq: bigint;
  readonly hash: Uint8Array;
}

/** A chain that nothing was pruned from. */
export const WHOLE_CHAIN: ChainBase = { seq: 0n, hash: CHAIN_START };

/** Findings that are kept; further ones are counted. */
const FINDINGS_MAX = 1_000;

/**
 * Verifies one writer's chain, record by record in stored order, against signed checkpoints. Pure: it reads nothing itself. Every record is compared with the
 * stored hash before it, so that one alteration is one finding and does not hide the next. What is cut off, or rewritten with fresh hashes, shows at the
 * next checkpoint; what came after the last checkpoint and was cut off cannot be seen by anyone.
 */
export class ChainVerifier {
  #seq: bigint;
  #hash: Uint8Array;
  #records = 0n;
  #checked = 0;
  #checkpointSeq = 0n;
  #findingCount = 0;
  readonly #findings: Finding[] = [];
  /** Ascending by size; several of one size stay side by side. */
  readonly #checkpoints: readonly Checkpoint[];
  #next = 0;

  /** `checkpoints`: those whose signatures held, from wherever they are kept, in any order. */
  constructor(base: ChainBase, checkpoints: readonly Checkpoint[]) {
    this.#seq = base.seq;
    this.#hash = base.hash;
    this.#checkpoints = [...checkpoints].sort((a, b) => (a.size < b.size ? -1 : a.size > b.size ? 1 : 0));
    // What was pruned cannot be compared any more; the checkpoint at the cut can.
    while ((this.#checkpoints[this.#next]?.size ?? base.seq) < base.seq) this.#next += 1;
    this.#compareCheckpoints();
  }

  /** Records seen so far. */
  get records(): bigint {
    return this.#records;
  }

  /** The highest record seen so far, or the base. */
  get seq(): bigint {
    return this.#seq;
  }

  /** Checkpoints that were compared so far and agree. */
  get checkpoints(): number {
    return this.#checked;
  }

  /** The greatest of them; 0 when there is none. What follows it could be cut off unseen. */
  get checkpointSeq(): bigint {
    return this.#checkpointSeq;
  }

  get findings(): readonly Finding[] {
    return this.#findings;
  }

  /** How many findings there are, also those beyond the thousand that are kept. */
  get findingCount(): number {
    return this.#findingCount;
  }

  /** Takes the next record in stored order. */
  add(record: StoredRecord): void {
    this.#records += 1n;
    if (record.seq <= this.#seq) {
      this.report("OUT_OF_ORDER", record.seq, `The record stands behind record ${this.#seq}.`);
      return;
    }
    if (record.seq > this.#seq + 1n) {
      this.report("MISSING", record.seq, `The ${record.seq - this.#seq - 1n} records before this one are gone.`);
      // Those that are gone cannot be compared with their checkpoints.
      while ((this.#checkpoints[this.#next]?.size ?? record.seq) < record.seq) this.#next += 1;
    } else if (!isSame(chainHash(this.#hash, record, record.details), record.hash)) {
      this.report("ALTERED", record.seq, "The record, its hash or the hash before it is not what was written.");
    }
    this.#seq = record.seq;
    this.#hash = record.hash;
    this.#compareCheckpoints();
  }

  /** Tells that the chain is over. `headSeq`: the record that its writer knows to be the newest. */
  end(headSeq: bigint = this.#seq): void {
    const size = this.#checkpoints.at(-1)?.size ?? 0n;
    if (size > this.#seq) {
      this.report("TRUNCATED", this.#seq, `The chain ends here, but a signed checkpoint tells of record ${size}.`);
    } else if (headSeq > this.#seq) {
      this.report("TRUNCATED", this.#seq, `The chain ends here, but record ${headSeq} was written.`);
    }
  }

  /** Adds a finding of the caller's own. */
  report(kind: FindingKind, seq: bigint, description: string): void {
    this.#findingCount += 1;
    if (this.#findings.length < FINDINGS_MAX) this.#findings.push({ kind, seq, description });
  }

  #compareCheckpoints(): void {
    for (;;) {
      const checkpoint = this.#checkpoints[this.#next];
      if (checkpoint === undefined || checkpoint.size > this.#seq) return;
      this.#next += 1;
      if (isSame(checkpoint.hash, this.#hash)) {
        this.#checked += 1;
        this.#checkpointSeq = checkpoint.size;
      } else this.report("FORKED", checkpoint.size, "A signed checkpoint tells of another chain up to this record.");
    }
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
