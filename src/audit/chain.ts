import { createHash } from "node:crypto";
import { canonicalBytes } from "../base/canonical.ts";
import type { AuditEvent } from "./event.ts";

/** An event in its place in a writer's chain. */
export interface AuditRecord extends AuditEvent {
  readonly writer: string;
  /** From 1, without a gap. */
  readonly seq: bigint;
}

/** What stands before the first record of every chain. */
export const CHAIN_START: Uint8Array = new Uint8Array(32);

/** The details as one text with a single spelling: JSON, names in code unit order. */
export function canonicalDetails(details: Readonly<Record<string, string>>): string {
  const names = Object.keys(details);
  if (names.length > 1) names.sort();
  let text = "{";
  for (const name of names)
    text += `${text.length > 1 ? "," : ""}${JSON.stringify(name)}:${JSON.stringify(details[name])}`;
  return `${text}}`;
}

/** The chain's hash at `record`: SHA-256 over the hash before it and every field of the record, each with its length. 32 bytes. */
export function chainHash(previous: Uint8Array, record: Omit<AuditRecord, "details">, details: string): Buffer {
  return createHash("sha256")
    .update(
      canonicalBytes([
        previous,
        record.writer,
        record.seq,
        record.timeMs,
        record.kind,
        record.caller,
        record.actor,
        record.account,
        record.subject,
        details,
      ]),
    )
    .digest();
}
