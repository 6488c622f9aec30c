/**
 * Bytes, zero, in memory of their own outside V8's heap, for secrets. A typed array of at most 64 bytes that is made otherwise lies in V8's heap: the
 * collector moves it, and giving it to native code copies it out, and both leave behind what it held, where nobody can overwrite it.
 */
export function ownBytes(length: number): Buffer {
  return Buffer.from(new ArrayBuffer(length));
}
