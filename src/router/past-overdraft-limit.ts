import { formatCredits } from "../base/credits.ts";
import { type PloriError, refuse } from "../base/errors.ts";
import { LIMITS } from "../base/limits.ts";

/**
 * The refusal of a batch because some of its accounts, `owing`, owe more than the limit (nano-credits). Its metadata names as many of them as an error has room
 * for; `account_count` says how many there are.
 */
export function pastOverdraftLimit(owing: readonly string[], overdraftLimitNano: bigint): PloriError {
  let accounts = "";
  for (const account of owing) {
    const longer = accounts === "" ? account : `${accounts},${account}`;
    if (longer.length > LIMITS.namedAccountsMaxChars) break;
    accounts = longer;
  }
  const limit = formatCredits(overdraftLimitNano);
  return refuse(
    "CREDITS_EXHAUSTED",
    `Nothing was placed: ${owing.length === 1 ? `account ${owing[0]} owes` : `${owing.length} accounts owe`} more than the overdraft limit of ${limit} credits. Stop their agents and place the others, or add credits.`,
    { accounts, account_count: String(owing.length), overdraft_limit: limit },
  );
}
