import { setImmediate } from "node:timers/promises";
import type { Checkpoint } from "../../audit/checkpoint.ts";
import type { AuditPruner, AuditReader, CheckpointStore, SigningKeyStore } from "../../audit/ports.ts";
import type { StoredRecord } from "../../audit/verify.ts";
import { readBase } from "./audit-base.ts";
import { SEGMENT_RECORDS, segmentOf, TERMS } from "./audit-postings.ts";
import {
  AUDIT_COLUMNS,
  type AuditRow,
  SELECT_SIGNING_KEYS,
  type SigningKeyRow,
  toSigningKey,
  toStoredRecord,
} from "./audit-rows.ts";
import { segments } from "./audit-segments.ts";
import type { Connection } from "./open-database.ts";
import type { Writer } from "./writer.ts";

/** Segments that are looked into for one page. A page with fewer records than asked for has a position to go on from. */
export const SEGMENTS_PER_PAGE_MAX = 64;

const ANY = "";

/** The audit in SQLite. */
export function createAuditStore(
  reader: Connection,
  writer: Writer,
): AuditReader & CheckpointStore & SigningKeyStore & AuditPruner {
  const selectNewest = reader.prepare(
    `SELECT ${AUDIT_COLUMNS} FROM audit WHERE seq >= ? AND seq < ? AND time_ms >= ? AND time_ms < ?
      AND (? = '' OR account = ?) AND (? = '' OR kind = ?) AND (? = '' OR caller = ?) ORDER BY seq DESC LIMIT ?`,
  );
  const selectAfter = reader.prepare(`SELECT ${AUDIT_COLUMNS} FROM audit WHERE seq > ? ORDER BY seq LIMIT ?`);
  const selectCheckpoints = reader.prepare(
    "SELECT size, note FROM audit_checkpoint WHERE size > ? ORDER BY size LIMIT ?",
  );
  const selectNewestCheckpoint = reader.prepare("SELECT note FROM audit_checkpoint ORDER BY size DESC LIMIT 1");
  const selectSigningKeys = reader.prepare(`${SELECT_SIGNING_KEYS} ORDER BY version`);
  const selectExported = reader.prepare("SELECT exported_seq AS seq FROM audit_state");

  return {
    async newest(filter, before, limit) {
      const { account = ANY, kind = ANY, caller = ANY, startMs = 0, endMs = Number.MAX_SAFE_INTEGER } = filter;
      const terms = [
        ...(account === ANY ? [] : [TERMS.account(account)]),
        ...(kind === ANY ? [] : [TERMS.kind(kind)]),
        ...(caller === ANY ? [] : [TERMS.caller(caller)]),
      ];
      if (before !== undefined && before <= 1n) return { items: [] };
      const { seq: baseSeq } = readBase(reader);
      const items: StoredRecord[] = [];
      let end = before;
      let looked = 0;
      for (const { segment } of segments(
        reader,
        { terms, startMs, endMs },
        "newest",
        before === undefined ? undefined : segmentOf(before - 1n),
      )) {
        const first = segment * SEGMENT_RECORDS + 1n;
        const past = first + SEGMENT_RECORDS;
        const upTo = end !== undefined && end < past ? end : past;
        const from = first > baseSeq ? first : baseSeq + 1n;
        const values = [account, account, kind, kind, caller, caller];
        const rows = selectNewest.all(from, upTo, startMs, endMs, ...values, limit - items.length) as AuditRow[];
        items.push(...rows.map(toStoredRecord));
        const last = items.at(-1);
        if (items.length === limit && last !== undefined) return { items, before: last.seq };
        looked += 1;
        if (from !== first) return { items };
        if (looked === SEGMENTS_PER_PAGE_MAX) return { items, before: first };
        end = first;
        await setImmediate();
      }
      return { items };
    },
    async read(afterSeq, limit) {
      const { seq } = readBase(reader);
      return (selectAfter.all(afterSeq > seq ? afterSeq : seq, limit) as AuditRow[]).map(toStoredRecord);
    },
    head: () => writer.submit("auditHead", undefined),
    async base() {
      return readBase(reader);
    },
    async checkpoints(afterSize, limit) {
      return selectCheckpoints.all(afterSize, limit) as Pick<Checkpoint, "size" | "note">[];
    },
    async newestCheckpoint() {
      return (selectNewestCheckpoint.get() as { note: string } | undefined)?.note;
    },
    putCheckpoint: (checkpoint, timeMs) => writer.submit("putCheckpoint", { ...checkpoint, timeMs }),
    async signingKeys() {
      return (selectSigningKeys.all() as SigningKeyRow[]).map(toSigningKey);
    },
    putSigningKey: (key, timeMs) => writer.submit("putSigningKey", { ...key, timeMs }),
    async exportedThrough() {
      return (selectExported.get() as { seq: bigint }).seq;
    },
    noteExport: (afterSeq, throughSeq, mutation) => writer.submit("noteExport", { afterSeq, throughSeq, mutation }),
    moveBase: (base, mutation) => writer.submit("moveBase", { base, mutation }),
    removeBelowBase: (limit) => writer.submit("removeBelowBase", limit),
  };
}
