import { create } from "@bufbuild/protobuf";
import {
  ExportAuditResponseSchema,
  IdentifySecretResponseSchema,
  type KeyVaultService,
  ListAuditEventsResponseSchema,
  ListReleasesResponseSchema,
  PruneAuditResponseSchema,
  VerifyAuditResponseSchema,
} from "../../gen/plori/keyvault/v1/keyvault_service_pb.ts";
import { type ExportAuditDeps, exportAudit } from "../../keyvault/audit/export-audit.ts";
import { type IdentifySecretDeps, identifySecret } from "../../keyvault/audit/identify-secret.ts";
import { listAuditEvents } from "../../keyvault/audit/list-audit-events.ts";
import { listReleases } from "../../keyvault/audit/list-releases.ts";
import { type PruneAuditDeps, pruneAudit } from "../../keyvault/audit/prune-audit.ts";
import { type VerifyAuditDeps, verifyAudit } from "../../keyvault/audit/verify-audit.ts";
import type { ServiceHandlers } from "../handlers.ts";
import { auditEventMessage, findingMessage, identifiedKeyMessage, releaseMessage } from "./audit-message.ts";
import { fromTimestamp } from "./times.ts";

/** What the audit's verbs need together. */
export type AuditDeps = ExportAuditDeps &
  IdentifySecretDeps &
  PruneAuditDeps &
  VerifyAuditDeps &
  Parameters<typeof listAuditEvents>[0] &
  Parameters<typeof listReleases>[0];

type AuditHandlers = Pick<
  ServiceHandlers<typeof KeyVaultService>,
  "listReleases" | "identifySecret" | "listAuditEvents" | "verifyAudit" | "exportAudit" | "pruneAudit"
>;

/** The audit's RPCs: messages in, verbs called, messages out. */
export function createAuditHandlers(deps: AuditDeps): AuditHandlers {
  return {
    async listReleases({ account, host, startTime, endTime, pageSize, pageToken }, { caller }) {
      const times = { startMs: fromTimestamp(startTime), endMs: fromTimestamp(endTime) };
      const page = await listReleases(deps, { account, host, ...times, pageSize, pageToken }, caller);
      return create(ListReleasesResponseSchema, {
        releases: page.releases.map(releaseMessage),
        nextPageToken: page.nextPageToken,
      });
    },
    async identifySecret({ secret, actor }, { caller, signal }) {
      try {
        const keys = await identifySecret(deps, { secret, actor }, caller, signal);
        return create(IdentifySecretResponseSchema, { keys: keys.map(identifiedKeyMessage) });
      } finally {
        secret.fill(0);
      }
    },
    async listAuditEvents({ account, kind, caller, startTime, endTime, pageSize, pageToken }) {
      const times = { startMs: fromTimestamp(startTime), endMs: fromTimestamp(endTime) };
      const page = await listAuditEvents(deps, { account, kind, caller, ...times, pageSize, pageToken });
      return create(ListAuditEventsResponseSchema, {
        events: page.events.map(auditEventMessage),
        nextPageToken: page.nextPageToken,
      });
    },
    async *verifyAudit(_request, { signal }) {
      for await (const progress of verifyAudit(deps, signal)) {
        yield create(VerifyAuditResponseSchema, {
          verifiedCount: progress.verified,
          sequence: progress.seq,
          checkpointCount: BigInt(progress.checkpoints),
          findings: progress.findings.map(findingMessage),
          findingCount: BigInt(progress.findingCount),
          done: progress.isDone,
          intact: progress.isDone && progress.findingCount === 0,
          baseSequence: progress.baseSeq,
          checkpointSequence: progress.checkpointSeq,
          verifierKeys: [...progress.verifierKeys],
        });
      }
    },
    async *exportAudit({ afterSequence, throughSequence }, { caller, signal }) {
      const input = { afterSeq: afterSequence, throughSeq: throughSequence };
      for await (const { records, checkpoints } of exportAudit(deps, input, caller, signal)) {
        yield create(ExportAuditResponseSchema, {
          events: records.map(auditEventMessage),
          checkpoints: [...checkpoints],
        });
      }
    },
    async pruneAudit({ throughSequence, hash, requestId, actor }, { caller, signal }) {
      const input = { throughSeq: throughSequence, hash, requestId, actor };
      const { baseSeq, removed } = await pruneAudit(deps, input, caller, signal);
      return create(PruneAuditResponseSchema, { baseSequence: baseSeq, removedCount: removed });
    },
  };
}
