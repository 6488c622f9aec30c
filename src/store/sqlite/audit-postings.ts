import type { AuditEvent } from "../../audit/event.ts";
import { readBase } from "./audit-base.ts";
import type { Connection, Statement } from "./open-database.ts";
import type { BatchParticipant } from "./write-transaction.ts";

/** Records in a segment of the audit. It stands in the migration too, for ever. */
export const SEGMENT_RECORDS = 4_096n;

/** The segment that a record belongs to. */
export function segmentOf(seq: bigint): bigint {
  return (seq - 1n) / SEGMENT_RECORDS;
}

/** The terms under which segments are found. */
export const TERMS = {
  account: (account: string) => `a/${account}`,
  /** By the last part of the caller's id, which for an agent host is the host. */
  caller: (caller: string) => `c/${caller.slice(caller.lastIndexOf("/") + 1)}`,
  kind: (kind: string) => `k/${kind}`,
} as const;

interface Segment {
  readonly number: bigint;
  readonly lastSeq: bigint;
  readonly accounts: Set<string>;
  readonly callers: Set<string>;
  readonly kinds: Set<string>;
  minMs: number;
  maxMs: number;
}

/**
 * Writes down, once a segment, that an account, a caller or a kind occurs in it. What the current segment has so far is kept in memory, so that a record costs
 * three look-ups and, mostly, no write.
 */
export class AuditPostings implements BatchParticipant {
  readonly #insert: Statement;
  readonly #open: Statement;
  readonly #close: Statement;
  /** Undefined before the very first record. */
  #segment: Segment | undefined;
  #committed: { readonly segment: Segment | undefined; readonly minMs: number; readonly maxMs: number };
  /** What was added since the last commit. */
  #added: { readonly terms: Set<string>; readonly term: string }[] = [];

  /** `seq`: the newest record that is stored. */
  constructor(db: Connection, seq: bigint) {
    this.#insert = db.prepare("INSERT OR IGNORE INTO audit_posting (term, segment) VALUES (?, ?)");
    this.#open = db.prepare(
      "INSERT OR IGNORE INTO audit_segment (segment, first_route_seq) VALUES (?, coalesce((SELECT max(seq) FROM route), 0))",
    );
    this.#close = db.prepare("UPDATE audit_segment SET min_time_ms = ?, max_time_ms = ? WHERE segment = ?");
    this.#segment = seq === 0n ? undefined : readSegment(db, segmentOf(seq));
    this.#committed = snapshot(this.#segment);
  }

  /** Notes a record that was just written. */
  note(seq: bigint, event: AuditEvent): void {
    let segment = this.#segment;
    if (segment === undefined || seq > segment.lastSeq) {
      const number = segmentOf(seq);
      if (segment !== undefined) this.#close.run(segment.minMs, segment.maxMs, segment.number);
      this.#open.run(number);
      segment = newSegment(number);
      this.#segment = segment;
    }
    if (event.timeMs < segment.minMs) segment.minMs = event.timeMs;
    if (event.timeMs > segment.maxMs) segment.maxMs = event.timeMs;
    const { account, caller, kind } = event;
    if (account !== "" && !segment.accounts.has(account)) this.#add(segment.accounts, account, TERMS.account(account));
    if (!segment.callers.has(caller)) this.#add(segment.callers, caller, TERMS.caller(caller));
    if (!segment.kinds.has(kind)) this.#add(segment.kinds, kind, TERMS.kind(kind));
  }

  flush(): void {}

  committed(): void {
    this.#added.length = 0;
    this.#committed = snapshot(this.#segment);
  }

  rolledBack(): void {
    for (const { terms, term } of this.#added) terms.delete(term);
    this.#added.length = 0;
    const { segment, minMs, maxMs } = this.#committed;
    this.#segment = segment;
    if (segment !== undefined) Object.assign(segment, { minMs, maxMs });
  }

  #add(terms: Set<string>, term: string, posting: string): void {
    terms.add(term);
    this.#added.push({ terms, term });
    this.#insert.run(posting, this.#segment?.number);
  }
}

function newSegment(number: bigint): Segment {
  return {
    number,
    lastSeq: (number + 1n) * SEGMENT_RECORDS,
    accounts: new Set(),
    callers: new Set(),
    kinds: new Set(),
    minMs: Number.MAX_SAFE_INTEGER,
    maxMs: 0,
  };
}

function snapshot(segment: Segment | undefined) {
  return { segment, minMs: segment?.minMs ?? 0, maxMs: segment?.maxMs ?? 0 };
}

/** A segment as far as it is stored. */
function readSegment(db: Connection, number: bigint): Segment {
  const segment = newSegment(number);
  const first = number * SEGMENT_RECORDS + 1n;
  // Of records that were pruned the times are not known any more, and their releases must still be found.
  if (readBase(db).seq >= first) segment.minMs = 0;
  const rows = db
    .prepare("SELECT account, caller, kind, time_ms AS timeMs FROM audit WHERE seq BETWEEN ? AND ?")
    .all(first, first + SEGMENT_RECORDS - 1n) as { account: string; caller: string; kind: string; timeMs: bigint }[];
  for (const { account, caller, kind, timeMs } of rows) {
    if (account !== "") segment.accounts.add(account);
    segment.callers.add(caller);
    segment.kinds.add(kind);
    segment.minMs = Math.min(segment.minMs, Number(timeMs));
    segment.maxMs = Math.max(segment.maxMs, Number(timeMs));
  }
  return segment;
}
