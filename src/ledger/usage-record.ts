import type { Refusal } from "../base/errors.ts";
import type { Role } from "../identity/roles.ts";
import type { CallOutcome, ChargeRow } from "./rows.ts";

/** Token counts as disjoint parts. */
export interface TokenCounts {
  readonly inputUncached: bigint;
  readonly cacheRead: bigint;
  readonly cacheWrite: bigint;
  readonly output: bigint;
  readonly reasoning: bigint;
}

/** What a model call used: as the caller counted it, as the provider told it, or not told. */
export type CallUsage =
  | { readonly kind: "tokens"; readonly tokens: TokenCounts }
  | { readonly kind: "provider"; readonly usage: object }
  | { readonly kind: "none" };

/** What authorises a model call's record: a route's id, or a hold's resource name. */
export type Authority =
  | { readonly kind: "route"; readonly routeId: string }
  | { readonly kind: "hold"; readonly name: string }
  | { readonly kind: "none" };

/** What was used, as its caller sent it: nothing is checked yet. */
export type Used =
  | {
      readonly kind: "MODEL_CALL";
      readonly authority: Authority;
      readonly callId: string;
      /** 0 means 1. */
      readonly attempt: number;
      readonly usage: CallUsage;
      /** Undefined: an outcome that nobody knows. */
      readonly outcome: CallOutcome | undefined;
      readonly providerRequestId: string;
    }
  | { readonly kind: "COMPUTE"; readonly vcpuMilliseconds: bigint; readonly memoryMibMilliseconds: bigint }
  | { readonly kind: "DISK"; readonly byteSeconds: bigint };

/** One thing that was used, once, as its caller sent it: nothing is checked yet. */
export interface UsageRecord {
  readonly usageId: string;
  readonly account: string;
  readonly agent: string;
  /** In milliseconds since the Unix epoch; undefined: not told. */
  readonly occurMs: number | undefined;
  readonly labels: Readonly<Record<string, string>>;
  /** Undefined: not told. */
  readonly used: Used | undefined;
}

/** Who records. An agent host records model calls over its own routes only. */
export interface Recorder {
  readonly role: Extract<Role, "agent-host" | "recorder">;
  /** For agent hosts: which one. */
  readonly host: string;
}

/** What became of one record. */
export type RecordResult =
  | { readonly usageId: string; readonly outcome: "CREATED" | "REPLAYED"; readonly charge: ChargeRow }
  | { readonly usageId: string; readonly outcome: "REJECTED"; readonly refusal: Refusal };
