import type { Mutation } from "../../audit/mutation.ts";
import { hashField, requestKey } from "../../audit/request-key.ts";
import type { Clock } from "../../base/clock.ts";
import { FieldChecker } from "../../base/fields.ts";
import type { Caller } from "../../identity/roles.ts";
import { checkTokens } from "../check-record.ts";
import type { LedgerStore } from "../ports.ts";
import type { HoldRow } from "../rows.ts";
import type { TokenCounts } from "../usage-record.ts";

const SERVICE = "plori.ledger.v1.LedgerService";
const HOLD_NAME_MAX_CHARS = 300;

/** What changing a hold needs. */
export interface HoldDeps {
  readonly ledger: Pick<LedgerStore, "extendHold" | "releaseHold">;
  readonly clock: Pick<Clock, "nowMs">;
}

/** Which hold, as its host names it. */
export interface HoldInput {
  readonly account: string;
  readonly hold: string;
  readonly requestId: string;
  readonly actor: string;
}

/** Keeps a hold of the caller's open, durably. Throws FIELDS_INVALID or REQUEST_ID_CONFLICT, and what the store throws. */
export async function extendHold(
  { ledger, clock }: HoldDeps,
  { usedSoFar, ...input }: HoldInput & { readonly usedSoFar: TokenCounts | undefined },
  caller: Caller,
): Promise<HoldRow> {
  const fields = checkInput(input);
  if (usedSoFar !== undefined) checkTokens(fields, "used_so_far", usedSoFar);
  fields.done();
  const used = usedSoFar === undefined ? [] : Object.values<bigint>({ ...usedSoFar });
  const mutation = mutationOf("ExtendHold", "hold.extended", input, caller, clock.nowMs(), {
    used_so_far: hashField(...used),
  });
  return ledger.extendHold({ account: input.account, name: input.hold, host: caller.name }, usedSoFar, mutation);
}

/** Gives up a hold of the caller's, durably. Throws FIELDS_INVALID or REQUEST_ID_CONFLICT, and what the store throws. */
export async function releaseHold({ ledger, clock }: HoldDeps, input: HoldInput, caller: Caller): Promise<HoldRow> {
  checkInput(input).done();
  const mutation = mutationOf("ReleaseHold", "hold.released", input, caller, clock.nowMs(), {});
  return ledger.releaseHold({ account: input.account, name: input.hold, host: caller.name }, mutation);
}

function checkInput({ account, hold, requestId, actor }: HoldInput): FieldChecker {
  const fields = new FieldChecker();
  fields.id("account", account);
  fields.text("hold", hold, 1, HOLD_NAME_MAX_CHARS);
  fields.requestId(requestId);
  fields.actor(actor);
  return fields;
}

function mutationOf(
  method: string,
  kind: "hold.extended" | "hold.released",
  { account, hold, requestId, actor }: HoldInput,
  caller: Caller,
  timeMs: number,
  more: Readonly<Record<string, string>>,
): Mutation {
  const hashes = { account: hashField(account), hold: hashField(hold), actor: hashField(actor), ...more };
  const request = requestKey(requestId, caller, `${SERVICE}/${method}`, account, hashes);
  const audit = { kind, timeMs, caller: caller.spiffeId, actor, account, subject: hold, details: {} };
  return request === undefined ? { audit } : { audit, request };
}
