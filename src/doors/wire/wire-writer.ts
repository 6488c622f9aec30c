const WIRE_VARINT = 0;
const WIRE_BYTES = 2;
/** Room for one frame's worth of the small messages that this is for; it grows when one is larger. */
const INITIAL_BYTES = 8 * 1024;

/**
 * Writes Protobuf fields into one buffer that is used again and again, for the few messages whose writing is a cost. The bytes are those of the generated
 * code: minimal varints, fields in the order in which they are written, default values left out by the caller.
 */
export class WireWriter {
  #bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #at = 0;

  /** Starts over. What `finish` returned before is no longer valid. */
  reset(): this {
    this.#at = 0;
    return this;
  }

  /** What was written: a view, valid until the next `reset`. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  /** Overwrites everything that was written. */
  wipe(): void {
    this.#bytes.fill(0, 0, this.#at);
  }

  /** A string field, left out when empty. */
  string(field: number, value: string): void {
    if (value !== "") this.#putString(field, value);
  }

  /** An entry of a map from string to string. Both are written even when empty. */
  mapEntry(field: number, name: string, value: string): void {
    this.message(field, () => {
      this.#putString(1, name);
      this.#putString(2, value);
    });
  }

  #putString(field: number, value: string): void {
    // A UTF-16 unit takes at most three bytes of UTF-8.
    this.#reserve(10 + value.length * 3);
    this.#tag(field, WIRE_BYTES);
    // The length is known only after writing: one byte is left for it, and more are made room for when it takes them.
    const start = this.#at + 1;
    const length = this.#bytes.write(value, start, "utf8");
    this.#at = start + length;
    this.#putLength(start, length);
  }

  /** A bytes field, left out when empty. */
  bytes(field: number, value: Uint8Array): void {
    if (value.length === 0) return;
    this.#reserve(10 + value.length);
    this.#tag(field, WIRE_BYTES);
    this.#varint(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  /** A whole number that is not negative and at most 2^53-1: an enum, an int32 or an int64. Left out when 0. */
  number(field: number, value: number): void {
    if (value === 0) return;
    this.#reserve(20);
    this.#tag(field, WIRE_VARINT);
    this.#varint(value);
  }

  /** An int64, left out when 0. */
  int64(field: number, value: bigint): void {
    if (value === 0n) return;
    if (value > 0n && value <= BigInt(Number.MAX_SAFE_INTEGER)) {
      this.number(field, Number(value));
      return;
    }
    this.#reserve(20);
    this.#tag(field, WIRE_VARINT);
    let rest = BigInt.asUintN(64, value);
    for (; rest >= 128n; rest >>= 7n) this.#put(Number(rest & 127n) | 128);
    this.#put(Number(rest));
  }

  /** An int32 that may be negative (which takes ten bytes), left out when 0. */
  int32(field: number, value: number): void {
    if (value >= 0) this.number(field, value);
    else this.int64(field, BigInt(value));
  }

  /** A message field, written even when the message is empty: that it is there says something. */
  message(field: number, write: () => void): void {
    this.#reserve(10);
    this.#tag(field, WIRE_BYTES);
    const start = this.#at + 1;
    this.#at = start;
    write();
    this.#reserve(10);
    this.#putLength(start, this.#at - start);
  }

  /** Puts the length before what stands at `start`, moving that when the length takes more than the one byte left for it. */
  #putLength(start: number, length: number): void {
    if (length < 128) {
      this.#bytes[start - 1] = length;
      return;
    }
    const more = length < 16_384 ? 1 : length < 2_097_152 ? 2 : 3;
    this.#bytes.copyWithin(start + more, start, start + length);
    this.#at = start - 1;
    this.#varint(length);
    this.#at += length;
  }

  #tag(field: number, wireType: number): void {
    this.#varint((field << 3) | wireType);
  }

  #varint(value: number): void {
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.#put((rest % 128) | 128);
    this.#put(rest);
  }

  #put(byte: number): void {
    this.#bytes[this.#at] = byte;
    this.#at += 1;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(2 * (this.#at + bytes));
    larger.set(this.#bytes.subarray(0, this.#at));
    // The smaller one may hold a secret.
    this.#bytes.fill(0);
    this.#bytes = larger;
  }
}
