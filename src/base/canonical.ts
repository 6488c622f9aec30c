/** The longest decimal text of a number in a canonical encoding: 64 bits with a sign, and room. */
const WHOLE_NUMBER_MAX_BYTES = 40;

/** A field of a canonical encoding. Numbers must be whole and are encoded as their decimal text. */
export type CanonicalField = string | Uint8Array | bigint | number;

/**
 * One unambiguous byte string for a list of fields: each is preceded by its length as u32 big endian, so that no two lists share an encoding
 * (`["a","bc"]` and `["ab","c"]` differ). For associated data, payload hashes and the audit chain.
 */
export function canonicalBytes(fields: readonly CanonicalField[]): Buffer {
  let maxBytes = 0;
  for (const field of fields) maxBytes += 4 + maxBytesOf(field);
  const out = Buffer.allocUnsafe(maxBytes);
  let offset = 0;
  for (const field of fields) {
    const start = offset + 4;
    const part = typeof field === "bigint" || typeof field === "number" ? wholeNumber(field) : field;
    let bytes: number;
    if (typeof part === "string") {
      bytes = out.write(part, start, "utf8");
    } else {
      out.set(part, start);
      bytes = part.length;
    }
    out.writeUInt32BE(bytes, offset);
    offset = start + bytes;
  }
  return out.subarray(0, offset);
}

/** A UTF-16 unit takes at most three bytes of UTF-8; measuring a text exactly would read it twice. */
function maxBytesOf(field: CanonicalField): number {
  if (typeof field === "string") return field.length * 3;
  return field instanceof Uint8Array ? field.length : WHOLE_NUMBER_MAX_BYTES;
}

function wholeNumber(value: bigint | number): string {
  if (typeof value === "bigint" && value.toString().length > WHOLE_NUMBER_MAX_BYTES)
    throw new RangeError("number too large");
  if (typeof value === "number" && !Number.isSafeInteger(value)) throw new RangeError("not a whole number");
  return value.toString();
}
