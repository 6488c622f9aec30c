import { setImmediate } from "node:timers/promises";
import { type Checkpoint, openCheckpoint, type VerifierKey, verifierText } from "../../audit/checkpoint.ts";
import type { AuditReader, CheckpointStore } from "../../audit/ports.ts";
import { type ChainBase, ChainVerifier, type Finding, type StoredRecord } from "../../audit/verify.ts";
import { refuse } from "../../base/errors.ts";

const READ_MAX = 500;
const CHECKPOINTS_READ_MAX = 1_000;
/** Records between two messages of progress. */
const PROGRESS_EVERY = 20_000n;

/** What verifying the audit needs. */
export interface VerifyAuditDeps {
  readonly audit: Pick<AuditReader, "read" | "base" | "head"> & Pick<CheckpointStore, "checkpoints">;
  /** Opens the signing keys, from their seals. */
  readonly signingKeys: () => Promise<readonly VerifierKey[]>;
  /** The notes in the file outside the database, and whether something else is in it. */
  readonly checkpointFile: () => Promise<{ readonly notes: readonly string[]; readonly isDamaged: boolean }>;
  /** The checkpoints' origin. */
  readonly origin: string;
}

/** How far the verification is. */
export interface VerifyProgress {
  readonly verified: bigint;
  readonly seq: bigint;
  readonly checkpoints: number;
  /** Those since the progress before. */
  readonly findings: readonly Finding[];
  readonly findingCount: number;
  readonly isDone: boolean;
  readonly baseSeq: bigint;
  readonly checkpointSeq: bigint;
  readonly verifierKeys: readonly string[];
}

/**
 * Verifies the whole audit against every checkpoint there is, in the database and outside. Gives progress, and in the end the verdict; calls are answered in
 * between. Ends early when `signal` aborts. Throws what opening the signing keys throws: without them no checkpoint says anything.
 */
export async function* verifyAudit(deps: VerifyAuditDeps, signal: AbortSignal): AsyncGenerator<VerifyProgress> {
  const keys = await deps.signingKeys();
  const { checkpoints, problems } = await gatherCheckpoints(deps, keys);
  // What is written while this runs is not waited for: the head is where it stood at the beginning, after the checkpoints were read.
  const { seq: headSeq } = await deps.audit.head();
  const base = await deps.audit.base();
  const verifier = new ChainVerifier(base, checkpoints);
  for (const { kind, seq, description } of problems) verifier.report(kind, seq, description);
  let isPruningOnRecord = base.seq === 0n;
  let told = 0;
  let nextProgress = PROGRESS_EVERY;
  const progress = (isDone: boolean): VerifyProgress => {
    const findings = verifier.findings.slice(told);
    told = verifier.findings.length;
    return {
      verified: verifier.records,
      seq: verifier.seq,
      checkpoints: verifier.checkpoints,
      findings,
      findingCount: verifier.findingCount,
      isDone,
      baseSeq: base.seq,
      checkpointSeq: verifier.checkpointSeq,
      verifierKeys: keys.map(verifierText),
    };
  };
  for (let at = base.seq; at < headSeq; ) {
    signal.throwIfAborted();
    const records = await deps.audit.read(at, READ_MAX);
    for (const record of records) {
      if (record.seq > headSeq) break;
      verifier.add(record);
      isPruningOnRecord ||= tellsOfPruning(record, base);
    }
    at = records.at(-1)?.seq ?? headSeq;
    if (verifier.records >= nextProgress) {
      nextProgress = verifier.records + PROGRESS_EVERY;
      yield progress(false);
    }
    await setImmediate();
  }
  if ((await deps.audit.base()).seq !== base.seq) {
    throw refuse("ETAG_MISMATCH", "The audit was pruned while it was verified. Verify it again.");
  }
  verifier.end(headSeq);
  if (!isPruningOnRecord) {
    verifier.report("MISSING", base.seq, "Everything up to this event is gone, and no pruning of it is on record.");
  }
  yield progress(true);
}

/** Whether the record is of the pruning that moved the chain's beginning here. */
function tellsOfPruning(record: StoredRecord, base: ChainBase): boolean {
  if (record.kind !== "audit.pruned") return false;
  const details = JSON.parse(record.details) as Record<string, unknown>;
  return details["through"] === base.seq.toString() && details["hash"] === Buffer.from(base.hash).toString("hex");
}

async function gatherCheckpoints(
  deps: VerifyAuditDeps,
  keys: readonly VerifierKey[],
): Promise<{ checkpoints: readonly Checkpoint[]; problems: readonly Finding[] }> {
  const problems: Finding[] = [];
  const byNote = new Map<string, Checkpoint>();
  let forged = 0;
  const take = (note: string): void => {
    if (byNote.has(note)) return;
    const checkpoint = openCheckpoint(note, deps.origin, keys);
    if (checkpoint === undefined) forged += 1;
    else byNote.set(note, checkpoint);
  };
  // The database is read first: a checkpoint that is signed meanwhile goes to the file before it goes there, and is then in neither reading or in the file's.
  const stored: string[] = [];
  for (let afterSize = 0n; ; ) {
    const part = await deps.audit.checkpoints(afterSize, CHECKPOINTS_READ_MAX);
    for (const { note } of part) {
      stored.push(note);
      take(note);
    }
    const last = part.at(-1);
    if (last === undefined) break;
    afterSize = last.size;
    await setImmediate();
  }
  const { notes, isDamaged } = await deps.checkpointFile();
  const outside = new Set(notes);
  for (const note of notes) take(note);
  const missing = stored.filter((note) => !outside.has(note)).length;
  if (forged > 0) {
    problems.push(problem("CHECKPOINT_FORGED", `${forged} checkpoints are not signed by a key of this installation.`));
  }
  if (missing > 0) {
    problems.push(
      problem("CHECKPOINT_MISSING", `${missing} checkpoints of the database are not in the file outside of it.`),
    );
  }
  if (isDamaged) problems.push(problem("CHECKPOINT_MISSING", "The checkpoint file holds something else in between."));
  return { checkpoints: [...byNote.values()], problems };
}

function problem(kind: Finding["kind"], description: string): Finding {
  return { kind, seq: 0n, description };
}
