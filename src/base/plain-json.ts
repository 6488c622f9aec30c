/**
 * JSON text of plain data that may hold bigints, for answers that are stored with a request id and given again.
 * A bigint becomes `{"$n":"123"}`. Bytes are refused: an answer that is stored never holds a secret.
 */
export function toPlainJson(value: unknown): string {
  return JSON.stringify(value, (_name, field: unknown) => {
    if (typeof field === "bigint") return { $n: field.toString() };
    if (field instanceof Uint8Array) throw new TypeError("bytes do not belong in a stored answer");
    return field;
  });
}

/** What `toPlainJson` wrote, as it was. */
export function fromPlainJson(text: string): unknown {
  return JSON.parse(text, (_name, field: unknown) => {
    if (typeof field === "object" && field !== null && "$n" in field && typeof field.$n === "string")
      return BigInt(field.$n);
    return field;
  });
}
