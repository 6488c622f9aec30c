/** A field of a canonical encoding. Numbers must be whole and are encoded as their decimal text. */
export type CanonicalField = string | Uint8Array | bigint | number;

/**
 * One unambiguous byte string for a list of fields: each is preceded by its length as u32 big endian, so that no two lists share an encoding
 * (`["a","bc"]` and `["ab","c"]` differ). For associated data, payload hashes and the audit chain.
 */
export function canonicalBytes(fields: readonly CanonicalField[]): Buffer {
  let total = 0;
  const parts = fields.map((field) => {
    const part = typeof field === "string" ? field : field instanceof Uint8Array ? field : wholeNumber(field);
    const bytes = typeof part === "string" ? Buffer.byteLength(part, "utf8") : part.length;
    total += 4 + bytes;
    return { part, bytes };
  });
  const out = Buffer.allocUnsafe(total);
  let offset = 0;
  for (const { part, bytes } of parts) {
    offset = out.writeUInt32BE(bytes, offset);
    if (typeof part === "string") out.write(part, offset, "utf8");
    else out.set(part, offset);
    offset += bytes;
  }
  return out;
}

function wholeNumber(value: bigint | number): string {
  if (typeof value === "number" && !Number.isSafeInteger(value)) throw new RangeError("not a whole number");
  return value.toString();
}
