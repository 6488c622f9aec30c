import type {
  Compute,
  Disk,
  ModelCall,
  TokenCounts as TokenCountsMessage,
  UsageRecord as UsageRecordMessage,
} from "../../gen/plori/ledger/v1/ledger_pb.ts";
import type { Authority, CallUsage, TokenCounts, UsageRecord, Used } from "../../ledger/usage-record.ts";
import { readOutcome } from "./charge-message.ts";
import { fromTimestamp } from "./times.ts";

/** A record as the ledger takes it, nothing checked yet. */
export function readUsageRecord(message: UsageRecordMessage): UsageRecord {
  const { usageId, account, agent, labels, occurTime, kind } = message;
  return {
    usageId,
    account,
    agent,
    labels,
    occurMs: fromTimestamp(occurTime),
    used: readUsed(kind),
  };
}

function readUsed(kind: UsageRecordMessage["kind"]): Used | undefined {
  switch (kind.case) {
    case "modelCall":
      return readModelCall(kind.value);
    case "compute":
      return readCompute(kind.value);
    case "disk":
      return readDisk(kind.value);
    default:
      return undefined;
  }
}

function readModelCall({ authority, callId, attempt, usage, outcome, providerRequestId }: ModelCall): Used {
  return {
    kind: "MODEL_CALL",
    authority: readAuthority(authority),
    callId,
    attempt,
    usage: readUsage(usage),
    outcome: readOutcome(outcome),
    providerRequestId,
  };
}

function readAuthority(authority: ModelCall["authority"]): Authority {
  if (authority.case === "route") return { kind: "route", routeId: authority.value };
  return authority.case === "hold" ? { kind: "hold", name: authority.value } : { kind: "none" };
}

function readUsage(usage: ModelCall["usage"]): CallUsage {
  if (usage.case === "providerUsage") return { kind: "provider", usage: usage.value };
  if (usage.case !== "tokens") return { kind: "none" };
  return { kind: "tokens", tokens: readTokens(usage.value) };
}

/** Token counts as the ledger takes them, nothing checked yet. */
export function readTokens(counts: TokenCountsMessage): TokenCounts {
  return {
    inputUncached: counts.inputUncachedTokens,
    cacheRead: counts.cacheReadTokens,
    cacheWrite: counts.cacheWriteTokens,
    output: counts.outputTokens,
    reasoning: counts.reasoningTokens,
  };
}

function readCompute({ vcpuMilliseconds, memoryMibMilliseconds }: Compute): Used {
  return { kind: "COMPUTE", vcpuMilliseconds, memoryMibMilliseconds };
}

function readDisk({ byteSeconds }: Disk): Used {
  return { kind: "DISK", byteSeconds };
}
