import type { Mutation } from "../../audit/mutation.ts";
import { hashField, requestKey } from "../../audit/request-key.ts";
import type { Clock } from "../../base/clock.ts";
import { FieldChecker } from "../../base/fields.ts";
import type { Caller } from "../../identity/roles.ts";
import type { LedgerStore } from "../ports.ts";
import type { ChargeRow, GrantRow } from "../rows.ts";

const SERVICE = "plori.ledger.v1.LedgerService";
const GRANT_NAME = /^accounts\/([A-Za-z0-9._-]{1,128})\/grants\/([A-Za-z0-9._-]{1,128})$/;
const CHARGE_NAME = /^accounts\/([A-Za-z0-9._-]{1,128})\/charges\/([1-9]\d{0,15})$/;

/** What undoing a grant or a charge needs. */
export interface CorrectionDeps {
  readonly ledger: Pick<LedgerStore, "voidGrant" | "reverseCharge">;
  readonly clock: Pick<Clock, "nowMs">;
}

/** What to undo, by its resource name. */
export interface CorrectionInput {
  readonly name: string;
  readonly requestId: string;
  readonly actor: string;
}

/** Takes back what is left of a grant, durably. Throws FIELDS_INVALID or REQUEST_ID_CONFLICT, and what the store throws. */
export async function voidGrant(deps: CorrectionDeps, input: CorrectionInput, caller: Caller): Promise<GrantRow> {
  const [account, grantId] = checkInput(input, GRANT_NAME, "accounts/{account}/grants/{grant}");
  const mutation = mutationOf("VoidGrant", "credits.voided", account, input, caller, deps.clock.nowMs());
  return deps.ledger.voidGrant(account, grantId, mutation);
}

/** Undoes a charge by a new one, durably. Throws FIELDS_INVALID or REQUEST_ID_CONFLICT, and what the store throws. */
export async function reverseCharge(deps: CorrectionDeps, input: CorrectionInput, caller: Caller): Promise<ChargeRow> {
  const [account, sequence] = checkInput(input, CHARGE_NAME, "accounts/{account}/charges/{sequence}");
  const mutation = mutationOf("ReverseCharge", "charge.reversed", account, input, caller, deps.clock.nowMs());
  return deps.ledger.reverseCharge(account, Number(sequence), mutation);
}

/** The account and the sequence in a charge's resource name. Throws FIELDS_INVALID. */
export function readChargeName(name: string): { readonly account: string; readonly sequence: number } {
  const input = { name, requestId: "", actor: "" };
  const [account, sequence] = checkInput(input, CHARGE_NAME, "accounts/{account}/charges/{sequence}");
  return { account, sequence: Number(sequence) };
}

function checkInput(
  { name, requestId, actor }: CorrectionInput,
  form: RegExp,
  formInWords: string,
): readonly [account: string, id: string] {
  const fields = new FieldChecker();
  const [, account = "", id = ""] = form.exec(name) ?? [];
  fields.check(id !== "", "name", `must be ${formInWords}`);
  fields.requestId(requestId);
  fields.actor(actor);
  fields.done();
  return [account, id];
}

function mutationOf(
  method: string,
  kind: "credits.voided" | "charge.reversed",
  account: string,
  { name, requestId, actor }: CorrectionInput,
  caller: Caller,
  timeMs: number,
): Mutation {
  const hashes = { name: hashField(name), actor: hashField(actor) };
  const request = requestKey(requestId, caller, `${SERVICE}/${method}`, account, hashes);
  const audit = { kind, timeMs, caller: caller.spiffeId, actor, account, subject: name, details: {} };
  return request === undefined ? { audit } : { audit, request };
}
