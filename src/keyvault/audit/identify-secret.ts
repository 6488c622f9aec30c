import type { AuditEvent } from "../../audit/event.ts";
import type { FingerprintedKey, Holder, ReleaseHistory } from "../../audit/ports.ts";
import type { Clock } from "../../base/clock.ts";
import { FieldChecker } from "../../base/fields.ts";
import { LIMITS } from "../../base/limits.ts";
import { Secret } from "../../base/secret.ts";
import type { Caller } from "../../identity/roles.ts";
import type { Sealer } from "../../seal/sealer.ts";
import { keyName } from "../ports.ts";
import type { CallBudget } from "./call-budget.ts";

/** Key versions that are told of. One secret connected by more accounts than this is public. */
const KEYS_MAX = 100;
const SPACE = 0x20;
const TILDE = 0x7e;
/** Tab, line feed, vertical tab, form feed, carriage return: with the space, what `String.trim` takes off ASCII text. */
const isSpace = (byte: number): boolean => byte === SPACE || (byte >= 0x09 && byte <= 0x0d);

/** What identifying a secret needs. */
export interface IdentifySecretDeps {
  readonly history: Pick<ReleaseHistory, "keysWithFingerprint" | "holders">;
  readonly sealer: Pick<Sealer, "fingerprint">;
  /** Appends to the audit; resolves when it is durable. */
  readonly appendAudit: (event: AuditEvent) => Promise<void>;
  readonly identifyBudget: CallBudget;
  readonly clock: Pick<Clock, "nowMs">;
}

/** A secret that somebody found. */
export interface IdentifySecretInput {
  /** Stays the caller's to wipe. */
  readonly secret: Uint8Array;
  readonly actor: string;
}

/** A key version with that secret, and who was given it. */
export interface IdentifiedKey extends FingerprintedKey {
  readonly holders: readonly Holder[];
}

/**
 * Tells which key versions, current or not, have this secret, and every host that was given them. The search is on record before anything is told, with the
 * secret's fingerprint and how many keys it found. Throws FIELDS_INVALID, RATE_LIMITED, CANCELLED, and what the sealer and the store throw.
 */
export async function identifySecret(
  deps: IdentifySecretDeps,
  input: IdentifySecretInput,
  caller: Caller,
  signal: AbortSignal,
): Promise<readonly IdentifiedKey[]> {
  const trimmed = trim(input.secret);
  const fields = new FieldChecker();
  fields.check(
    trimmed.length >= 1 &&
      trimmed.length <= LIMITS.secretMaxChars &&
      trimmed.every((byte) => byte >= SPACE && byte <= TILDE),
    "secret",
    `must be 1-${LIMITS.secretMaxChars} printable ASCII characters, white space around them ignored`,
  );
  fields.actor(input.actor);
  fields.done();
  deps.identifyBudget.take(caller.spiffeId);
  const fingerprint = await fingerprintOf(deps, trimmed);
  const keys = await deps.history.keysWithFingerprint(fingerprint, KEYS_MAX);
  const [only] = keys;
  await deps.appendAudit({
    kind: "secret.identified",
    timeMs: deps.clock.nowMs(),
    caller: caller.spiffeId,
    actor: input.actor,
    account: keys.length === 1 && only !== undefined ? only.account : "",
    subject: keys.length === 1 && only !== undefined ? keyName(only.account, only.keyId) : "",
    details: { fingerprint: fingerprint.toString("hex"), keys: String(keys.length) },
  });
  const identified: IdentifiedKey[] = [];
  for (const key of keys) {
    identified.push({ ...key, holders: await deps.history.holders(key, key.connectMs, signal) });
  }
  return identified;
}

async function fingerprintOf(deps: IdentifySecretDeps, bytes: Uint8Array): Promise<Buffer> {
  const secret = Secret.copyOf(bytes);
  try {
    return await deps.sealer.fingerprint(secret);
  } finally {
    secret.wipe();
  }
}

/** The same bytes without the white space around them; not a copy. */
function trim(bytes: Uint8Array): Uint8Array {
  // What is far too long is not gone through.
  if (bytes.length > 4 * LIMITS.secretMaxChars) return bytes;
  let start = 0;
  let end = bytes.length;
  while (start < end && isSpace(bytes[start] ?? 0)) start += 1;
  while (end > start && isSpace(bytes[end - 1] ?? 0)) end -= 1;
  return bytes.subarray(start, end);
}
