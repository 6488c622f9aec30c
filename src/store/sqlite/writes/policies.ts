import type { Mutation } from "../../../audit/mutation.ts";
import { refuse } from "../../../base/errors.ts";
import { choicesOf, describeChoices, policyEtag, policyName } from "../../../router/policy-record.ts";
import type { PolicyChoices, PolicyRecord } from "../../../router/ports.ts";
import { SELECT_POLICY, storedPins, toPolicyRecord } from "../policy-rows.ts";
import type { WriteTransaction } from "../write-transaction.ts";
import { priorAnswer, recordMutation } from "./mutation.ts";
import { revokeAccountLeases } from "./revoke.ts";

const REPLACE_POLICY = `INSERT OR REPLACE INTO routing_policy
  (account, revision, provider_order, pins, on_key_failure, max_hosted_nano, update_ms) VALUES (?, ?, ?, ?, ?, ?, ?)`;

/** A policy to store, with its mutation. */
export interface PutPolicyInput {
  readonly account: string;
  readonly choices: PolicyChoices;
  /** Of the policy as it stands; empty only while there is none. */
  readonly etag: string;
  readonly mutation: Mutation;
}

/** Replaces the account's policy. The audit tells what it was and what it is. */
export function putPolicy(tx: WriteTransaction, { account, choices, etag, mutation }: PutPolicyInput): PolicyRecord {
  const before = priorAnswer(tx, mutation);
  if (before !== undefined) return before.answer as PolicyRecord;
  const current = toPolicyRecord(tx.get(SELECT_POLICY, account));
  const itsEtag = policyEtag(current);
  if (etag !== itsEtag && (etag !== "" || current !== undefined)) {
    const policy = policyName(account);
    throw refuse("ETAG_MISMATCH", `${policy} changed since it was read: read it again, then update it.`, {
      policy,
      etag: itsEtag,
    });
  }
  const record: PolicyRecord = {
    account,
    revision: (current?.revision ?? 0) + 1,
    ...choices,
    updateMs: tx.nowMs,
  };
  tx.run(
    REPLACE_POLICY,
    account,
    record.revision,
    JSON.stringify(choices.providerOrder),
    storedPins(choices.pins),
    choices.onKeyFailure,
    choices.maxHostedCallNano ?? null,
    record.updateMs,
  );
  // Leases were given by the former policy: the next call may have to go elsewhere.
  revokeAccountLeases(tx, { account, cause: "POLICY_CHANGED" });
  const { audit } = mutation;
  const details = {
    ...audit.details,
    ...describeChoices("old", choicesOf(current)),
    ...describeChoices("new", choices),
  };
  recordMutation(tx, { ...mutation, audit: { ...audit, details } }, record);
  return record;
}
