import type { Mutation } from "../../../audit/mutation.ts";
import { toPlainJson } from "../../../base/plain-json.ts";
import { answerKey, readAnswer, SELECT_ANSWER } from "../requests.ts";
import type { WriteTransaction } from "../write-transaction.ts";

/** The answer that this mutation's request id got before, if it has one and got one. Throws REQUEST_ID_CONFLICT. Ask before deciding anything. */
export function priorAnswer(tx: WriteTransaction, { request }: Mutation): { readonly answer: unknown } | undefined {
  return request === undefined ? undefined : readAnswer(tx.get(SELECT_ANSWER, ...answerKey(request)), request);
}

/** Writes the mutation's audit record, and its answer under its request id, into the current transaction. */
export function recordMutation(tx: WriteTransaction, mutation: Mutation, answer: unknown): void {
  tx.audit(mutation.audit);
  if (mutation.request === undefined) return;
  tx.run(
    "INSERT INTO request (account, caller, method, request_id, field_hashes, answer, create_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
    ...answerKey(mutation.request),
    JSON.stringify(mutation.request.fieldHashes),
    toPlainJson(answer),
    tx.nowMs,
  );
}
