import { inspect } from "node:util";
import { ownBytes } from "./own-bytes.ts";

const REDACTED = "[secret]";

/**
 * Bytes that must not be seen: printing, serialising or inspecting it shows a fixed word.
 * The bytes live in one buffer of their own (not in Node's shared pool) and are overwritten by `wipe()`.
 */
export class Secret {
  readonly #bytes: Buffer;
  #wiped = false;

  private constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Takes a copy of `bytes`; wiping the original stays its owner's duty. */
  static copyOf(bytes: Uint8Array): Secret {
    const own = ownBytes(bytes.length);
    own.set(bytes);
    return new Secret(own);
  }

  /** Takes `bytes` over: the caller must not use them any more. */
  static adopt(bytes: Buffer): Secret {
    return new Secret(bytes);
  }

  /** From text that already exists as a string (a string itself cannot be wiped). */
  static fromText(text: string): Secret {
    const own = ownBytes(Buffer.byteLength(text, "utf8"));
    own.write(text, "utf8");
    return new Secret(own);
  }

  get byteLength(): number {
    return this.#bytes.length;
  }

  /** The bytes themselves, not a copy: valid until `wipe()`. Throws when wiped. */
  reveal(): Buffer {
    if (this.#wiped) throw new Error("secret was wiped");
    return this.#bytes;
  }

  /** Overwrites the bytes. Safe to call twice. */
  wipe(): void {
    this.#bytes.fill(0);
    this.#wiped = true;
  }

  [Symbol.dispose](): void {
    this.wipe();
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}
