import { hashField, requestKey } from "../../audit/request-key.ts";
import type { Clock } from "../../base/clock.ts";
import { refuse } from "../../base/errors.ts";
import { FieldChecker } from "../../base/fields.ts";
import { PLATFORM_ACCOUNT } from "../../base/provider.ts";
import type { Caller } from "../../identity/roles.ts";
import type { Sealer } from "../../seal/sealer.ts";
import type { ShredCounts, VaultStore } from "../vault-ports.ts";

const METHOD = "plori.keyvault.v1.KeyVaultService/ShredAccount";
const ETAG_MAX_CHARS = 256;

/** What destroying an account needs: no KMS among it. */
export interface ShredDeps {
  readonly vault: Pick<VaultStore, "describeAccount" | "shred" | "truncateLog">;
  readonly sealer: Pick<Sealer, "evict">;
  readonly clock: Pick<Clock, "nowMs">;
}

/** Which account, and that the caller means it. */
export interface ShredInput {
  readonly account: string;
  /** As a call with `validateOnly` answered. */
  readonly etag: string;
  /** "shred " and the account. */
  readonly confirmation: string;
  /** Tell what would be destroyed, and change nothing. */
  readonly validateOnly: boolean;
  readonly requestId: string;
  readonly actor: string;
}

/** What was destroyed, or would be. */
export interface Shredded extends ShredCounts {
  /** The account's etag when nothing was destroyed; else empty. */
  readonly etag: string;
  /** Whether the database's write-ahead log was cut, so that the files hold no wrapped key any more. */
  readonly isLogTruncated: boolean;
}

/**
 * Destroys an account's wrapped data keys and sealed keys: nothing that was ever sealed for it opens again, wherever a copy of the sealed bytes
 * lies. A copy of the database made before (a backup) still holds the wrapped data keys; only destroying it, or the KMS key, ends those.
 * Throws FIELDS_INVALID, KEY_NOT_FOUND (nothing to destroy), ETAG_MISMATCH, REQUEST_ID_CONFLICT.
 */
export async function shredAccount(deps: ShredDeps, input: ShredInput, caller: Caller): Promise<Shredded> {
  const { account, etag, actor, validateOnly } = input;
  checkInput(input);
  if (validateOnly) {
    const found = await deps.vault.describeAccount(account);
    if (found === undefined) {
      throw refuse("KEY_NOT_FOUND", `accounts/${account} has no keys and no data keys: there is nothing to destroy.`, {
        account,
      });
    }
    return { ...found, isLogTruncated: false };
  }
  const request = requestKey(input.requestId, caller, METHOD, account, {
    account: hashField(account),
    etag: hashField(etag),
    actor: hashField(actor),
  });
  const { keyCount, dataKeyCount } = await deps.vault.shred(account, etag, {
    audit: {
      kind: "account.shredded",
      timeMs: deps.clock.nowMs(),
      caller: caller.spiffeId,
      actor,
      account,
      subject: `accounts/${account}`,
      details: {},
    },
    ...(request === undefined ? {} : { request }),
  });
  deps.sealer.evict(account);
  return { keyCount, dataKeyCount, etag: "", isLogTruncated: await deps.vault.truncateLog() };
}

function checkInput({ account, etag, confirmation, validateOnly, requestId, actor }: ShredInput): void {
  const fields = new FieldChecker();
  fields.id("account", account);
  fields.check(
    account !== PLATFORM_ACCOUNT,
    "account",
    "must not be the platform's own: its data keys belong to the whole installation. Remove its keys one by one",
  );
  fields.text("etag", etag, validateOnly ? 0 : 1, ETAG_MAX_CHARS);
  fields.check(validateOnly || confirmation === `shred ${account}`, "confirmation", `must be "shred " and the account`);
  fields.requestId(requestId);
  fields.actor(actor);
  fields.done();
}
