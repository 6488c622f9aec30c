import type { Clock } from "../base/clock.ts";
import { PloriError } from "../base/errors.ts";
import { describeProvider } from "../providers/descriptors.ts";
import { changeState, type StateCause } from "./change-state.ts";
import { createInTurn } from "./in-turn.ts";
import type { KeyEvent } from "./next-state.ts";
import { openSealed, type SealedKeyOpener } from "./open-credential.ts";
import type { KeyProber, KeyRecord, KeyRef, KeyStore, StoredKey } from "./ports.ts";
import type { ProbeBudget } from "./probe-budget.ts";

/** Keeps what is known about stored keys. */
export interface KeyKeeper {
  /** The record of that key version, or undefined when it is no longer there. */
  find(ref: KeyRef): Promise<KeyRecord | undefined>;
  /** Lets an event other than a probe change the key's standing; as `changeState`. */
  note(ref: KeyRef, event: Exclude<KeyEvent, { kind: "probed" }>, cause: StateCause): Promise<KeyRecord | undefined>;
  /**
   * Opens the key, asks its provider about it, and keeps what came out. One probe of a key version at a time: who comes while one is under way shares its
   * outcome. Returns the record as it is then; undefined when that version is no longer there. A key that does not open for good becomes UNREADABLE.
   * Throws RATE_LIMITED (the account's probes are used up), PROVIDER_UNREACHABLE (its owner asked, and nobody could tell), KMS_UNAVAILABLE, KEY_UNREADABLE (the KMS refuses), CANCELLED, and what the store throws.
   */
  probe(ref: KeyRef, cause: StateCause, options: ProbeOptions): Promise<KeyRecord | undefined>;
}

/** How a probe came about. */
export interface ProbeOptions {
  /** OWNER: somebody asked for it now. SERVICE: a report or a timer of ours; these leave some of the account's probes to its owner. */
  readonly for: "OWNER" | "SERVICE";
  readonly signal?: AbortSignal;
}

/** What keeping keys needs. */
export interface KeyKeeperDeps {
  readonly keys: Pick<KeyStore, "find" | "load" | "setState">;
  readonly opener: Pick<SealedKeyOpener, "open">;
  readonly prober: KeyProber;
  readonly probeBudget: ProbeBudget;
  readonly clock: Pick<Clock, "nowMs">;
}

/** Changes a key's standing; as `changeState`. */
type Change = (ref: KeyRef, event: KeyEvent, cause: StateCause) => Promise<KeyRecord | undefined>;

/** A keeper over a store. */
export function createKeyKeeper(deps: KeyKeeperDeps): KeyKeeper {
  const turns = createInTurn();
  // One change of a key at a time: a hundred hosts that report at once must not overtake each other again and again.
  const change: Change = (ref, event, cause) =>
    turns.run(`${ref.account}/${ref.keyId}`, () => changeState(deps, ref, event, cause));
  const underWay = new Map<string, Promise<KeyRecord | undefined>>();
  return {
    async find({ account, keyId, version }) {
      const record = await deps.keys.find(account, keyId);
      return record?.version === version ? record : undefined;
    },
    note: change,
    async probe(ref, cause, options) {
      const name = `${ref.account}/${ref.keyId}/${ref.version}/${options.for}`;
      const shared = underWay.get(name);
      // An owner's probe is bound to its own call and request id; those of the service are all alike.
      if (shared !== undefined && options.for === "SERVICE") return shared;
      const probing = probeOnce(deps, change, ref, cause, options).finally(() => underWay.delete(name));
      if (options.for === "SERVICE") underWay.set(name, probing);
      return probing;
    },
  };
}

async function probeOnce(
  deps: KeyKeeperDeps,
  change: Change,
  ref: KeyRef,
  cause: StateCause,
  options: ProbeOptions,
): Promise<KeyRecord | undefined> {
  const key = await deps.keys.load(ref.account, ref.keyId);
  if (key?.record.version !== ref.version) return undefined;
  deps.probeBudget.take(ref.account, options.for);
  const event = await ask(deps, key, options);
  const outcome = event.kind === "probed" ? event.outcome : "not_opened";
  const told = { ...cause, details: { ...cause.details, outcome } };
  const unclear = outcome === "unknown" || outcome === "network_refused";
  if (event.kind !== "probed" || !unclear || options.for === "SERVICE") return change(ref, event, told);
  // The owner wanted to know, and learns that nobody could tell; what is known stays, and the request may be sent again.
  const { request: _request, ...unanswered } = told;
  await change(ref, event, { ...unanswered, auditAlways: false });
  throw new PloriError({
    reason: "PROVIDER_UNREACHABLE",
    message: `${event.reason} What was known about it stays. Try again.`,
    metadata: { provider: key.record.provider, outcome },
    ...(event.retryAfterMs === undefined ? {} : { retryAfterMs: event.retryAfterMs }),
  });
}

async function ask(deps: KeyKeeperDeps, key: StoredKey, { signal, ...options }: ProbeOptions): Promise<KeyEvent> {
  const { provider } = key.record;
  const secret = await openSealed(deps.opener, key).catch((error: unknown) => {
    // A record that fails its check never opens again; what the KMS says today it may take back tomorrow.
    if (error instanceof PloriError && error.reason === "RECORD_CORRUPT") return undefined;
    throw error;
  });
  if (secret === undefined) return { kind: "unreadable" };
  try {
    const { outcome, reason, limits, retryAfterMs } = await deps.prober.probe(provider, secret, signal);
    return {
      kind: "probed",
      outcome,
      reason,
      tellsCredit: describeProvider(provider).validate.tellsCredit === true,
      onDemand: options.for === "OWNER",
      ...(limits === undefined ? {} : { limits }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    };
  } finally {
    secret.wipe();
  }
}
