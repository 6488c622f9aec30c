import { FieldChecker } from "../../base/fields.ts";
import { LIMITS } from "../../base/limits.ts";
import { PLATFORM_ACCOUNT } from "../../base/provider.ts";
import type { Caller } from "../../identity/roles.ts";
import type { StoredAccountEvent } from "../account-event.ts";
import { type AccountEventLog, type AccountEventNews, EVERY_ACCOUNT } from "../account-event-ports.ts";

const TOKEN = /^[0-9]{1,18}$/;

/** What watching accounts needs. */
export interface WatchAccountsDeps {
  readonly accountEvents: Pick<AccountEventLog, "newest" | "after">;
  readonly accountEventNews: AccountEventNews;
}

/** Whom to watch, and from where on. */
export interface WatchAccountsInput {
  /** None: every account. */
  readonly accounts: readonly string[];
  /** Empty: from now on. */
  readonly resumeToken: string;
}

/** One message of the stream. */
export interface AccountEventsTold {
  /** Send it again to go on after this message. */
  readonly resumeToken: string;
  readonly events: readonly StoredAccountEvent[];
  /** Some of what happened between the watcher's token and here is forgotten. */
  readonly missed: boolean;
}

/**
 * What happens to accounts, in order, from where the token stands, until `signal` aborts. First a message that says where the stream stands; whenever nothing
 * was told for five seconds, an empty one. The reserved account is shown to admins alone. Throws FIELDS_INVALID.
 *
 * Nothing is kept in memory for a stream but its position: what a slow reader has not taken waits in the log, and when it is forgotten there, the reader is
 * told so. The log is read when an event of these accounts was committed, not on a timer.
 */
export async function* watchAccounts(
  { accountEvents, accountEventNews }: WatchAccountsDeps,
  input: WatchAccountsInput,
  caller: Pick<Caller, "role">,
  signal: AbortSignal,
): AsyncGenerator<AccountEventsTold, void, undefined> {
  checkWatch(input, caller);
  const { accounts, resumeToken } = input;
  const named = new Set(accounts);
  const isShown = ({ account }: StoredAccountEvent): boolean =>
    named.size > 0 ? named.has(account) : account !== PLATFORM_ACCOUNT || caller.role === "admin";
  // Before the position is read: nothing may be committed between the two unheard.
  const listener = accountEventNews.listen(...(named.size > 0 ? named : [EVERY_ACCOUNT]));
  try {
    const newest = await accountEvents.newest();
    let position = resumeToken === "" ? newest : BigInt(resumeToken);
    // A token from ahead of us was given by a database that has been put back since: what it had told is not known here.
    const missed = position > newest || (await accountEvents.after(position, 0)) === "forgotten";
    if (missed) position = newest;
    yield { resumeToken: position.toString(), events: [], missed };
    while (!signal.aborted) {
      const found = await accountEvents.after(position, LIMITS.eventsPageMax);
      if (found === "forgotten") {
        position = await accountEvents.newest();
        yield { resumeToken: position.toString(), events: [], missed: true };
        continue;
      }
      position = found.at(-1)?.seq ?? position;
      const events = found.filter(isShown);
      if (events.length > 0) yield { resumeToken: position.toString(), events, missed: false };
      if (found.length === LIMITS.eventsPageMax) continue;
      const wasHeard = await listener.next(LIMITS.watchHeartbeatMs, signal);
      if (!wasHeard && !signal.aborted) {
        // Nothing rang for these accounts, so what was committed meanwhile was about others: a later resumption need not look through it.
        if (accountEventNews.newest > position) position = accountEventNews.newest;
        yield { resumeToken: position.toString(), events: [], missed: false };
      }
    }
  } finally {
    listener.close();
  }
}

function checkWatch({ accounts, resumeToken }: WatchAccountsInput, caller: Pick<Caller, "role">): void {
  const fields = new FieldChecker();
  const { watchedAccountsMax } = LIMITS;
  fields.check(accounts.length <= watchedAccountsMax, "accounts", `must be at most ${watchedAccountsMax}`);
  for (const [index, account] of accounts.slice(0, watchedAccountsMax).entries()) {
    fields.id(`accounts[${index}]`, account);
    const isOpen = account !== PLATFORM_ACCOUNT || caller.role === "admin";
    fields.check(isOpen, `accounts[${index}]`, "is reserved for plori's own keys, which admins alone may watch");
  }
  fields.check(
    resumeToken === "" || TOKEN.test(resumeToken),
    "resume_token",
    "must be empty, or as a message of WatchAccounts gave it",
  );
  fields.done();
}
