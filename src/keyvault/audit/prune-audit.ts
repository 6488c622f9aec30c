import type { AuditPruner, AuditReader } from "../../audit/ports.ts";
import { hashField, requestKey } from "../../audit/request-key.ts";
import type { Clock } from "../../base/clock.ts";
import { FieldChecker } from "../../base/fields.ts";
import type { Caller } from "../../identity/roles.ts";

const METHOD = "plori.keyvault.v1.KeyVaultService/PruneAudit";
const HASH_BYTES = 32;
/** Removed in one transaction: other writes wait no longer than for these. */
const REMOVED_AT_ONCE = 500;

/** What pruning needs. */
export interface PruneAuditDeps {
  readonly audit: Pick<AuditReader, "base"> & Pick<AuditPruner, "moveBase" | "removeBelowBase">;
  readonly clock: Pick<Clock, "nowMs">;
}

/** Up to which record, and the proof of having it. */
export interface PruneAuditInput {
  readonly throughSeq: bigint;
  readonly hash: Uint8Array;
  readonly requestId: string;
  readonly actor: string;
}

/**
 * Removes the oldest records, which must have been exported, up to one that has a signed checkpoint. First the chain's base moves, with the pruning on record;
 * then the records go, some at a time. When the caller leaves in between, the next call goes on. Throws FIELDS_INVALID or REQUEST_ID_CONFLICT.
 */
export async function pruneAudit(
  deps: PruneAuditDeps,
  input: PruneAuditInput,
  caller: Caller,
  signal: AbortSignal,
): Promise<{ readonly baseSeq: bigint; readonly removed: bigint }> {
  const { throughSeq, hash, requestId, actor } = input;
  const fields = new FieldChecker();
  fields.check(throughSeq >= 1n, "through_sequence", "must be at least 1");
  fields.check(hash.length === HASH_BYTES, "hash", `must be ${HASH_BYTES} bytes`);
  fields.requestId(requestId);
  fields.actor(actor);
  fields.done();
  const details = { through: throughSeq.toString(), hash: Buffer.from(hash).toString("hex") };
  const request = requestKey(requestId, caller, METHOD, "", {
    through_sequence: hashField(details.through),
    hash: hashField(details.hash),
    actor: hashField(actor),
  });
  await deps.audit.moveBase(
    { seq: throughSeq, hash },
    {
      audit: {
        kind: "audit.pruned",
        timeMs: deps.clock.nowMs(),
        caller: caller.spiffeId,
        actor,
        account: "",
        subject: "",
        details,
      },
      ...(request === undefined ? {} : { request }),
    },
  );
  let removed = 0;
  for (;;) {
    signal.throwIfAborted();
    const count = await deps.audit.removeBelowBase(REMOVED_AT_ONCE);
    removed += count;
    if (count < REMOVED_AT_ONCE) break;
  }
  return { baseSeq: (await deps.audit.base()).seq, removed: BigInt(removed) };
}
