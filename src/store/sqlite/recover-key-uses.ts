import type { KeyUses } from "./key-uses.ts";
import type { Connection } from "./open-database.ts";

/** Releases looked at, at most: more than a process makes between two times of writing down. */
const RELEASES_MAX = 200_000;

interface ReleaseRow {
  readonly account: string;
  readonly keyId: string;
  readonly version: bigint;
  readonly timeMs: bigint;
}

/**
 * Notes the times of last use that a process which was killed had not written down: those of the releases of its last `windowMs`. The releases themselves
 * are durable, so nothing is lost. Run it before anything is released.
 */
export function recoverKeyUses(reader: Connection, uses: KeyUses, windowMs: number): void {
  const rows = reader
    .prepare(
      "SELECT key_account AS account, key_id AS keyId, key_version AS version, create_ms AS timeMs FROM route ORDER BY seq DESC LIMIT ?",
    )
    .iterate(RELEASES_MAX) as IterableIterator<ReleaseRow>;
  const seen = new Set<string>();
  let sinceMs: number | undefined;
  for (const { account, keyId, version, timeMs } of rows) {
    sinceMs ??= Number(timeMs) - windowMs;
    if (Number(timeMs) < sinceMs) break;
    // The newest release of a key comes first.
    if (seen.has(`${account}/${keyId}`)) continue;
    seen.add(`${account}/${keyId}`);
    uses.note({ account, keyId, version: Number(version), timeMs: Number(timeMs) });
  }
}
