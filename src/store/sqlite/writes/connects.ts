import type { Mutation } from "../../../audit/mutation.ts";
import { PloriError } from "../../../base/errors.ts";
import type { BegunConnect, NewConnect } from "../../../keyvault/connect-ports.ts";
import type { WriteTransaction } from "../write-transaction.ts";
import { countSeal } from "./count-seal.ts";
import { priorAnswer, recordMutation } from "./mutation.ts";

/** Connects of one account that may wait for their completion at once. */
const OPEN_PER_ACCOUNT_MAX = 20;
/** How long an ended connect is kept, so that a late completion is told what became of it. */
const KEPT_AFTER_END_MS = 24 * 3_600_000;
/** Rows that one sweep changes, and rows that it removes, at most. */
const SWEEP_ROWS_MAX = 500;

/** A connect to store, with its mutation. */
export interface BeginConnectInput {
  readonly connect: NewConnect;
  readonly mutation: Mutation;
}

/** Stores a new connect. Throws RATE_LIMITED when too many of the account's are open. */
export function beginConnect(tx: WriteTransaction, { connect, mutation }: BeginConnectInput): BegunConnect {
  const before = priorAnswer(tx, mutation);
  if (before !== undefined) return before.answer as BegunConnect;
  refuseTooMany(tx, connect.account);
  const { account, connectId, codeChallenge, beginMs, expireMs, sealedVerifier } = connect;
  tx.run(
    `INSERT INTO openrouter_connect
      (account, connect_id, state, begin_ms, expire_ms, data_key_id, data_key_version, sealed, request_caller, request_method, request_id)
      VALUES (?, ?, 'OPEN', ?, ?, ?, ?, ?, ?, ?, ?)`,
    account,
    connectId,
    beginMs,
    expireMs,
    sealedVerifier.dataKeyId,
    sealedVerifier.dataKeyVersion,
    sealedVerifier.bytes,
    mutation.request?.caller ?? null,
    mutation.request?.method ?? null,
    mutation.request?.requestId ?? null,
  );
  countSeal(tx, account, sealedVerifier);
  const answer = { connectId, codeChallenge, expireMs };
  recordMutation(tx, mutation, answer);
  return answer;
}

function refuseTooMany(tx: WriteTransaction, account: string): void {
  const { open, firstEndMs } = tx.get(
    `SELECT count(*) AS open, min(expire_ms) AS firstEndMs FROM openrouter_connect
      WHERE account = ? AND state = 'OPEN' AND expire_ms > ?`,
    account,
    tx.nowMs,
  ) as { open: bigint; firstEndMs: bigint | null };
  if (open < BigInt(OPEN_PER_ACCOUNT_MAX) || firstEndMs === null) return;
  throw new PloriError({
    reason: "RATE_LIMITED",
    message: `The account has ${OPEN_PER_ACCOUNT_MAX} connects that wait for their completion. Complete one, or wait until one expires.`,
    retryAfterMs: Math.max(1, Number(firstEndMs) - tx.nowMs),
  });
}

/** A connect to claim, with its mutation. */
export interface ClaimConnectInput {
  readonly account: string;
  readonly connectId: string;
  readonly mutation: Mutation;
}

/** Claims an open connect and destroys its verifier (the connection's `secure_delete` overwrites it). Whether this call was the one. */
export function claimConnect(tx: WriteTransaction, { account, connectId, mutation }: ClaimConnectInput): boolean {
  const claimed = tx.run(
    `UPDATE openrouter_connect SET state = 'CLAIMED', claim_ms = ?, sealed = NULL
      WHERE account = ? AND connect_id = ? AND state = 'OPEN' AND expire_ms > ?`,
    tx.nowMs,
    account,
    connectId,
    tx.nowMs,
  );
  if (claimed === 0) return false;
  recordMutation(tx, mutation, undefined);
  return true;
}

/** Completes the claimed connect that brought a key; part of storing that key. */
export function completeConnect(tx: WriteTransaction, account: string, connectId: string): void {
  tx.run(
    "UPDATE openrouter_connect SET state = 'COMPLETED' WHERE account = ? AND connect_id = ? AND state = 'CLAIMED'",
    account,
    connectId,
  );
}

/** A claimed connect that failed, with its mutation. */
export interface EndConnectInput extends ClaimConnectInput {
  readonly state: "REFUSED" | "LOST";
}

/** Ends a claimed connect without a key. */
export function endConnect(tx: WriteTransaction, { account, connectId, state, mutation }: EndConnectInput): void {
  const ended = tx.run(
    "UPDATE openrouter_connect SET state = ? WHERE account = ? AND connect_id = ? AND state = 'CLAIMED'",
    state,
    account,
    connectId,
  );
  if (ended > 0) recordMutation(tx, mutation, undefined);
}

interface SweptRow {
  readonly account: string;
  readonly connectId: string;
  readonly caller: string | null;
  readonly method: string | null;
  readonly requestId: string | null;
}

/** Destroys the verifiers of connects whose time is over, and removes what ended more than a day ago together with its stored answer. */
export function sweepConnects(tx: WriteTransaction): void {
  const expired = tx.all(
    `SELECT account, connect_id AS connectId FROM openrouter_connect
      WHERE sealed IS NOT NULL AND expire_ms <= ? ORDER BY expire_ms LIMIT ${SWEEP_ROWS_MAX}`,
    tx.nowMs,
  ) as Pick<SweptRow, "account" | "connectId">[];
  for (const { account, connectId } of expired) {
    tx.run("UPDATE openrouter_connect SET sealed = NULL WHERE account = ? AND connect_id = ?", account, connectId);
  }
  const over = tx.all(
    `SELECT account, connect_id AS connectId, request_caller AS caller, request_method AS method, request_id AS requestId
      FROM openrouter_connect WHERE expire_ms <= ? ORDER BY expire_ms LIMIT ${SWEEP_ROWS_MAX}`,
    tx.nowMs - KEPT_AFTER_END_MS,
  ) as SweptRow[];
  for (const { account, connectId, caller, method, requestId } of over) {
    tx.run("DELETE FROM openrouter_connect WHERE account = ? AND connect_id = ?", account, connectId);
    if (requestId === null) continue;
    tx.run(
      "DELETE FROM request WHERE account = ? AND caller = ? AND method = ? AND request_id = ?",
      account,
      caller,
      method,
      requestId,
    );
  }
}
