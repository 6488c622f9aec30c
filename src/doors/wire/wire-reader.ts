/** Thrown for anything that the fast way does not expect; the generated code then has the last word. */
export class UnexpectedWire extends Error {
  override readonly name = "UnexpectedWire";
}

const unexpected = new UnexpectedWire("not the expected shape");

/** Wire types of the Protobuf encoding (https://protobuf.dev/programming-guides/encoding/). */
export const WIRE_VARINT = 0;
export const WIRE_BYTES = 2;

/**
 * Reads the fields of one message in a buffer, for the few messages whose reading is a cost. It knows varints and length-delimited fields; whatever else comes
 * throws `UnexpectedWire`. What it reads it reads as the generated code does.
 */
export class WireReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#end;
  }

  /** Field number and wire type in one number: `number << 3 | type`. Field numbers up to 15 only. */
  tag(): number {
    const tag = this.#bytes[this.#at] ?? 0x80;
    if (tag >= 0x80 || this.#at >= this.#end) throw unexpected;
    this.#at += 1;
    return tag;
  }

  /** A varint of at most 28 bits: lengths, enums and small numbers. */
  smallVarint(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#bytes[this.#at] ?? 0xff;
      this.#at += 1;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        if (this.#at > this.#end) throw unexpected;
        return value;
      }
    }
    throw unexpected;
  }

  /** A varint that is an int64 of at most 49 bits and not negative. */
  int64(): bigint {
    let value = 0;
    for (let power = 1; power <= 2 ** 42; power *= 128) {
      const byte = this.#bytes[this.#at] ?? 0xff;
      this.#at += 1;
      value += (byte & 0x7f) * power;
      if (byte < 0x80) {
        if (this.#at > this.#end) throw unexpected;
        return BigInt(value);
      }
    }
    throw unexpected;
  }

  /** A string of ASCII characters. */
  ascii(): string {
    const start = this.#skipBytes();
    for (let at = start; at < this.#at; at += 1) if ((this.#bytes[at] ?? 0x80) >= 0x80) throw unexpected;
    return this.#bytes.toString("latin1", start, this.#at);
  }

  /** A message within this one. */
  message(): WireReader {
    const start = this.#skipBytes();
    return new WireReader(this.#bytes, start, this.#at);
  }

  #skipBytes(): number {
    const length = this.smallVarint();
    const start = this.#at;
    this.#at += length;
    if (this.#at > this.#end) throw unexpected;
    return start;
  }
}
