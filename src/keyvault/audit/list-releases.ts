import type { ReleaseHistory, ReleaseRecord } from "../../audit/ports.ts";
import { FieldChecker } from "../../base/fields.ts";
import type { Caller } from "../../identity/roles.ts";
import { checkAccountAccess } from "../account-access.ts";
import { checkPage, type PageInput } from "./page-fields.ts";

/** Which releases, and which page of them. An empty filter does not narrow. */
export interface ListReleasesInput extends PageInput {
  readonly account: string;
  readonly host: string;
}

/** A page of releases, newest first; empty token: the last. */
export interface ReleasesPage {
  readonly releases: readonly ReleaseRecord[];
  readonly nextPageToken: string;
}

/**
 * Who was given which key version, newest first. Settings sees releases of the account's own keys, whoever else paid for its calls, and names no host.
 * Throws FIELDS_INVALID or ROLE_NOT_ALLOWED.
 */
export async function listReleases(
  deps: { readonly history: Pick<ReleaseHistory, "newestReleases"> },
  input: ListReleasesInput,
  caller: Caller,
): Promise<ReleasesPage> {
  const { account, host, startMs, endMs } = input;
  const isSettings = caller.role === "settings";
  const fields = new FieldChecker();
  if (isSettings || account !== "") fields.id("account", account);
  if (isSettings) fields.check(host === "", "host", "is for auditors and admins");
  else if (host !== "") fields.id("host", host);
  const page = checkPage(fields, "releases", [caller.role, account, host], input);
  fields.done();
  if (account !== "") checkAccountAccess(account, caller, "read");
  const filter = {
    ...(account === "" ? {} : { account }),
    ...(isSettings ? { keyAccount: account } : {}),
    ...(host === "" ? {} : { host }),
    ...(startMs === undefined ? {} : { startMs }),
    ...(endMs === undefined ? {} : { endMs }),
  };
  const { items, before } = await deps.history.newestReleases(filter, page.before, page.limit);
  return { releases: items, nextPageToken: page.token(before) };
}
