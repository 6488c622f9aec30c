import { PLATFORM_ACCOUNT } from "../../../base/provider.ts";
import type { Release, Released } from "../../../router/ports.ts";
import { activePriceVersion, placeHold } from "../ledger-hold.ts";
import type { WriteTransaction } from "../write-transaction.ts";

const INSERT_ROUTE = `INSERT INTO route
  (route_id, account, agent, host, call_id, payer, provider, model, upstream_model, canonical_model, key_account, key_id, key_version,
   price_version, hold_id, create_ms, reuse_until_ms)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

/** Records that a credential leaves: the route, the hold if plori pays, and the audit record, all in the current transaction. */
export function release(tx: WriteTransaction, route: Release): Released {
  const hold = route.hold === undefined ? undefined : placeHold(tx, route, route.hold);
  const priceVersion = hold?.priceVersion ?? activePriceVersion(tx);
  tx.run(
    INSERT_ROUTE,
    route.routeId,
    route.account,
    route.agent,
    route.host,
    route.callId,
    route.payer,
    route.provider,
    route.model,
    route.upstreamModel,
    route.canonicalModel,
    route.keyAccount,
    route.keyId,
    route.keyVersion,
    priceVersion,
    hold?.holdId ?? null,
    route.timeMs,
    route.reuseUntilMs,
  );
  tx.audit({
    kind: "credential.released",
    timeMs: route.timeMs,
    caller: route.caller,
    actor: "",
    account: route.account,
    subject: `routes/${route.routeId}`,
    details: {
      agent: route.agent,
      call_id: route.callId,
      hold: hold?.holdId ?? "",
      key: route.keyId,
      key_owner: route.keyAccount === PLATFORM_ACCOUNT ? PLATFORM_ACCOUNT : "account",
      key_version: String(route.keyVersion),
      model: route.model,
      payer: route.payer,
      provider: route.provider,
      reason: route.reason,
      reuse_until_ms: String(route.reuseUntilMs),
      upstream_model: route.upstreamModel,
    },
  });
  if (hold === undefined) return { priceVersion };
  const { priceVersion: _version, ...rest } = hold;
  return { priceVersion, hold: rest };
}
