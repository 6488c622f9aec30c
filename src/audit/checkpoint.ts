import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";

/**
 * Checkpoints are signed notes in the format of C2SP tlog-checkpoint (c2sp.org/tlog-checkpoint) and signed-note (c2sp.org/signed-note): origin, size and
 * hash, one a line, an empty line, and a signature line. The hash is the head of a writer's chain, not a Merkle root: the chain is what is verified.
 */
export interface Checkpoint {
  /** How many records the chain had. */
  readonly size: bigint;
  /** The chain's hash at that record, 32 bytes. */
  readonly hash: Uint8Array;
  /** The signed note, as it is stored and published. */
  readonly note: string;
}

/** The public half of a signing key under its name. */
export interface VerifierKey {
  readonly name: string;
  readonly publicKey: KeyObject;
  /** The first four bytes of SHA-256(name, newline, 0x01, public key), by which a signature line names its key. */
  readonly keyId: Buffer;
}

/** A signing key under its name. */
export interface SignerKey extends VerifierKey {
  readonly privateKey: KeyObject;
}

/** The bytes of an Ed25519 seed, and of a public key. */
export const SEED_BYTES = 32;

const ALGORITHM_ED25519 = 0x01;
const KEY_ID_BYTES = 4;
const SIGNATURE_BYTES = 64;
const HASH_BYTES = 32;
/** What stands before the seed in a PKCS #8 Ed25519 key, and before the public key in an SPKI one (RFC 8410 §7, §4). */
const PKCS8_HEAD = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_HEAD_BYTES = 12;
const NOTE = /^([^\n]+)\n(0|[1-9]\d{0,18})\n([A-Za-z0-9+/]{43}=)\n\n((?:\u2014 [^\n ]+ [A-Za-z0-9+/=]+\n)+)$/;

/** The signing key of a 32-byte seed, which stays the caller's to wipe. */
export function signerKey(name: string, seed: Uint8Array): SignerKey {
  const der = Buffer.concat([PKCS8_HEAD, seed]);
  try {
    const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
    const publicKey = createPublicKey(privateKey);
    const keyId = createHash("sha256")
      .update(`${name}\n`)
      .update(Buffer.from([ALGORITHM_ED25519]))
      .update(rawPublicKey(publicKey))
      .digest()
      .subarray(0, KEY_ID_BYTES);
    return { name, privateKey, publicKey, keyId };
  } finally {
    der.fill(0);
  }
}

/** The key as other verifiers take it: `<name>+<key id in hex>+<base64 of 0x01 and the public key>` (c2sp.org/signed-note). */
export function verifierText({ name, keyId, publicKey }: VerifierKey): string {
  const key = Buffer.concat([Buffer.from([ALGORITHM_ED25519]), rawPublicKey(publicKey)]);
  return `${name}+${keyId.toString("hex")}+${key.toString("base64")}`;
}

/** Signs the state of a chain. */
export function signCheckpoint(key: SignerKey, origin: string, size: bigint, hash: Uint8Array): Checkpoint {
  const text = `${origin}\n${size}\n${Buffer.from(hash).toString("base64")}\n`;
  const signature = Buffer.concat([key.keyId, sign(null, Buffer.from(text, "utf8"), key.privateKey)]);
  return { size, hash, note: `${text}\n\u2014 ${key.name} ${signature.toString("base64")}\n` };
}

/** The checkpoint that a note holds when `origin` and the signature of one of `keys` hold; undefined for anything else. */
export function openCheckpoint(note: string, origin: string, keys: readonly VerifierKey[]): Checkpoint | undefined {
  const match = NOTE.exec(note);
  if (match === null || match[1] !== origin) return undefined;
  const [, , size = "", hash = "", signatures = ""] = match;
  const text = Buffer.from(note.slice(0, note.indexOf("\n\n") + 1), "utf8");
  const isSigned = signatures.split("\n").some((line) => {
    const [, name, base64 = ""] = line.split(" ");
    const bytes = Buffer.from(base64, "base64");
    if (bytes.length !== KEY_ID_BYTES + SIGNATURE_BYTES) return false;
    const key = keys.find((known) => known.name === name && known.keyId.equals(bytes.subarray(0, KEY_ID_BYTES)));
    return key !== undefined && verify(null, text, key.publicKey, bytes.subarray(KEY_ID_BYTES));
  });
  const hashBytes = Buffer.from(hash, "base64");
  if (!isSigned || hashBytes.length !== HASH_BYTES) return undefined;
  return { size: BigInt(size), hash: hashBytes, note };
}

function rawPublicKey(key: KeyObject): Buffer {
  return key.export({ format: "der", type: "spki" }).subarray(SPKI_HEAD_BYTES);
}
