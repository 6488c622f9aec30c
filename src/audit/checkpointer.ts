import { setImmediate } from "node:timers/promises";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { type Checkpoint, openCheckpoint, type SignerKey, signCheckpoint } from "./checkpoint.ts";
import { type CheckpointFile, openCheckpointFile, readCheckpointFile } from "./checkpoint-file.ts";
import type { AuditReader, CheckpointStore } from "./ports.ts";
import { openSigner, type SigningKeyDeps } from "./signing-key.ts";
import { ChainVerifier } from "./verify.ts";

/** How often the chain is looked at. */
const LOOK_EVERY_MS = 1_000;
/** So many new records, or so much time with any, and a checkpoint is due. */
const RECORDS_PER_CHECKPOINT = 1_000n;
const CHECKPOINT_EVERY_MS = 10_000;
/** How long to wait after a failure: the KMS or the disk is away. */
const RETRY_AFTER_MS = 10_000;
const READ_MAX = 1_000;

/** What signing checkpoints needs. */
export interface CheckpointerDeps extends Omit<SigningKeyDeps, "store" | "clock"> {
  readonly audit: Pick<AuditReader, "head" | "read" | "base">;
  readonly store: CheckpointStore & SigningKeyDeps["store"];
  readonly clock: Clock;
  readonly log: Log;
  /** Outside the database, best on another disk or machine: whoever rewrites the one must not be able to rewrite the other. */
  readonly filePath: string;
  /** Runs something every so often until the returned function is called. Absent: a timer that keeps no process alive. */
  readonly every?: (ms: number, run: () => Promise<void>) => () => void;
}

/** Signs checkpoints in the background. */
export interface Checkpointer {
  /** Signs the chain as it is now, unless nothing happened since the last checkpoint. Throws what stands in the way. */
  checkpoint(): Promise<void>;
  /** 1 when no checkpoints are signed since the chain is not the one that the last one tells of; 0 otherwise. */
  readonly isStopped: boolean;
  /** Signs a last checkpoint, if it can, and ends. */
  stop(): Promise<void>;
}

interface Signing {
  readonly signer: SignerKey;
  readonly file: CheckpointFile;
  size: bigint;
  atMs: number;
}

/**
 * Signs a checkpoint at most a second after a thousand new records, and after ten seconds with any, into the file first and then into the database. The head
 * comes from the writer's own memory, so that what somebody changes in the database while the process runs is never signed; what was changed while it did not
 * run is compared with the last checkpoint before anything is signed, and then nothing is signed at all: the log line, the gauge and VerifyAudit tell.
 */
export function startCheckpointer(deps: CheckpointerDeps): Checkpointer {
  const { audit, store, clock, log } = deps;
  let signing: Signing | undefined;
  let isStopped = false;
  let retryAtMs = 0;
  let running: Promise<void> = Promise.resolve();

  async function begin(): Promise<Signing> {
    const { signer, keys } = await openSigner(deps);
    const last = await lastCheckpoint(deps, keys);
    await assertContinues(deps, last);
    const file = await openCheckpointFile(deps.filePath);
    return { signer, file, size: last?.size ?? 0n, atMs: Number.NEGATIVE_INFINITY };
  }

  async function sign(isDue: (size: bigint, head: bigint, atMs: number) => boolean): Promise<void> {
    if (isStopped) return;
    signing ??= await begin().catch((error: unknown) => {
      if (error instanceof ChainDiffersError) {
        isStopped = true;
        log.error(
          "the audit chain is not the one that the last checkpoint tells of; no checkpoint is signed. Run VerifyAudit",
          {
            err: error,
          },
        );
      }
      throw error;
    });
    const head = await audit.head();
    if (head.seq === signing.size || !isDue(signing.size, head.seq, signing.atMs)) return;
    const checkpoint = signCheckpoint(signing.signer, deps.name, head.seq, head.hash);
    await signing.file.append(checkpoint.note);
    await store.putCheckpoint(checkpoint, clock.nowMs());
    signing.size = head.seq;
    signing.atMs = clock.monotonicMs();
  }

  /** One at a time: two checkpoints of one size, or in the wrong order, would look like a fork. */
  function inTurn(isDue: Parameters<typeof sign>[0]): Promise<void> {
    const turn = running.then(() => sign(isDue));
    running = turn.catch(() => {});
    return turn;
  }

  /** Never rejects. */
  async function look(): Promise<void> {
    if (isStopped || clock.monotonicMs() < retryAtMs) return;
    await inTurn(
      (size, head, atMs) => head - size >= RECORDS_PER_CHECKPOINT || clock.monotonicMs() - atMs >= CHECKPOINT_EVERY_MS,
    ).catch((error: unknown) => {
      retryAtMs = clock.monotonicMs() + RETRY_AFTER_MS;
      if (!isStopped) log.warn("no checkpoint of the audit could be signed; trying again", { err: error });
    });
  }
  const stopLooking = (deps.every ?? everyUnattended)(LOOK_EVERY_MS, look);

  return {
    checkpoint: () => inTurn(() => true),
    get isStopped() {
      return isStopped;
    },
    async stop() {
      stopLooking();
      await inTurn(() => true).catch((error: unknown) => log.warn("no last checkpoint of the audit", { err: error }));
      await signing?.file.close();
    },
  };
}

class ChainDiffersError extends Error {
  override readonly name = "ChainDiffersError";
}

/** The greatest checkpoint that is signed by a key of ours, wherever it is kept. */
async function lastCheckpoint(deps: CheckpointerDeps, keys: readonly SignerKey[]): Promise<Checkpoint | undefined> {
  const { notes } = await readCheckpointFile(deps.filePath);
  const stored = await deps.store.newestCheckpoint();
  let last: Checkpoint | undefined;
  for (const note of [...notes.slice(-1), ...(stored === undefined ? [] : [stored])]) {
    const checkpoint = openCheckpoint(note, deps.name, keys);
    if (checkpoint !== undefined && checkpoint.size >= (last?.size ?? 0n)) last = checkpoint;
  }
  return last;
}

/** Throws unless the chain goes on from `last`: what came after it is at most some seconds' worth of records. */
async function assertContinues({ audit }: CheckpointerDeps, last: Checkpoint | undefined): Promise<void> {
  const base = last === undefined ? await audit.base() : { seq: last.size, hash: last.hash };
  const verifier = new ChainVerifier(base, []);
  if (last !== undefined) {
    const [record] = await audit.read(last.size - 1n, 1);
    // What is pruned up to the checkpoint is known by the chain's base alone.
    const { seq, hash } = record?.seq === last.size ? record : await audit.base();
    if (seq !== last.size || Buffer.compare(hash, last.hash) !== 0)
      throw new ChainDiffersError(`at record ${last.size}`);
  }
  for (;;) {
    const records = await audit.read(verifier.seq, READ_MAX);
    for (const record of records) verifier.add(record);
    if (verifier.findingCount > 0) throw new ChainDiffersError(`after record ${base.seq}`);
    if (records.length < READ_MAX) return;
    // Calls are answered in between: the first checkpoint of an old installation has the whole chain before it.
    await setImmediate();
  }
}

function everyUnattended(ms: number, run: () => Promise<void>): () => void {
  const timer = setInterval(() => void run(), ms).unref();
  return () => clearInterval(timer);
}
