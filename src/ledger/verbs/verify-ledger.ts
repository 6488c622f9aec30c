import { FieldChecker } from "../../base/fields.ts";
import type { LedgerStore, VerifiedAccount } from "../ports.ts";

/** Which accounts to verify: one, or all of them after another. Empty stands for none. */
export interface VerifyLedgerInput {
  readonly account: string;
  readonly afterAccount: string;
}

/** Recomputes what must hold from the stored rows; yields after each account. Ends soon after `signal` aborts. Throws FIELDS_INVALID. */
export async function* verifyLedger(
  ledger: Pick<LedgerStore, "verify">,
  { account, afterAccount }: VerifyLedgerInput,
  signal: AbortSignal,
): AsyncGenerator<VerifiedAccount, void> {
  const fields = new FieldChecker();
  if (account !== "") fields.id("account", account);
  if (afterAccount !== "") fields.id("after_account", afterAccount);
  fields.check(account === "" || afterAccount === "", "after_account", "must be empty when account is set");
  fields.done();
  yield* ledger.verify(account === "" ? undefined : account, afterAccount, signal);
}
