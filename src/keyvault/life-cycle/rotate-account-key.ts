import { hashField, requestKey } from "../../audit/request-key.ts";
import { PloriError, refuse } from "../../base/errors.ts";
import { FieldChecker } from "../../base/fields.ts";
import type { Caller } from "../../identity/roles.ts";
import type { DataKeyLifeCycle } from "../../seal/life-cycle.ts";
import type { VaultStore } from "../vault-ports.ts";
import { type ResealDeps, resealAccount } from "./reseal-account.ts";

const METHOD = "plori.keyvault.v1.KeyVaultService/RotateAccountKey";

/** What rotating needs. */
export interface RotateDeps extends ResealDeps {
  readonly vault: Pick<
    VaultStore,
    "rowsOf" | "reseal" | "endRotation" | "beginRotation" | "findAnswer" | "describeAccount"
  >;
  readonly lifeCycle: Pick<DataKeyLifeCycle, "rotate">;
}

/** Whose key. */
export interface RotateInput {
  readonly account: string;
  readonly requestId: string;
  readonly actor: string;
}

/** The data key that new records are sealed under, and how many records an older one sealed at that moment. */
export interface Rotated {
  readonly dataKeyVersion: number;
  readonly recordCount: number;
}

/**
 * Makes a further data key for the account and seals its records anew under it. The new data key is durable, and seals what comes, before the first
 * record is touched; older versions only open from then on. Should the process die in between, the sweep of the next one seals the rest.
 * Throws FIELDS_INVALID, KEY_NOT_FOUND (the account has no data key), REQUEST_ID_CONFLICT, and what the sealer throws.
 */
export async function rotateAccountKey(
  deps: RotateDeps,
  input: RotateInput,
  caller: Pick<Caller, "spiffeId">,
): Promise<Rotated> {
  const { account, actor } = input;
  const fields = new FieldChecker();
  fields.id("account", account);
  fields.requestId(input.requestId);
  fields.actor(actor);
  fields.done();
  const fieldHashes = { account: hashField(account), actor: hashField(actor) };
  const request = requestKey(input.requestId, caller, METHOD, account, fieldHashes);
  const before = request === undefined ? undefined : await deps.vault.findAnswer(request);
  if (before !== undefined) return before as Rotated;
  const found = await deps.vault.describeAccount(account);
  if (found === undefined || found.dataKeyCount === 0) {
    throw refuse("KEY_NOT_FOUND", `accounts/${account} has no data key: there is nothing to rotate.`, { account });
  }
  const dataKeyVersion = await deps.lifeCycle.rotate(account);
  const rotated = await deps.vault.beginRotation(account, dataKeyVersion, {
    audit: {
      kind: "account.key-rotated",
      timeMs: deps.clock.nowMs(),
      caller: caller.spiffeId,
      actor,
      account,
      subject: `accounts/${account}`,
      details: { data_key_version: String(dataKeyVersion) },
    },
    ...(request === undefined ? {} : { request }),
  });
  await resealAccount(deps, account).catch(laterIfRefused);
  return rotated;
}

/** The rotation itself is done. A record that cannot be sealed anew now is left to the sweep. */
function laterIfRefused(error: unknown): void {
  if (!(error instanceof PloriError)) throw error;
}
