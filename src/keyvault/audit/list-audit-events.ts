import type { AuditReader } from "../../audit/ports.ts";
import type { StoredRecord } from "../../audit/verify.ts";
import { FieldChecker } from "../../base/fields.ts";
import { checkPage, type PageInput } from "./page-fields.ts";

const KIND = /^[a-z][a-z.-]{0,63}$/;
const CALLER_MAX_CHARS = 2_048;

/** Which events, and which page of them. An empty filter does not narrow. */
export interface ListAuditEventsInput extends PageInput {
  readonly account: string;
  readonly kind: string;
  readonly caller: string;
}

/** A page of events, newest first; empty token: the last. */
export interface AuditEventsPage {
  readonly events: readonly StoredRecord[];
  readonly nextPageToken: string;
}

/** Audit events, newest first. Throws FIELDS_INVALID. */
export async function listAuditEvents(
  deps: { readonly audit: Pick<AuditReader, "newest"> },
  input: ListAuditEventsInput,
): Promise<AuditEventsPage> {
  const { account, kind, caller, startMs, endMs } = input;
  const fields = new FieldChecker();
  // The audit's own accounts ("~audit") can be asked for too.
  fields.text("account", account, 0, CALLER_MAX_CHARS);
  fields.check(kind === "" || KIND.test(kind), "kind", 'must be a kind of event, for example "key.connected"');
  fields.text("caller", caller, 0, CALLER_MAX_CHARS);
  const page = checkPage(fields, "audit-events", [account, kind, caller], input);
  fields.done();
  const filter = {
    ...(account === "" ? {} : { account }),
    ...(kind === "" ? {} : { kind }),
    ...(caller === "" ? {} : { caller }),
    ...(startMs === undefined ? {} : { startMs }),
    ...(endMs === undefined ? {} : { endMs }),
  };
  const { items, before } = await deps.audit.newest(filter, page.before, page.limit);
  return { events: items, nextPageToken: page.token(before) };
}
