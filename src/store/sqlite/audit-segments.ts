import type { Connection } from "./open-database.ts";

/** What a segment must have to be looked into. */
export interface SegmentFilter {
  /** Postings, all of which it must have. */
  readonly terms: readonly string[];
  readonly startMs?: number;
  readonly endMs?: number;
}

/** A segment, and the route that was newest when it began and when the next one did (undefined: it is the last). */
export interface SegmentRow {
  readonly segment: bigint;
  readonly firstRouteSeq: bigint;
  readonly lastRouteSeq: bigint | null;
}

const SELECT_ONE = `SELECT s.segment,
    s.first_route_seq AS firstRouteSeq,
    (SELECT next.first_route_seq FROM audit_segment next WHERE next.segment = s.segment + 1) AS lastRouteSeq
  FROM audit_segment s`;

/**
 * Every segment from `from` on that may hold what the filter asks for, newest or oldest first, found one at a time: whoever reads on waits for the event loop
 * between two.
 */
export function* segments(
  db: Connection,
  { terms, startMs, endMs }: SegmentFilter,
  order: "newest" | "oldest",
  from?: bigint,
): Generator<SegmentRow, void, undefined> {
  const conditions = terms.map(
    () => "EXISTS (SELECT 1 FROM audit_posting p WHERE p.term = ? AND p.segment = s.segment)",
  );
  const select = db.prepare(
    `${SELECT_ONE} WHERE s.segment ${order === "newest" ? "<=" : ">="} ?
      AND (s.max_time_ms IS NULL OR (s.max_time_ms >= ? AND s.min_time_ms < ?))
      ${conditions.map((condition) => `AND ${condition}`).join(" ")}
      ORDER BY s.segment ${order === "newest" ? "DESC" : "ASC"} LIMIT 1`,
  );
  let at = from ?? (order === "newest" ? BigInt(Number.MAX_SAFE_INTEGER) : 0n);
  for (;;) {
    const row = select.get(at, startMs ?? 0, endMs ?? Number.MAX_SAFE_INTEGER, ...terms) as SegmentRow | undefined;
    if (row === undefined) return;
    yield row;
    at = order === "newest" ? row.segment - 1n : row.segment + 1n;
  }
}
