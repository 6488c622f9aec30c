import { hashField, requestKey } from "../../audit/request-key.ts";
import type { Clock } from "../../base/clock.ts";
import { FieldChecker } from "../../base/fields.ts";
import type { Caller } from "../../identity/roles.ts";
import type { DataKeyLifeCycle } from "../../seal/life-cycle.ts";
import type { Sealer } from "../../seal/sealer.ts";
import type { VaultStore } from "../vault-ports.ts";

const METHOD = "plori.keyvault.v1.KeyVaultService/EvictDataKeys";

/** What evicting needs. */
export interface EvictDeps {
  readonly vault: Pick<VaultStore, "record">;
  readonly sealer: Pick<Sealer, "evict">;
  readonly lifeCycle: Pick<DataKeyLifeCycle, "evictAll">;
  readonly clock: Pick<Clock, "nowMs">;
}

/** Whose data keys; empty: everyone's. */
export interface EvictInput {
  readonly account: string;
  readonly requestId: string;
  readonly actor: string;
}

/**
 * Forgets data keys that this process holds in memory, so that the next use of each asks KMS. The record of it is durable first; forgetting twice does
 * no harm, so a repeated request forgets again. Throws FIELDS_INVALID or REQUEST_ID_CONFLICT.
 */
export async function evictDataKeys(deps: EvictDeps, input: EvictInput, caller: Caller): Promise<void> {
  const { account, actor } = input;
  const fields = new FieldChecker();
  if (account !== "") fields.id("account", account);
  fields.requestId(input.requestId);
  fields.actor(actor);
  fields.done();
  const request = requestKey(input.requestId, caller, METHOD, account, {
    account: hashField(account),
    actor: hashField(actor),
  });
  await deps.vault.record(
    {
      audit: {
        kind: "data-keys.evicted",
        timeMs: deps.clock.nowMs(),
        caller: caller.spiffeId,
        actor,
        account,
        subject: account === "" ? "dataKeys" : `accounts/${account}/dataKeys`,
        details: {},
      },
      ...(request === undefined ? {} : { request }),
    },
    {},
  );
  if (account === "") deps.lifeCycle.evictAll();
  else deps.sealer.evict(account);
}
