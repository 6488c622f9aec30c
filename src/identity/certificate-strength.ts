import type { KeyObject } from "node:crypto";
import type { AlgorithmIdentifier } from "@peculiar/asn1-x509";

const RSA_MIN_BITS = 2048;
const CURVES: readonly string[] = ["prime256v1", "secp384r1", "secp521r1"];

// RFC 5758 §3.2 (ECDSA with SHA-2), RFC 8017 §A.2.4 (RSA with SHA-2), RFC 8410 §3 (Ed25519).
const STRONG_SIGNATURES: readonly string[] = [
  "1.2.840.10045.4.3.2",
  "1.2.840.10045.4.3.3",
  "1.2.840.10045.4.3.4",
  "1.2.840.113549.1.1.11",
  "1.2.840.113549.1.1.12",
  "1.2.840.113549.1.1.13",
  "1.3.101.112",
];

const RSA_PSS = "1.2.840.113549.1.1.10";
/** The object identifiers of SHA-256, SHA-384 and SHA-512 in DER; RSASSA-PSS names its hash in its parameters and means SHA-1 when it names none. */
const SHA_2 = ["0609608648016503040201", "0609608648016503040202", "0609608648016503040203"].map((hex) =>
  Buffer.from(hex, "hex"),
);
const SHA_1 = Buffer.from("06052b0e03021a", "hex");

/** Whether a certificate signed this way is to be believed: SHA-2 or Ed25519. */
export function isStrongSignature({ algorithm, parameters }: AlgorithmIdentifier): boolean {
  if (algorithm !== RSA_PSS) return STRONG_SIGNATURES.includes(algorithm);
  if (!parameters) return false;
  const named = Buffer.from(parameters);
  return SHA_2.some((oid) => named.includes(oid)) && !named.includes(SHA_1);
}

/** Whether a public key is strong enough to stand for an identity: RSA of 2048 bits, P-256, P-384, P-521 or Ed25519. */
export function isStrongKey(key: KeyObject): boolean {
  switch (key.asymmetricKeyType) {
    case "rsa":
    case "rsa-pss":
      return (key.asymmetricKeyDetails?.modulusLength ?? 0) >= RSA_MIN_BITS;
    case "ec":
      return CURVES.includes(key.asymmetricKeyDetails?.namedCurve ?? "");
    default:
      return key.asymmetricKeyType === "ed25519";
  }
}
