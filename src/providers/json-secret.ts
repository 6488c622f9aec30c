import { Secret } from "../base/secret.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const OPENING: ReadonlySet<number> = new Set([0x7b, 0x5b]);
const CLOSING: ReadonlySet<number> = new Set([0x7d, 0x5d]);
const WHITE: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);

/**
 * The text of the member `name` of a JSON object, as a `Secret`, without ever making a string of it: a string cannot be wiped. Undefined when the
 * outermost object has no such member, or when its value is no string of 1 to `maxBytes` visible ASCII characters written without escapes, which
 * is what every key is. It does not judge the rest of the JSON. `bytes` stay the caller's to wipe.
 */
export function takeJsonSecret(bytes: Uint8Array, name: string, maxBytes: number): Secret | undefined {
  const wanted = Buffer.from(name, "latin1");
  let depth = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (OPENING.has(byte)) depth += 1;
    else if (CLOSING.has(byte)) depth -= 1;
    if (byte !== QUOTE) continue;
    const end = endOfString(bytes, at);
    if (end === undefined) return undefined;
    const colon = skipWhite(bytes, end + 1);
    // Only a member's name is followed by a colon, and only those of the outermost object count.
    if (depth === 1 && bytes[colon] === COLON && wanted.equals(bytes.subarray(at + 1, end))) {
      return secretAt(bytes, skipWhite(bytes, colon + 1), maxBytes);
    }
    at = end;
  }
  return undefined;
}

function secretAt(bytes: Uint8Array, at: number, maxBytes: number): Secret | undefined {
  if (bytes[at] !== QUOTE) return undefined;
  const end = endOfString(bytes, at);
  if (end === undefined) return undefined;
  const text = bytes.subarray(at + 1, end);
  const isKey = text.length >= 1 && text.length <= maxBytes && text.every(isVisible);
  return isKey ? Secret.copyOf(text) : undefined;
}

function isVisible(byte: number): boolean {
  return byte > 0x20 && byte < 0x7f && byte !== BACKSLASH;
}

/** Where the string that begins at `start` ends: the index of its closing quote. */
function endOfString(bytes: Uint8Array, start: number): number | undefined {
  for (let at = start + 1; at < bytes.length; at += 1) {
    if (bytes[at] === BACKSLASH) at += 1;
    else if (bytes[at] === QUOTE) return at;
  }
  return undefined;
}

function skipWhite(bytes: Uint8Array, from: number): number {
  let at = from;
  while (WHITE.has(bytes[at] ?? 0)) at += 1;
  return at;
}
