import { readCheckpointFile } from "../audit/checkpoint-file.ts";
import { type Checkpointer, startCheckpointer } from "../audit/checkpointer.ts";
import type { AuditEvent } from "../audit/event.ts";
import type { AuditPruner, AuditReader, CheckpointStore, ReleaseHistory, SigningKeyStore } from "../audit/ports.ts";
import { openSigningKeys } from "../audit/signing-key.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { AuditDeps } from "../doors/rpc/audit-handlers.ts";
import { createCallBudget } from "../keyvault/audit/call-budget.ts";
import type { Sealer } from "../seal/sealer.ts";

const IDENTIFICATIONS_PER_MINUTE = 10;

/** What the audit is opened with. */
export interface OpenAuditOptions {
  readonly audit: AuditReader & CheckpointStore & SigningKeyStore & AuditPruner;
  readonly history: ReleaseHistory;
  readonly appendAudit: (event: AuditEvent) => Promise<void>;
  readonly sealer: Sealer;
  readonly environment: string;
  readonly checkpointFile: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Starts signing checkpoints and gathers what the audit's RPCs need. */
export function openAudit(options: OpenAuditOptions): { checkpointer: Checkpointer; deps: AuditDeps } {
  const { audit, history, appendAudit, sealer, checkpointFile, clock, log } = options;
  // The origin of the checkpoints, and the name of the key that signs them: one chain has one.
  const name = `plori.internal/byok/${options.environment}/audit/sqlite`;
  const signing = { store: audit, sealer, clock, name };
  return {
    checkpointer: startCheckpointer({ ...signing, audit, log, filePath: checkpointFile }),
    deps: {
      audit,
      history,
      sealer,
      appendAudit,
      identifyBudget: createCallBudget(clock, IDENTIFICATIONS_PER_MINUTE),
      clock,
      signingKeys: () => openSigningKeys(signing),
      checkpointFile: () => readCheckpointFile(checkpointFile),
      origin: name,
    },
  };
}
