import type { AuditPruner, AuditReader, CheckpointStore } from "../../audit/ports.ts";
import type { StoredRecord } from "../../audit/verify.ts";
import type { Clock } from "../../base/clock.ts";
import { refuse } from "../../base/errors.ts";
import { FieldChecker } from "../../base/fields.ts";
import type { Caller } from "../../identity/roles.ts";

const EVENTS_PER_PART = 200;

/** What exporting needs. */
export interface ExportAuditDeps {
  readonly audit: Pick<AuditReader, "read" | "head" | "base"> &
    Pick<CheckpointStore, "checkpoints"> &
    Pick<AuditPruner, "noteExport">;
  readonly clock: Pick<Clock, "nowMs">;
}

/** Which records: those after `afterSeq` through `throughSeq`; 0 for the newest there is when the export begins. */
export interface ExportAuditInput {
  readonly afterSeq: bigint;
  readonly throughSeq: bigint;
}

/** Some records, and the signed notes of the checkpoints that stand at them. */
export interface ExportPart {
  readonly records: readonly StoredRecord[];
  readonly checkpoints: readonly string[];
}

/**
 * The audit in order. When everything was taken, how far it got is noted in the audit; only what was exported may be pruned. Throws FIELDS_INVALID, also for
 * records that were pruned: their export would have a gap.
 */
export async function* exportAudit(
  deps: ExportAuditDeps,
  { afterSeq, throughSeq }: ExportAuditInput,
  caller: Caller,
  signal: AbortSignal,
): AsyncGenerator<ExportPart> {
  const base = await deps.audit.base();
  const head = await deps.audit.head();
  const fields = new FieldChecker();
  const after = afterSeq === 0n ? base.seq : afterSeq;
  const through = throughSeq === 0n ? head.seq : throughSeq;
  fields.check(after >= base.seq && after <= head.seq, "after_sequence", `must be 0, or ${base.seq}-${head.seq}`);
  fields.check(
    through >= after && through <= head.seq,
    "through_sequence",
    `must be 0, or from after_sequence to ${head.seq}, the newest event`,
  );
  fields.done();
  for (let at = after; at < through; ) {
    signal.throwIfAborted();
    const records = (await deps.audit.read(at, EVENTS_PER_PART)).filter(({ seq }) => seq <= through);
    const last = records.at(-1);
    // Pruned meanwhile, or taken away: what was sent ends here, and is not noted as whole.
    if (last === undefined || records[0]?.seq !== at + 1n || last.seq !== at + BigInt(records.length)) {
      throw refuse("RECORD_CORRUPT", `The audit has a gap after event ${at}. Run VerifyAudit.`);
    }
    const found = await deps.audit.checkpoints(at, records.length);
    const checkpoints = found.filter(({ size }) => size <= last.seq).map(({ note }) => note);
    yield { records, checkpoints };
    at = last.seq;
  }
  if (through === after) return;
  signal.throwIfAborted();
  await deps.audit.noteExport(after, through, {
    audit: {
      kind: "audit.exported",
      timeMs: deps.clock.nowMs(),
      caller: caller.spiffeId,
      actor: "",
      account: "",
      subject: "",
      details: { after: after.toString(), through: through.toString() },
    },
  });
}
