import { hashField, requestKey } from "../audit/request-key.ts";
import type { Clock } from "../base/clock.ts";
import { FieldChecker } from "../base/fields.ts";
import type { Caller } from "../identity/roles.ts";
import { checkChoices, checkMask, type WantedChoices } from "./check-policy.ts";
import { checkPolicyAccount } from "./get-routing-policy.ts";
import { choicesOf, policyName } from "./policy-record.ts";
import type { PolicyChoices, PolicyRecord, PolicyStore } from "./ports.ts";

const METHOD = "plori.router.v1.RouterService/UpdateRoutingPolicy";
const ETAG_MAX_CHARS = 64;

/** What changing a policy needs. */
export interface UpdateRoutingPolicyDeps {
  readonly policies: PolicyStore;
  readonly clock: Pick<Clock, "nowMs">;
}

/** A policy as asked for. */
export interface UpdateRoutingPolicyInput {
  readonly account: string;
  /** Absent: the request holds none. */
  readonly wanted: WantedChoices | undefined;
  /** The policy's resource name; empty: as the account says. */
  readonly name: string;
  /** Empty only while the account has set no policy. */
  readonly etag: string;
  /** What is replaced; empty: everything. */
  readonly mask: readonly string[];
  readonly requestId: string;
  readonly actor: string;
}

/** Changes an account's policy durably; it holds from the next call on. Throws FIELDS_INVALID, ETAG_MISMATCH or REQUEST_ID_CONFLICT. */
export async function updateRoutingPolicy(
  deps: UpdateRoutingPolicyDeps,
  input: UpdateRoutingPolicyInput,
  caller: Caller,
): Promise<PolicyRecord> {
  const { account, wanted, name, etag, actor } = input;
  const fields = new FieldChecker();
  checkPolicyAccount(fields, account);
  fields.check(wanted !== undefined, "routing_policy", "must be given");
  fields.check(
    name === "" || name === policyName(account),
    "routing_policy.name",
    "must be the account's own, or empty",
  );
  fields.text("routing_policy.etag", etag, 0, ETAG_MAX_CHARS);
  const mask = checkMask(fields, input.mask);
  const checked = wanted === undefined ? undefined : checkChoices(fields, wanted, mask);
  fields.requestId(input.requestId);
  fields.actor(actor);
  fields.done();
  const { isUncapped = false, ...chosen } = checked ?? {};
  // What is not replaced stays as it is. Should it change before this is stored, the etag no longer fits.
  const before = choicesOf(await deps.policies.find(account));
  const { maxHostedCallNano, ...rest } = { ...before, ...chosen };
  const cap = isUncapped || maxHostedCallNano === undefined ? {} : { maxHostedCallNano };
  const request = requestKey(input.requestId, caller, METHOD, account, {
    account: hashField(account),
    routing_policy: hashField(etag, ...fieldsOf(chosen), String(isUncapped)),
    update_mask: hashField(...[...mask]),
    actor: hashField(actor),
  });
  return deps.policies.put(account, { ...rest, ...cap }, etag, {
    audit: {
      kind: "policy.updated",
      timeMs: deps.clock.nowMs(),
      caller: caller.spiffeId,
      actor,
      account,
      subject: policyName(account),
      details: {},
    },
    ...(request === undefined ? {} : { request }),
  });
}

/** What a request chose, in one order, so that two requests can be compared. */
function fieldsOf({ providerOrder, pins, onKeyFailure, maxHostedCallNano }: Partial<PolicyChoices>): string[] {
  return [
    JSON.stringify(providerOrder ?? null),
    JSON.stringify(pins?.map(({ model, provider }) => [model, provider]) ?? null),
    onKeyFailure ?? "",
    String(maxHostedCallNano ?? ""),
  ];
}
