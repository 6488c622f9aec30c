import type { Mutation, RequestKey } from "../audit/mutation.ts";
import type { Clock } from "../base/clock.ts";
import { PloriError, refuse } from "../base/errors.ts";
import type { Provider } from "../base/provider.ts";
import type { Secret } from "../base/secret.ts";
import type { Sealer } from "../seal/sealer.ts";
import { providerKeyIdentity } from "./open-credential.ts";
import { type KeyRecord, type KeySource, type KeyState, type KeyStore, keyName } from "./ports.ts";
import { nextProbeMs } from "./state-waits.ts";

/** Each try seals anew: so many rivals in a row mean that something else is wrong. */
const TRIES_MAX = 5;
const NOT_SERVING: ReadonlySet<KeyState> = new Set<KeyState>(["DEAD", "BLOCKED", "UNREADABLE"]);

/** What storing a new key needs. */
export interface StoreNewKeyDeps {
  readonly keys: Pick<KeyStore, "find" | "lastVersion" | "put">;
  readonly sealer: Pick<Sealer, "seal" | "fingerprint">;
  readonly clock: Pick<Clock, "nowMs">;
}

/** A key that may be stored. */
export interface NewKeyFacts {
  readonly account: string;
  readonly provider: Provider;
  /** Absent: the provider's slug, as for users' keys. */
  readonly keyId?: string;
  /** The hosts that alone may get it. Absent or empty: as the key that it replaces, or any. */
  readonly hosts?: readonly string[];
  readonly source: KeySource;
  /** Stays the caller's to wipe. */
  readonly secret: Secret;
  readonly standing: Pick<KeyRecord, "state" | "stateReason" | "stateUntilMs" | "limits" | "verifyMs">;
  /** Given when the key must not replace one that serves: makes the refusal for that case. */
  readonly unlessServing?: () => PloriError;
  /** The id of the one-click connect that this key completes. */
  readonly completesConnect?: string;
  /** The SPIFFE id of the caller, and the user or operator behind the call. */
  readonly caller: string;
  readonly actor: string;
  readonly request: RequestKey | undefined;
}

/**
 * Seals the key as the account's next version and puts it in the place of the current one. When another key was stored meanwhile, the version
 * is taken and bound into the sealed bytes, so it is sealed again. Throws ETAG_MISMATCH after five tries, FIELDS_INVALID when the key id names a key of
 * another provider, and what sealer and store throw.
 */
export async function storeNewKey(deps: StoreNewKeyDeps, facts: NewKeyFacts): Promise<KeyRecord> {
  const { account, provider, keyId = provider, source, secret, standing, completesConnect } = facts;
  const completed = completesConnect === undefined ? {} : { completesConnect };
  const fingerprint = await deps.sealer.fingerprint(secret);
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const current = await deps.keys.find(account, keyId);
    if (current !== undefined && current.provider !== provider) throw otherProvider(keyId);
    if (current !== undefined && facts.unlessServing !== undefined && !NOT_SERVING.has(current.state)) {
      throw facts.unlessServing();
    }
    const version = (await deps.keys.lastVersion(account, provider)) + 1;
    const sealed = await deps.sealer.seal(providerKeyIdentity(account, provider, version), secret);
    const createMs = deps.clock.nowMs();
    // A rotation that names no hosts must not open a bound key to the whole fleet.
    const hosts = facts.hosts !== undefined && facts.hosts.length > 0 ? facts.hosts : current?.hosts;
    const bound = hosts === undefined ? {} : { hosts };
    const record = { account, keyId, provider, version, revision: 1, source, createMs, ...standing, ...bound };
    const stored = await deps.keys.put(
      {
        record,
        sealed,
        fingerprint,
        replacesVersion: current?.version ?? 0,
        probeDueMs: nextProbeMs(record, createMs),
        ...completed,
      },
      connectedMutation(facts, record, fingerprint),
    );
    if (stored !== "raced") return stored;
  }
  throw refuse("ETAG_MISMATCH", "The key was replaced again and again meanwhile. Read it, and connect once more.");
}

function connectedMutation(facts: NewKeyFacts, record: KeyRecord, fingerprint: Buffer): Mutation {
  const { account, keyId, provider, version, state, source, createMs, hosts } = record;
  return {
    audit: {
      kind: "key.connected",
      timeMs: createMs,
      caller: facts.caller,
      actor: facts.actor,
      account,
      subject: keyName(account, keyId),
      details: {
        provider,
        version: String(version),
        state,
        source,
        fingerprint: fingerprint.toString("hex"),
        ...(hosts === undefined ? {} : { hosts: hosts.join(" ") }),
      },
    },
    ...(facts.request === undefined ? {} : { request: facts.request }),
  };
}

function otherProvider(keyId: string): PloriError {
  const description = "names a key of another provider; remove that one first, or take another id";
  return new PloriError({
    reason: "FIELDS_INVALID",
    message: `Invalid request: key_id ${description}.`,
    metadata: { key_id: keyId },
    violations: [{ field: "key_id", description }],
  });
}
