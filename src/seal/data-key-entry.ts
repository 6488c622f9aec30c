import type { KeyObject } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import type { OpenedRecordKey } from "./open-record.ts";
import type { DataKeyRef } from "./ports.ts";

/** A data key as it came from KMS, with the wrapped bytes that it came from. */
export interface UnwrappedDataKey {
  readonly key: KeyObject;
  readonly wrapped: Uint8Array;
}

/** A data key in memory. The plaintext exists only inside the KeyObject. */
export interface DataKeyEntry extends UnwrappedDataKey {
  readonly ref: DataKeyRef;
  /** Keys of records that were opened under this data key, by the record's identity; oldest first. They die with the entry. */
  readonly recordKeys: Map<string, OpenedRecordKey>;
  readonly fetchedMonotonicMs: number;
  readonly fetchedWallMs: number;
  /** The age from which the entry is refreshed while it serves. */
  readonly refreshAtAgeMs: number;
  /** When a refresh was last begun and when one was last left unanswered, on the monotonic clock. */
  refreshBegunMs: number;
  unansweredMs: number;
}

/** One string for a reference, so that no two references share one. */
export function dataKeyName(ref: DataKeyRef): string {
  return `${ref.dataKeyVersion}/${ref.dataKeyId.length}/${ref.dataKeyId}/${ref.account}`;
}

/** How old an entry is. The greater of both clocks counts: the wall clock may step back, the monotonic one stops while the machine sleeps. */
export function ageMs(entry: DataKeyEntry, clock: Clock): number {
  return Math.max(clock.monotonicMs() - entry.fetchedMonotonicMs, clock.nowMs() - entry.fetchedWallMs);
}
