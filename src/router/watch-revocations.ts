import { FieldChecker } from "../base/fields.ts";
import { LIMITS } from "../base/limits.ts";
import type { Caller } from "../identity/roles.ts";
import type { Revocation, RevocationLog, RevocationNews } from "./revocation-ports.ts";

const TOKEN = /^[0-9]{1,18}$/;

/** What watching revocations needs. */
export interface WatchRevocationsDeps {
  readonly revocations: Pick<RevocationLog, "newest" | "after">;
  readonly revocationNews: RevocationNews;
}

/** One message of the stream. */
export interface RevocationsTold {
  /** Send it again to go on after this message. */
  readonly resumeToken: string;
  readonly revocations: readonly Revocation[];
  /** The host must stop using every lease. */
  readonly everything: boolean;
}

/**
 * The revocations that concern the calling host, in order, from where `resumeToken` stands (empty: from now on), until `signal` aborts. First a message that
 * says where the stream stands; whenever nothing was told for five seconds, an empty one. Throws FIELDS_INVALID.
 *
 * Nothing is kept in memory for a stream but its position: what a slow reader has not taken waits in the store, and when it is forgotten there, so are the
 * leases that it was about, and the reader is told `everything`. The store is read when a revocation of this host was committed, not on a timer.
 */
export async function* watchRevocations(
  deps: WatchRevocationsDeps,
  resumeToken: string,
  caller: Caller,
  signal: AbortSignal,
): AsyncGenerator<RevocationsTold, void, undefined> {
  const { revocations, revocationNews } = deps;
  const fields = new FieldChecker();
  fields.check(
    resumeToken === "" || TOKEN.test(resumeToken),
    "resume_token",
    "must be empty, or as a message of WatchRevocations gave it",
  );
  fields.done();
  const host = caller.name;
  // Before the position is read: nothing may be committed between the two unheard.
  const listener = revocationNews.listen(host);
  try {
    const newest = await revocations.newest();
    let position = resumeToken === "" ? newest : BigInt(resumeToken);
    // A token from ahead of us was given by a database that has been put back since: what it had told is not known here.
    const isAhead = position > newest;
    if (isAhead) position = newest;
    yield { resumeToken: position.toString(), revocations: [], everything: isAhead };
    while (!signal.aborted) {
      // Taken before the look: whatever it counts, the look finds.
      const known = revocationNews.newest;
      const found = await revocations.after(host, position, LIMITS.revocationsPerMessageMax);
      if (found === "forgotten") {
        position = await revocations.newest();
        yield { resumeToken: position.toString(), revocations: [], everything: true };
        continue;
      }
      const isLast = found.length < LIMITS.revocationsPerMessageMax;
      position = found.at(-1)?.seq ?? position;
      // So that a host which nothing concerns does not fall behind what is kept.
      if (isLast && known > position) position = known;
      if (found.length > 0) {
        const everything = found.some(({ account }) => account === "");
        yield { resumeToken: position.toString(), revocations: found, everything };
      }
      if (!isLast) continue;
      const wasHeard = await listener.next(LIMITS.revocationsHeartbeatMs, signal);
      if (!wasHeard && !signal.aborted) {
        // Nothing rang for this host, so what was committed meanwhile was for others.
        if (revocationNews.newest > position) position = revocationNews.newest;
        yield { resumeToken: position.toString(), revocations: [], everything: false };
      }
    }
  } finally {
    listener.close();
  }
}
