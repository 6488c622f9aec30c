import { hash } from "node:crypto";
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

/** Text that stands in JSON as it is. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** The details as one text with a single spelling: JSON, names in code unit order. */
export function canonicalDetails(details: Readonly<Record<string, string>>): string {
  const names = Object.keys(details);
  // The hot path writes its names in order; looking is cheaper than sorting.
  if (names.some((name, index) => index > 0 && name < (names[index - 1] ?? ""))) names.sort();
  let text = "{";
  for (const name of names) text += `${text.length > 1 ? "," : ""}${quoted(name)}:${quoted(details[name] ?? "")}`;
  return `${text}}`;
}

function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

/** The chain's hash at `record`: SHA-256 over the hash before it and every field of the record, each with its length. 32 bytes. */
export function chainHash(
  previous: Uint8Array,
  record: Omit<AuditRecord, "details" | "kind"> & { readonly kind: string },
  details: string,
): Buffer {
  const { writer, seq, timeMs, kind, caller, actor, account, subject } = record;
  return hash(
    "sha256",
    canonicalBytes([previous, writer, seq, timeMs, kind, caller, actor, account, subject, details]),
    "buffer",
  );
}
