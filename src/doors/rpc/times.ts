import type { Timestamp } from "@bufbuild/protobuf/wkt";

/** Years 1 to 9999, the range of google.protobuf.Timestamp, in milliseconds since the Unix epoch. */
const FIRST_MS = -62_135_596_800_000;
const LAST_MS = 253_402_300_799_999;

/** A moment, in milliseconds since the Unix epoch, as its message. */
export function toTimestamp(ms: number): Timestamp {
  const seconds = Math.floor(ms / 1000);
  return {
    $typeName: "google.protobuf.Timestamp",
    seconds: BigInt(seconds),
    nanos: (ms - seconds * 1000) * 1_000_000,
  };
}

/** A message as milliseconds since the Unix epoch, rounded down. Outside of what a Timestamp may hold: the nearest bound, which every window of ours refuses. */
export function fromTimestamp(timestamp: Timestamp | undefined): number | undefined {
  if (timestamp === undefined) return undefined;
  const ms = Number(timestamp.seconds) * 1000 + Math.floor(timestamp.nanos / 1_000_000);
  return Math.min(LAST_MS, Math.max(FIRST_MS, ms));
}
