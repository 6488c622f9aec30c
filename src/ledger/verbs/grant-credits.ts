import { hashField, requestKey } from "../../audit/request-key.ts";
import type { Clock } from "../../base/clock.ts";
import { formatCredits } from "../../base/credits.ts";
import { FieldChecker } from "../../base/fields.ts";
import type { MintId } from "../../base/ids.ts";
import { PLATFORM_ACCOUNT } from "../../base/provider.ts";
import type { Caller } from "../../identity/roles.ts";
import { checkGrantTimes, checkPriority } from "../grant-credits.ts";
import { grantName, type LedgerStore } from "../ports.ts";
import type { GrantCategory, GrantRow } from "../rows.ts";

const METHOD = "plori.ledger.v1.LedgerService/GrantCredits";

/** What giving credits needs. */
export interface GrantCreditsDeps {
  readonly ledger: Pick<LedgerStore, "grantCredits">;
  readonly clock: Pick<Clock, "nowMs">;
  readonly mintId: MintId;
}

/** Credits to give. */
export interface GrantCreditsInput {
  readonly account: string;
  /** Undefined: an amount that no ledger could hold. */
  readonly amountNano: bigint | undefined;
  readonly priority: number;
  /** Undefined: a category that nobody knows. */
  readonly category: GrantCategory | undefined;
  readonly effectiveMs: number | undefined;
  readonly expireMs: number | undefined;
  readonly requestId: string;
  readonly actor: string;
}

/** Gives an account credits, durably. Throws FIELDS_INVALID or REQUEST_ID_CONFLICT, and what the store throws. */
export async function grantCredits(
  deps: GrantCreditsDeps,
  input: GrantCreditsInput,
  caller: Caller,
): Promise<GrantRow> {
  const { account, priority, category, effectiveMs, expireMs, requestId, actor } = input;
  const fields = new FieldChecker();
  fields.id("account", account);
  fields.check(account !== PLATFORM_ACCOUNT, "account", "is reserved for plori's own keys and has no credits");
  fields.check(
    input.amountNano !== undefined && input.amountNano > 0n,
    "amount",
    "must be more than zero, units and nanos of one sign, nanos below a whole credit, and at most 2^63-1 nano-credits",
  );
  checkPriority(fields, priority);
  fields.check(category !== undefined, "category", "is not one that is known");
  fields.requestId(requestId);
  fields.actor(actor);
  // Times are judged where the grant is decided, after the look for an earlier answer: a repeated request must not fail because time has passed. A request
  // that is refused anyway learns of them here, so that every wrong field is named at once.
  if (fields.violations.length > 0) checkGrantTimes(fields, input, deps.clock.nowMs());
  fields.done();
  const amountNano = input.amountNano ?? 0n;
  const request = requestKey(requestId, caller, METHOD, account, {
    account: hashField(account),
    amount: hashField(amountNano),
    priority: hashField(priority),
    category: hashField(category ?? ""),
    effective_time: hashField(effectiveMs ?? ""),
    expire_time: hashField(expireMs ?? ""),
    actor: hashField(actor),
  });
  const grantId = deps.mintId();
  const order = { account, grantId, amountNano, priority, category: category ?? "PAID", effectiveMs, expireMs };
  return deps.ledger.grantCredits(order, {
    audit: {
      kind: "credits.granted",
      timeMs: deps.clock.nowMs(),
      caller: caller.spiffeId,
      actor,
      account,
      subject: grantName({ account, grantId }),
      details: { amount: formatCredits(amountNano), category: order.category, priority: String(priority) },
    },
    ...(request === undefined ? {} : { request }),
  });
}
