import type { AuditEvent } from "../audit/event.ts";
import type { RequestKey } from "../audit/mutation.ts";
import { hashField, requestKey } from "../audit/request-key.ts";
import type { Clock } from "../base/clock.ts";
import { PloriError, refuse } from "../base/errors.ts";
import { FieldChecker } from "../base/fields.ts";
import { Secret } from "../base/secret.ts";
import type { Caller } from "../identity/roles.ts";
import type { CodeExchanger } from "../providers/exchange-code.ts";
import type { Sealer } from "../seal/sealer.ts";
import { checkAccountAccess } from "./account-access.ts";
import type { ConnectStore } from "./connect-ports.ts";
import { butSpent, connectNotFound, endOf, exchangeFailed, whyNotOpen } from "./connect-refusals.ts";
import { judgeMintedKey } from "./judge-minted-key.ts";
import { connectTag, isConnectId, verifierIdentity } from "./pkce.ts";
import { type KeyProber, type KeyRecord, type KeyStore, keyName } from "./ports.ts";
import type { ProbeBudget } from "./probe-budget.ts";
import { storeNewKey } from "./store-new-key.ts";

const METHOD = "plori.keyvault.v1.KeyVaultService/CompleteOpenRouterConnect";
/** Visible ASCII without quote and backslash, which no code has and which would need escapes in the exchange's JSON. */
const CODE = /^[\x21\x23-\x5b\x5d-\x7e]{1,2048}$/;

/** What completing a connect needs. */
export interface CompleteOpenRouterConnectDeps {
  readonly connects: Pick<ConnectStore, "find" | "claim" | "end">;
  readonly keys: Pick<KeyStore, "find" | "lastVersion" | "put" | "findAnswer">;
  readonly sealer: Pick<Sealer, "seal" | "open" | "fingerprint">;
  readonly exchanger: CodeExchanger;
  readonly prober: KeyProber;
  readonly probeBudget: ProbeBudget;
  readonly clock: Pick<Clock, "nowMs">;
}

/** What the callback brought. */
export interface CompleteOpenRouterConnectInput {
  readonly account: string;
  readonly connectId: string;
  /** A string because that is how it arrives. */
  readonly code: string;
  readonly requestId: string;
  readonly actor: string;
}

/**
 * Completes a one-click connect: claims it durably, exchanges the code for a key, checks the key, seals it, and puts it in the place of an older one, which
 * serves until then. Everything that can fail by itself, KMS first of all, is tried before the claim; from the claim on the connect is spent,
 * and the rest runs to its end even when the caller goes away, since a key may have been made.
 *
 * Throws FIELDS_INVALID, ROLE_NOT_ALLOWED, REQUEST_ID_CONFLICT, CONNECT_NOT_FOUND, CONNECT_EXPIRED, CONNECT_SPENT, RATE_LIMITED, CANCELLED and what the
 * sealer throws, with the connect as it was; and, marked as spent, CONNECT_EXPIRED, CONNECT_CODE_REFUSED, CONNECT_CHALLENGE_REFUSED,
 * CONNECT_EXCHANGE_REFUSED, PROVIDER_UNREACHABLE, KEY_REJECTED, ETAG_MISMATCH, and what sealer and store throw.
 */
export async function completeOpenRouterConnect(
  deps: CompleteOpenRouterConnectDeps,
  input: CompleteOpenRouterConnectInput,
  caller: Caller,
  signal?: AbortSignal,
): Promise<KeyRecord> {
  checkComplete(input, caller);
  const code = Secret.fromText(input.code);
  try {
    const request = await identifyRequest(deps, input, code, caller);
    const answered = request === undefined ? undefined : await deps.keys.findAnswer(request);
    if (answered !== undefined) return answered;
    const verifier = await openVerifier(deps, input);
    try {
      // Storing the key takes its fingerprint, whose data key is made warm here.
      await deps.sealer.fingerprint(verifier);
      deps.probeBudget.take(input.account);
      if (signal?.aborted === true) throw refuse("CANCELLED", "The caller went away; the connect stays open.");
      await claim(deps, input, caller);
      return await redeem(deps, input, { code, verifier, caller, request });
    } finally {
      verifier.wipe();
    }
  } finally {
    code.wipe();
  }
}

