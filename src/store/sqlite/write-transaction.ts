import { canonicalDetails, chainHash } from "../../audit/chain.ts";
import type { AuditEvent } from "../../audit/event.ts";
import type { ChainBase } from "../../audit/verify.ts";
import { readBase } from "./audit-base.ts";
import { AuditPostings } from "./audit-postings.ts";
import { NewsDesk } from "./news.ts";
import type { Connection, Statement } from "./open-database.ts";

/** The name under which the one writer of a SQLite database chains its audit. */
const WRITER = "sqlite";

/** Something that keeps state in memory between the commands of a batch. */
export interface BatchParticipant {
  /** Writes what it decided, inside the transaction. */
  flush(): void;
  committed(): void;
  /** Forgets everything that was decided since the last commit. */
  rolledBack(): void;
}

/**
 * What an executor writes with: prepared statements, the audit chain, and the time. One lives as long as the writing connection; it is told of
 * every commit and rollback, so that what it holds in memory never runs ahead of the database.
 */
export class WriteTransaction {
  readonly db: Connection;
  readonly creditsLowNano: bigint;
  /** The batch's time in milliseconds since the epoch: never before the last batch's. */
  nowMs = 0;
  /** The time as the machine's clock says it, which may have stepped back: what placements are compared with, as those do who ask where an agent is placed. */
  wallMs = 0;
  /** Whether the running command has written anything. A command that refuses must not have. */
  dirty = false;
  /** What the main thread is told once the transaction is committed. */
  readonly news = new NewsDesk();
  readonly #statements = new Map<string, Statement>();
  readonly #insertAudit: Statement;
  readonly #participants: BatchParticipant[] = [];
  readonly #postings: AuditPostings;
  #seq: bigint;
  #hash: Uint8Array;
  #committedSeq: bigint;
  #committedHash: Uint8Array;

  /** `creditsLowNano`: the line below which an account's credits count as low, in nano-credits. */
  constructor(db: Connection, creditsLowNano = 0n) {
    this.db = db;
    this.creditsLowNano = creditsLowNano;
    const last = db.prepare("SELECT seq, hash, time_ms AS timeMs FROM audit ORDER BY seq DESC LIMIT 1").get() as
      | { seq: bigint; hash: Uint8Array; timeMs: bigint }
      | undefined;
    // After a pruning of everything the chain goes on from its base.
    const base = readBase(db);
    this.#seq = this.#committedSeq = last?.seq ?? base.seq;
    this.#hash = this.#committedHash = last?.hash ?? base.hash;
    this.nowMs = Number(last?.timeMs ?? 0n);
    this.#postings = new AuditPostings(db, this.#seq);
    this.enlist(this.#postings);
    this.enlist(this.news);
    this.#insertAudit = db.prepare(
      "INSERT INTO audit (seq, writer, time_ms, kind, caller, actor, account, subject, details, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    );
  }

  /** A prepared statement for this text, made once. */
  statement(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /** Runs a statement that writes. Returns how many rows it changed. */
  run(sql: string, ...values: unknown[]): number {
    this.dirty = true;
    return this.statement(sql).run(...values).changes;
  }

  /** The first row that a statement finds, or undefined. */
  get(sql: string, ...values: unknown[]): unknown {
    return this.statement(sql).get(...values);
  }

  /** Every row that a statement finds. */
  all(sql: string, ...values: unknown[]): unknown[] {
    return this.statement(sql).all(...values);
  }

  /** Appends an event to the audit chain. */
  audit(event: AuditEvent): void {
    this.dirty = true;
    const seq = this.#seq + 1n;
    const details = canonicalDetails(event.details);
    const hash = chainHash(this.#hash, { ...event, writer: WRITER, seq }, details);
    this.#insertAudit.run(
      seq,
      WRITER,
      event.timeMs,
      event.kind,
      event.caller,
      event.actor,
      event.account,
      event.subject,
      details,
      hash,
    );
    this.#postings.note(seq, event);
    this.#seq = seq;
    this.#hash = hash;
  }

  /** The chain as it stands here, in memory: the newest record's number and hash. */
  get head(): ChainBase {
    return { seq: this.#seq, hash: this.#hash };
  }

  /** Starts a batch at `nowMs`. The wall clock may step back; recorded time may not. */
  begin(nowMs: number): void {
    this.nowMs = Math.max(this.nowMs, nowMs);
    this.wallMs = nowMs;
  }

  /** Has `participant` told of the batch's end. One that keeps decisions in memory writes them in `flush`, before the commit. */
  enlist(participant: BatchParticipant): void {
    this.#participants.push(participant);
  }

  flush(): void {
    for (const participant of this.#participants) participant.flush();
  }

  committed(): void {
    for (const participant of this.#participants) participant.committed();
    this.#committedSeq = this.#seq;
    this.#committedHash = this.#hash;
  }

  rolledBack(): void {
    for (const participant of this.#participants) participant.rolledBack();
    this.#seq = this.#committedSeq;
    this.#hash = this.#committedHash;
  }
}
