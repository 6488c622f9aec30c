import { create } from "@bufbuild/protobuf";
import type { ReleaseRecord } from "../../audit/ports.ts";
import type { Finding, FindingKind, StoredRecord } from "../../audit/verify.ts";
import {
  type AuditEvent,
  AuditEventSchema,
  type AuditFinding,
  AuditFindingSchema,
  AuditFindingKind as FindingNumber,
  type IdentifiedKey as IdentifiedKeyMessage,
  IdentifiedKeySchema,
  type Release,
  ReleaseSchema,
} from "../../gen/plori/keyvault/v1/audit_pb.ts";
import type { IdentifiedKey } from "../../keyvault/audit/identify-secret.ts";
import { keyName } from "../../keyvault/ports.ts";
import { toTimestamp } from "./times.ts";
import { payerNumber, providerNumber } from "./words.ts";

const FINDING_NUMBERS = {
  ALTERED: FindingNumber.ALTERED,
  MISSING: FindingNumber.MISSING,
  OUT_OF_ORDER: FindingNumber.OUT_OF_ORDER,
  TRUNCATED: FindingNumber.TRUNCATED,
  FORKED: FindingNumber.FORKED,
  CHECKPOINT_MISSING: FindingNumber.CHECKPOINT_MISSING,
  CHECKPOINT_FORGED: FindingNumber.CHECKPOINT_FORGED,
} as const satisfies Record<FindingKind, FindingNumber>;

/** An audit record as the API shows it. Its details keep the order that they were hashed in, so the same record is the same bytes. */
export function auditEventMessage(record: StoredRecord): AuditEvent {
  const { seq, writer, kind, timeMs, caller, actor, account, subject, hash } = record;
  return create(AuditEventSchema, {
    sequence: seq,
    writer,
    kind,
    eventTime: toTimestamp(timeMs),
    caller,
    actor,
    account,
    subject,
    details: readDetails(record.details),
    hash,
  });
}

/** Details that somebody altered into what is no map of texts are shown as none: the hash tells, and the list goes on. */
function readDetails(json: string): Record<string, string> {
  try {
    const parsed: unknown = JSON.parse(json);
    if (typeof parsed !== "object" || parsed === null) return {};
    return Object.fromEntries(Object.entries(parsed).map(([name, value]) => [name, String(value)]));
  } catch {
    return {};
  }
}

/** A finding. */
export function findingMessage({ kind, seq, description }: Finding): AuditFinding {
  return create(AuditFindingSchema, { kind: FINDING_NUMBERS[kind], sequence: seq, description });
}

/** A release. */
export function releaseMessage(release: ReleaseRecord): Release {
  const { account, agent, host, callId, model, upstreamModel } = release;
  return create(ReleaseSchema, {
    route: release.routeId,
    releaseTime: toTimestamp(release.timeMs),
    reuseUntilTime: toTimestamp(release.untilMs),
    account,
    agent,
    host,
    callId,
    model,
    upstreamModel,
    provider: providerNumber(release.provider),
    payer: payerNumber(release.payer),
    key: keyName(release.keyAccount, release.keyId),
    keyVersion: BigInt(release.keyVersion),
  });
}

/** A key version that a secret belongs to. */
export function identifiedKeyMessage(key: IdentifiedKey): IdentifiedKeyMessage {
  return create(IdentifiedKeySchema, {
    key: keyName(key.account, key.keyId),
    account: key.account,
    provider: providerNumber(key.provider),
    version: BigInt(key.version),
    connectTime: toTimestamp(key.connectMs),
    current: key.isCurrent,
    holders: key.holders.map(({ host, firstMs, lastMs, releases }) => ({
      host,
      firstReleaseTime: toTimestamp(firstMs),
      lastReleaseTime: toTimestamp(lastMs),
      releaseCount: releases,
    })),
  });
}
