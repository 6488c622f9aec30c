import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from "node:crypto";
import { canonicalBytes } from "../base/canonical.ts";
import { DATA_KEY_BYTES } from "./check-answer.ts";
import { DevelopmentKmsError } from "./development-error.ts";
import type { EncryptionContext } from "./kms.ts";

/** A KMS key's state, as far as it decides whether the key may be used (AWS KMS developer guide, key states). */
export type DevelopmentKeyState = "Enabled" | "Disabled" | "PendingDeletion" | "PendingImport" | "Unavailable";

/** One key: its material newest last, so that a rotated key still opens what its older material wrapped. */
export interface DevelopmentKey {
  readonly keyArn: string;
  readonly materials: Buffer[];
  readonly aliases: string[];
  state: DevelopmentKeyState;
}

/** The development KMS's keys and what they can do. Errors are `DevelopmentKmsError` with KMS's own names. */
export interface DevelopmentKeyring {
  readonly keys: DevelopmentKey[];
  /** The key that an id, ARN, alias or alias ARN names, whatever its state. NotFoundException. */
  find(keyId: string): DevelopmentKey;
  /** A fresh data key of 32 bytes, and the same wrapped. NotFoundException, DisabledException, KMSInvalidStateException. */
  generate(keyId: string, context: EncryptionContext): { keyArn: string; plaintext: Buffer; wrapped: Buffer };
  /** Wraps bytes. Errors as `generate`. */
  encrypt(keyId: string, plaintext: Buffer, context: EncryptionContext): { keyArn: string; wrapped: Buffer };
  /** Opens a wrapped key. Besides: IncorrectKeyException when `keyId` names another key, InvalidCiphertextException for everything that does not fit. */
  decrypt(
    keyId: string | undefined,
    wrapped: Buffer,
    context: EncryptionContext,
  ): { keyArn: string; plaintext: Buffer };
}

const ARN_PREFIX = "arn:aws:kms:us-east-1:000000000000:";
const MAGIC = Buffer.from("PLDK\x01", "latin1");
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** A new key with fresh material. */
export function newDevelopmentKey(aliases: readonly string[] = []): DevelopmentKey {
  return {
    keyArn: `${ARN_PREFIX}key/${randomUUID()}`,
    materials: [randomBytes(DATA_KEY_BYTES)],
    aliases: [...aliases],
    state: "Enabled",
  };
}

/** The operations of KMS over `keys`, which may be changed from outside between calls. */
export function createDevelopmentKeyring(keys: DevelopmentKey[]): DevelopmentKeyring {
  function find(keyId: string): DevelopmentKey {
    const found = keys.find(
      (key) =>
        key.keyArn === keyId ||
        key.keyArn.endsWith(`:key/${keyId}`) ||
        key.aliases.some((alias) => alias === keyId || `${ARN_PREFIX}${alias}` === keyId),
    );
    if (found === undefined) throw new DevelopmentKmsError("NotFoundException");
    return found;
  }

  function findUsable(keyId: string): DevelopmentKey {
    const key = find(keyId);
    if (key.state === "Disabled") throw new DevelopmentKmsError("DisabledException");
    if (key.state !== "Enabled") throw new DevelopmentKmsError("KMSInvalidStateException");
    return key;
  }

  function encrypt(keyId: string, plaintext: Buffer, context: EncryptionContext) {
    const key = findUsable(keyId);
    return { keyArn: key.keyArn, wrapped: wrap(key, plaintext, context) };
  }

  return {
    keys,
    find,
    encrypt,
    generate(keyId, context) {
      const plaintext = randomBytes(DATA_KEY_BYTES);
      return { ...encrypt(keyId, plaintext, context), plaintext };
    },
    decrypt(keyId, wrapped, context) {
      const named = keyId === undefined ? undefined : findUsable(keyId);
      const parts = parseWrapped(wrapped);
      const key = keys.find((candidate) => candidate.keyArn === parts.keyArn);
      const material = key?.materials[parts.material];
      if (key === undefined || material === undefined) throw new DevelopmentKmsError("InvalidCiphertextException");
      if (named !== undefined && named !== key) throw new DevelopmentKmsError("IncorrectKeyException");
      findUsable(key.keyArn);
      return { keyArn: key.keyArn, plaintext: unwrap(material, parts, context) };
    },
  };
}

interface WrappedParts {
  readonly header: Buffer;
  readonly keyArn: string;
  readonly material: number;
  readonly nonce: Buffer;
  readonly ciphertext: Buffer;
  readonly tag: Buffer;
}

/** Magic and version | ARN length u16 | ARN | material u32 | nonce 12 | ciphertext | tag 16. To everyone else it is opaque, as with KMS. */
function wrap(key: DevelopmentKey, plaintext: Buffer, context: EncryptionContext): Buffer {
  const arn = Buffer.from(key.keyArn);
  const header = Buffer.alloc(MAGIC.length + 2 + arn.length + 4);
  MAGIC.copy(header);
  header.writeUInt16BE(arn.length, MAGIC.length);
  arn.copy(header, MAGIC.length + 2);
  const material = key.materials.length - 1;
  header.writeUInt32BE(material, header.length - 4);
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key.materials[material] ?? Buffer.alloc(0), nonce, {
    authTagLength: TAG_BYTES,
  });
  cipher.setAAD(associatedData(header, context));
  return Buffer.concat([header, nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

function parseWrapped(wrapped: Buffer): WrappedParts {
  const arnStart = MAGIC.length + 2;
  const arnEnd = arnStart + (wrapped.length < arnStart ? 0 : wrapped.readUInt16BE(MAGIC.length));
  const headerEnd = arnEnd + 4;
  if (wrapped.length < headerEnd + NONCE_BYTES + TAG_BYTES || !wrapped.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new DevelopmentKmsError("InvalidCiphertextException");
  }
  return {
    header: wrapped.subarray(0, headerEnd),
    keyArn: wrapped.toString("utf8", arnStart, arnEnd),
    material: wrapped.readUInt32BE(arnEnd),
    nonce: wrapped.subarray(headerEnd, headerEnd + NONCE_BYTES),
    ciphertext: wrapped.subarray(headerEnd + NONCE_BYTES, -TAG_BYTES),
    tag: wrapped.subarray(-TAG_BYTES),
  };
}

function unwrap(material: Buffer, parts: WrappedParts, context: EncryptionContext): Buffer {
  const decipher = createDecipheriv("aes-256-gcm", material, parts.nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(associatedData(parts.header, context)).setAuthTag(parts.tag);
  const plaintext = decipher.update(parts.ciphertext);
  try {
    decipher.final();
    return plaintext;
  } catch {
    plaintext.fill(0);
    throw new DevelopmentKmsError("InvalidCiphertextException");
  }
}

/** Length-prefixed, so that {"a":"bc"} and {"ab":"c"} differ; sorted, since the order of a context does not count. */
function associatedData(header: Buffer, context: EncryptionContext): Buffer {
  const pairs = Object.entries(context).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return canonicalBytes(["plori/development-kms/v1", header, pairs.length, ...pairs.flat()]);
}
