import type { Checkpoint } from "../../src/audit/checkpoint.ts";
import type { AuditReader, CheckpointStore, SigningKeyStore, StoredSigningKey } from "../../src/audit/ports.ts";
import { type ChainBase, type StoredRecord, WHOLE_CHAIN } from "../../src/audit/verify.ts";
import { chainOf, factsOf } from "./chains.ts";

/** An audit in memory that a test writes to, and may tamper with. */
export interface MemoryAudit {
  readonly audit: Pick<AuditReader, "read" | "head" | "base"> & CheckpointStore & SigningKeyStore;
  chain: StoredRecord[];
  checkpoints: Checkpoint[];
  base: ChainBase;
  /** Set: storing a checkpoint fails. */
  isFull: boolean;
  write(count: number): void;
}

/** An empty audit. */
export function createMemoryAudit(): MemoryAudit {
  const signingKeys: StoredSigningKey[] = [];
  const memory: MemoryAudit = {
    chain: [],
    checkpoints: [],
    base: WHOLE_CHAIN,
    isFull: false,
    write(count) {
      const facts = Array.from({ length: count }, (_none, n) => factsOf(memory.chain.length + n));
      memory.chain.push(...chainOf(facts, memory.chain.at(-1)));
    },
    audit: {
      async read(afterSeq, limit) {
        return memory.chain.filter(({ seq }) => seq > afterSeq && seq > memory.base.seq).slice(0, limit);
      },
      async head() {
        return memory.chain.at(-1) ?? WHOLE_CHAIN;
      },
      async base() {
        return memory.base;
      },
      async checkpoints(afterSize, limit) {
        return memory.checkpoints.filter(({ size }) => size > afterSize).slice(0, limit);
      },
      async newestCheckpoint() {
        return memory.checkpoints.at(-1)?.note;
      },
      async putCheckpoint(checkpoint) {
        if (memory.isFull) throw new Error("the disk is full");
        memory.checkpoints.push(checkpoint);
      },
      async signingKeys() {
        return signingKeys;
      },
      async putSigningKey(key) {
        signingKeys.push(key);
        return key;
      },
    },
  };
  return memory;
}
