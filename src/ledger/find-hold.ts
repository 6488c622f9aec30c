import { refuse } from "../base/errors.ts";
import { holdName } from "./find-authority.ts";
import type { HoldRow } from "./rows.ts";
import type { WorkingSet } from "./working-set.ts";

/** Which hold a host means. */
export interface HoldRef {
  readonly account: string;
  /** Its resource name, as ResolveRoute returned it. */
  readonly name: string;
  /** The host that asks. */
  readonly host: string;
}

/** The hold that its own host names. Another host's looks exactly like one that does not exist. Throws HOLD_NOT_FOUND. */
export function findHold(set: WorkingSet, { account, name, host }: HoldRef): HoldRow {
  const prefix = holdName(account, "");
  const hold = name.startsWith(prefix) ? set.hold(account, name.slice(prefix.length)) : undefined;
  if (hold !== undefined && hold.host === host) return hold;
  throw refuse(
    "HOLD_NOT_FOUND",
    `There is no hold ${name} of this host in account ${account}. Use the hold as ResolveRoute returned it.`,
    { hold: name },
  );
}

/** The refusal of a hold whose call was charged. */
export function callSettled(hold: HoldRow) {
  return refuse("CALL_SETTLED", `Call ${hold.callId} was already charged: its hold is settled.`, {
    call_id: hold.callId,
  });
}