function checkComplete({ account, connectId, code, requestId, actor }: CompleteOpenRouterConnectInput, caller: Caller) {
  const fields = new FieldChecker();
  fields.id("account", account);
  fields.check(isConnectId(connectId), "connect_id", "must be the connect_id of BeginOpenRouterConnect");
  fields.check(CODE.test(code), "code", "must be the callback's code: 1-2048 visible ASCII characters");
  fields.requestId(requestId);
  fields.actor(actor);
  fields.done();
  checkAccountAccess(account, caller, "write");
}

/** The code is compared by keyed hash, as every secret in a payload. */
async function identifyRequest(
  { sealer }: Pick<CompleteOpenRouterConnectDeps, "sealer">,
  { account, connectId, requestId, actor }: CompleteOpenRouterConnectInput,
  code: Secret,
  caller: Caller,
): Promise<RequestKey | undefined> {
  if (requestId === "") return undefined;
  return requestKey(requestId, caller, METHOD, account, {
    account: hashField(account),
    connect_id: hashField(connectId),
    code: (await sealer.fingerprint(code)).toString("hex"),
    actor: hashField(actor),
  });
}

/** The verifier of a connect that is open. The receiver wipes it. */
async function openVerifier(
  deps: CompleteOpenRouterConnectDeps,
  { account, connectId }: CompleteOpenRouterConnectInput,
): Promise<Secret> {
  const connect = await deps.connects.find(account, connectId);
  if (connect === undefined) throw connectNotFound();
  const refusal = whyNotOpen(connect, deps.clock.nowMs());
  if (refusal !== undefined || connect.sealedVerifier === undefined) throw refusal ?? connectNotFound();
  return deps.sealer.open(verifierIdentity(account, connectId), connect.sealedVerifier);
}

/** Makes the connect this call's alone. Only one call ever comes past here. */
async function claim(
  deps: CompleteOpenRouterConnectDeps,
  input: CompleteOpenRouterConnectInput,
  caller: Caller,
): Promise<void> {
  const { account, connectId } = input;
  const nowMs = deps.clock.nowMs();
  const audit = connectEvent("connect.claimed", nowMs, input, caller, {});
  if (await deps.connects.claim(account, connectId, { audit })) return;
  const connect = await deps.connects.find(account, connectId);
  if (connect === undefined) throw connectNotFound();
  // It was not claimable, and an open one is not claimable only when its time is over.
  throw whyNotOpen(connect, Math.max(nowMs, connect.expireMs)) ?? connectNotFound();
}

/** What a claimed connect is redeemed with. */
interface Claimed {
  readonly code: Secret;
  readonly verifier: Secret;
  readonly caller: Caller;
  readonly request: RequestKey | undefined;
}

async function redeem(
  deps: CompleteOpenRouterConnectDeps,
  input: CompleteOpenRouterConnectInput,
  claimed: Claimed,
): Promise<KeyRecord> {
  try {
    const exchange = await deps.exchanger.exchange(claimed.code, claimed.verifier);
    if (exchange.kind !== "minted") throw exchangeFailed(exchange);
    try {
      return await keep(deps, input, claimed, exchange.secret);
    } finally {
      exchange.secret.wipe();
    }
  } catch (error) {
    const reason = error instanceof PloriError ? error.reason : "INTERNAL";
    const audit = connectEvent("connect.failed", deps.clock.nowMs(), input, claimed.caller, { reason });
    // When even this cannot be written, the connect stays claimed, which the next completion reads as lost.
    await deps.connects.end(input.account, input.connectId, endOf(error), { audit }).catch(() => {});
    throw butSpent(error);
  }
}

/** Checks the minted key and stores it; the connect is completed in the same transaction. */
async function keep(
  deps: CompleteOpenRouterConnectDeps,
  { account, connectId, actor }: CompleteOpenRouterConnectInput,
  { caller, request }: Claimed,
  secret: Secret,
): Promise<KeyRecord> {
  const verdict = await deps.prober.probe("openrouter", secret);
  return storeNewKey(deps, {
    ...judgeMintedKey(verdict, deps.clock.nowMs()),
    account,
    provider: "openrouter",
    source: "ONE_CLICK",
    secret,
    completesConnect: connectId,
    caller: caller.spiffeId,
    actor,
    request,
  });
}

function connectEvent(
  kind: "connect.claimed" | "connect.failed",
  timeMs: number,
  { account, connectId, actor }: CompleteOpenRouterConnectInput,
  caller: Caller,
  details: AuditEvent["details"],
): AuditEvent {
  return {
    kind,
    timeMs,
    caller: caller.spiffeId,
    actor,
    account,
    subject: keyName(account, "openrouter"),
    details: { connect: connectTag(connectId), provider: "openrouter", ...details },
  };
}
