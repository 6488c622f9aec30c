import { hashField, requestKey } from "../../audit/request-key.ts";
import type { Clock } from "../../base/clock.ts";
import { PloriError, type Reason, refuse } from "../../base/errors.ts";
import { FieldChecker } from "../../base/fields.ts";
import { createPace } from "../../base/pace.ts";
import type { Caller } from "../../identity/roles.ts";
import type { DataKeyLifeCycle } from "../../seal/life-cycle.ts";
import type { WrappedDataKey } from "../../seal/ports.ts";
import type { VaultStore } from "../vault-ports.ts";

const METHOD = "plori.keyvault.v1.KeyVaultService/RewrapDataKeys";
const PAGE_SIZE = 100;
/** Data keys wrapped anew at once, and a second: three KMS calls each, a small share of the 5,500 a second that the smallest quota allows. */
const AT_ONCE = 4;
const PER_SECOND = 100;
/** After so many data keys in a row for which KMS did not answer, going on would only wait. */
const UNANSWERED_MAX = 8;

/** What wrapping data keys anew needs. */
export interface RewrapDeps {
  readonly vault: Pick<VaultStore, "countNotWrappedBy" | "notWrappedBy" | "swapDataKey" | "record">;
  readonly dataKeys: Pick<DataKeyLifeCycle, "rewrap">;
  /** The ARN of the active KMS key. Throws KMS_UNAVAILABLE or KEY_UNREADABLE. */
  readonly activeKmsKeyArn: () => Promise<string>;
  readonly clock: Clock;
}

/** Who is behind the call. */
export interface RewrapInput {
  readonly requestId: string;
  readonly actor: string;
}

/** A data key that could not be wrapped anew. It stays as it was. */
export interface RewrapFailure {
  readonly account: string;
  readonly dataKeyId: string;
  readonly dataKeyVersion: number;
  readonly reason: Reason;
}

/** How far it has come. */
export interface RewrapProgress {
  readonly kmsKeyArn: string;
  readonly rewrappedCount: number;
  readonly failedCount: number;
  /** Data keys that other KMS keys still wrap: exact when it is done. */
  readonly remainingCount: number;
  /** Since the progress before. */
  readonly failures: readonly RewrapFailure[];
  readonly isDone: boolean;
}

/**
 * Wraps every data key that another KMS key wraps anew under the active one, and tells how far it has come, at least after every hundred. Nothing
 * stops serving meanwhile: a data key has one wrapping at any moment, and both open while both KMS keys are configured. It may be stopped and
 * called again at any time: what is done is passed over. Throws FIELDS_INVALID, REQUEST_ID_CONFLICT, KMS_UNAVAILABLE, KEY_UNREADABLE.
 */
export async function* rewrapDataKeys(
  deps: RewrapDeps,
  input: RewrapInput,
  caller: Caller,
  signal: AbortSignal,
): AsyncGenerator<RewrapProgress> {
  const fields = new FieldChecker();
  fields.requestId(input.requestId);
  fields.actor(input.actor);
  fields.done();
  const { vault, clock } = deps;
  const kmsKeyArn = await deps.activeKmsKeyArn();
  await recordBegun(deps, input, caller, kmsKeyArn);
  const pace = createPace(clock, PER_SECOND);
  const firstCount = await vault.countNotWrappedBy(kmsKeyArn);
  let rewrappedCount = 0;
  let failedCount = 0;
  let unanswered = 0;
  let after: WrappedDataKey | undefined;
  for (;;) {
    const page = await vault.notWrappedBy(kmsKeyArn, after, PAGE_SIZE);
    const failures: RewrapFailure[] = [];
    for (let start = 0; start < page.length; start += AT_ONCE) {
      const some = page.slice(start, start + AT_ONCE);
      await pace.next(some.length, signal);
      const outcomes = await Promise.all(some.map((key) => rewrapOne(deps, key, input.actor, caller)));
      for (const outcome of outcomes) {
        if (outcome === "rewrapped") rewrappedCount += 1;
        else if (outcome !== "passed-over") failures.push(outcome);
        unanswered = isUnanswered(outcome) ? unanswered + 1 : 0;
      }
      if (unanswered >= UNANSWERED_MAX) {
        throw refuse(
          "KMS_UNAVAILABLE",
          "The key management service does not answer. What is done is done; call again for the rest.",
        );
      }
    }
    failedCount += failures.length;
    after = page.at(-1);
    const isDone = page.length < PAGE_SIZE;
    yield {
      kmsKeyArn,
      rewrappedCount,
      failedCount,
      // Counted anew only at the end: counting walks everything that is left.
      remainingCount: isDone ? await vault.countNotWrappedBy(kmsKeyArn) : firstCount - rewrappedCount,
      failures,
      isDone,
    };
    if (isDone) return;
  }
}

type Outcome = "rewrapped" | "passed-over" | RewrapFailure;

async function rewrapOne(deps: RewrapDeps, key: WrappedDataKey, actor: string, caller: Caller): Promise<Outcome> {
  const { account, dataKeyId, dataKeyVersion } = key;
  try {
    const rewrapped = await deps.dataKeys.rewrap(key);
    const swapped = await deps.vault.swapDataKey(key, rewrapped, {
      kind: "data-key.rewrapped",
      timeMs: deps.clock.nowMs(),
      caller: caller.spiffeId,
      actor,
      account,
      subject: `accounts/${account}/dataKeys/${dataKeyId}/${dataKeyVersion}`,
      details: { from_kms_key_arn: key.kmsKeyArn, to_kms_key_arn: rewrapped.kmsKeyArn },
    });
    // Somebody wrapped it anew, or destroyed it, since it was read.
    return swapped ? "rewrapped" : "passed-over";
  } catch (error) {
    if (!(error instanceof PloriError) || !FAILS_ALONE.has(error.reason)) throw error;
    return { account, dataKeyId, dataKeyVersion, reason: error.reason };
  }
}

/** Reasons that concern one data key; the others end the work. */
const FAILS_ALONE: ReadonlySet<Reason> = new Set<Reason>(["KMS_UNAVAILABLE", "KEY_UNREADABLE", "RECORD_CORRUPT"]);

function isUnanswered(outcome: Outcome): boolean {
  return typeof outcome === "object" && outcome.reason === "KMS_UNAVAILABLE";
}

async function recordBegun(deps: RewrapDeps, input: RewrapInput, caller: Caller, kmsKeyArn: string): Promise<void> {
  const request = requestKey(input.requestId, caller, METHOD, "", { actor: hashField(input.actor) });
  await deps.vault.record(
    {
      audit: {
        kind: "data-keys.rewrap-begun",
        timeMs: deps.clock.nowMs(),
        caller: caller.spiffeId,
        actor: input.actor,
        account: "",
        subject: kmsKeyArn,
        details: {},
      },
      ...(request === undefined ? {} : { request }),
    },
    {},
  );
}
