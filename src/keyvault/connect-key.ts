import type { RequestKey } from "../audit/mutation.ts";
import { hashField, requestKey } from "../audit/request-key.ts";
import type { Clock } from "../base/clock.ts";
import { PloriError, refuse } from "../base/errors.ts";
import type { Provider } from "../base/provider.ts";
import { Secret } from "../base/secret.ts";
import type { Caller } from "../identity/roles.ts";
import { checkKeyShape, trimKey } from "../providers/key-shape.ts";
import type { Sealer } from "../seal/sealer.ts";
import { type CheckedConnect, type ConnectKeyInput, checkConnect } from "./check-connect.ts";
import { judgeNewKey } from "./judge-new-key.ts";
import type { KeyProber, KeyRecord, KeyStore } from "./ports.ts";
import type { ProbeBudget } from "./probe-budget.ts";
import { type NewKeyFacts, storeNewKey } from "./store-new-key.ts";

const METHOD = "plori.keyvault.v1.KeyVaultService/ConnectKey";

/** What connecting a key needs. */
export interface ConnectKeyDeps {
  readonly keys: Pick<KeyStore, "find" | "lastVersion" | "put" | "findAnswer">;
  readonly sealer: Pick<Sealer, "seal" | "fingerprint">;
  readonly prober: KeyProber;
  readonly probeBudget: ProbeBudget;
  readonly clock: Pick<Clock, "nowMs">;
}

/**
 * Connects a pasted key: checks its look, asks the provider about it, seals it and puts it in the place of an older one, which serves until
 * then. A dead or mistyped key is refused and nothing is stored. `signal` ends the provider's probe when the caller goes away.
 *
 * Throws FIELDS_INVALID, ROLE_NOT_ALLOWED, ANTHROPIC_NOT_SUPPORTED, KEY_SHAPE_MISMATCH, REQUEST_ID_CONFLICT, RATE_LIMITED, KEY_REJECTED,
 * PROVIDER_UNREACHABLE, CANCELLED, ETAG_MISMATCH (others kept replacing the key), and what the sealer and the store throw.
 */
export async function connectKey(
  deps: ConnectKeyDeps,
  input: ConnectKeyInput,
  caller: Caller,
  signal?: AbortSignal,
): Promise<KeyRecord> {
  const checked = checkConnect(input, caller);
  const text = trimKey(input.secret);
  checkShape(checked.provider, text);
  const secret = Secret.fromText(text);
  try {
    const request = await identifyRequest(deps, input, checked, secret, caller);
    const answered = request === undefined ? undefined : await deps.keys.findAnswer(request);
    if (answered !== undefined) return answered;
    const facts = await probe(deps, checked, secret, signal);
    return await storeNewKey(deps, {
      ...facts,
      account: checked.account,
      provider: checked.provider,
      keyId: checked.keyId,
      hosts: checked.hosts,
      source: "PASTED",
      secret,
      caller: caller.spiffeId,
      actor: input.actor,
      request,
    });
  } finally {
    secret.wipe();
  }
}

function checkShape(provider: Provider, text: string): void {
  const shape = checkKeyShape(provider, text);
  if (shape.kind === "ok") return;
  if (shape.looksLike === "anthropic") throw refuse("ANTHROPIC_NOT_SUPPORTED", shape.hint);
  const looksLike = shape.looksLike ?? "";
  throw refuse("KEY_SHAPE_MISMATCH", shape.hint, { provider, looks_like: looksLike });
}

/** The secret's part in the payload is compared by a keyed hash: a plain one could be tried against leaked keys. */
async function identifyRequest(
  deps: ConnectKeyDeps,
  input: ConnectKeyInput,
  { account, provider, keyId, hosts }: CheckedConnect,
  secret: Secret,
  caller: Caller,
): Promise<RequestKey | undefined> {
  if (input.requestId === "") return undefined;
  const fingerprint = await deps.sealer.fingerprint(secret);
  return requestKey(input.requestId, caller, METHOD, account, {
    account: hashField(account),
    provider: hashField(provider),
    ...(keyId === provider ? {} : { key_id: hashField(keyId) }),
    ...(hosts.length === 0 ? {} : { hosts: hashField(...hosts) }),
    secret: fingerprint.toString("hex"),
    allow_unverified: hashField(String(input.allowUnverified)),
    actor: hashField(input.actor),
  });
}

/** Asks the provider and decides whether, and as what, the key may be stored. */
async function probe(
  deps: ConnectKeyDeps,
  { account, provider, allowUnverified }: CheckedConnect,
  secret: Secret,
  signal: AbortSignal | undefined,
): Promise<Pick<NewKeyFacts, "standing" | "unlessServing">> {
  deps.probeBudget.take(account);
  const verdict = await deps.prober.probe(provider, secret, signal);
  // A probe that was cut short because the caller left says nothing, and nobody is there to be told what was stored.
  if (signal?.aborted === true) throw refuse("CANCELLED", "The caller went away; nothing was stored.");
  const judgement = judgeNewKey(verdict, deps.clock.nowMs());
  const metadata = { provider, outcome: verdict.outcome };
  if (judgement.kind === "live") return { standing: judgement.standing };
  if (judgement.kind === "rejected") {
    throw refuse(
      "KEY_REJECTED",
      `${verdict.reason} Nothing was stored; a key connected earlier, if there is one, stays as it is.`,
      metadata,
    );
  }
  const unreachable = (advice: string): PloriError =>
    new PloriError({
      reason: "PROVIDER_UNREACHABLE",
      message: `${verdict.reason} Nothing was stored. ${advice}`,
      metadata,
      ...(verdict.retryAfterMs === undefined ? {} : { retryAfterMs: verdict.retryAfterMs }),
    });
  if (!allowUnverified) throw unreachable("Try again, or send allow_unverified to store the key unchecked.");
  return {
    standing: { state: "UNVERIFIED", stateReason: verdict.reason },
    unlessServing: () => unreachable("The key connected earlier keeps serving. Try again."),
  };
}
