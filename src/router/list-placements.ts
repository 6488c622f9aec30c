import { hashField } from "../audit/request-key.ts";
import type { Clock } from "../base/clock.ts";
import { FieldChecker } from "../base/fields.ts";
import { LIMITS } from "../base/limits.ts";
import { decodePageToken, encodePageToken } from "../base/page-token.ts";
import type { AgentName, Placement, PlacementStore } from "./ports.ts";

const LIST = "placements";

/** What listing placements needs. */
export interface ListPlacementsDeps {
  readonly placements: Pick<PlacementStore, "list">;
  readonly clock: Pick<Clock, "nowMs">;
}

/** Which placements, and which page of them. An empty field does not narrow. */
export interface ListPlacementsInput {
  readonly account: string;
  readonly host: string;
  readonly agent: string;
  readonly showExpired: boolean;
  /** 0 means the default; more than the maximum means the maximum (AIP-158). */
  readonly pageSize: number;
  /** Empty: the first page. */
  readonly pageToken: string;
}

/** A page of placements, ordered by account and agent. It may hold fewer than asked for although more follow. */
export interface PlacementsPage {
  readonly placements: readonly Placement[];
  /** Empty: this was the last page. */
  readonly nextPageToken: string;
}

/** Who is placed where; unless asked for otherwise, of those whose placement has not ended. Throws FIELDS_INVALID. */
export async function listPlacements(deps: ListPlacementsDeps, input: ListPlacementsInput): Promise<PlacementsPage> {
  const { account, host, agent, showExpired, pageSize, pageToken } = input;
  // A token serves the list with the filter that it was given for.
  const scope = hashField(account, host, agent, String(showExpired)).slice(0, 32);
  const after = pageToken === "" ? undefined : readCursor(decodePageToken(LIST, scope, pageToken));
  const fields = new FieldChecker();
  for (const [field, value] of Object.entries({ account, host, agent })) if (value !== "") fields.id(field, value);
  fields.check(pageSize >= 0, "page_size", "must not be negative");
  fields.check(
    pageToken === "" || after !== undefined,
    "page_token",
    "must be the next_page_token of the page before, with the same fields",
  );
  fields.done();
  const filter = {
    ...(account === "" ? {} : { account }),
    ...(host === "" ? {} : { host }),
    ...(agent === "" ? {} : { agent }),
    ...(showExpired ? {} : { endsAfterMs: deps.clock.nowMs() }),
  };
  const limit = pageSize === 0 ? LIMITS.placementsPageDefault : Math.min(pageSize, LIMITS.placementsPageMax);
  const { placements, next } = await deps.placements.list(filter, limit, after);
  // Ids hold no slash.
  const nextPageToken = next === undefined ? "" : encodePageToken(LIST, scope, `${next.account}/${next.agent}`);
  return { placements, nextPageToken };
}

function readCursor(cursor: string | undefined): AgentName | undefined {
  const [account, agent] = cursor?.split("/") ?? [];
  return account === undefined || agent === undefined ? undefined : { account, agent };
}
